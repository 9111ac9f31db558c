"""The REST doors of this room: each parses, makes one service call and renders its result."""

from __future__ import annotations

from datetime import datetime
from typing import Any, TypeVar

from django.http import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.views import APIView

from access.api.idempotency import Idempotent
from access.api.pagination import NewestFirst
from access.api.parsers import StrictJSONParser
from access.api.throttling import SigningThrottle
from audit.events import Actor
from evidence import checkable, selectors
from evidence.api import representations
from evidence.api import serializers as bodies
from evidence.api.uploads import UploadParser, sidecar, uploaded
from evidence.formats.verification import Sidecars
from evidence.responses import file_response
from evidence.services import countersigning, downloads, exporting, locating, verification
from sealing.times import format_time

S = TypeVar("S", bound="Serializer[Any]")


def _given(kind: type[S], request: Request) -> dict[str, Any]:
    body = kind(data=request.data)
    body.is_valid(raise_exception=True)
    return dict(body.validated_data)


def _secret(given: dict[str, Any]) -> bytes | None:
    secret = given.pop("signing_secret")
    return secret.encode() if secret else None


def _payload(given: dict[str, Any]) -> dict[str, Any]:
    """The body as a job's payload has it: moments in our own form, defaults left to the service."""
    return {
        key: format_time(value) if isinstance(value, datetime) else value
        for key, value in given.items()
    }


class ExportView(Idempotent):
    """`POST /compliance/evidence/export`"""

    @extend_schema(
        request=bodies.ExportBody,
        responses={201: bodies.ExportAnswer, 202: bodies.ExportGoesOn},
    )
    def post(self, request: Request) -> Response:
        """Make a package of a client's events in a half-open period; waits for it for 30 seconds.

        What takes longer is answered with 202 and the run, which goes on.
        """
        given = _given(bodies.ExportBody, request)
        found = exporting.request_export(actor=Actor.of_request(request), payload=_payload(given))
        if found.package is None:
            answer = {"run_id": str(found.run.pk), "status": found.run.status}
            return Response(answer, status=status.HTTP_202_ACCEPTED)
        answer = representations.exported(found.package, request)
        return Response(answer, status=status.HTTP_201_CREATED)


class CountersignView(Idempotent):
    """`POST /compliance/evidence/countersign`"""

    throttle_classes = (SigningThrottle,)

    @extend_schema(request=bodies.CountersignBody, responses=bodies.CountersignAnswer)
    def post(self, request: Request) -> Response:
        """Countersign a package that another person made, with one's own key."""
        given = _given(bodies.CountersignBody, request)
        secret = _secret(given)
        entry = countersigning.countersign(
            actor=Actor.of_request(request), signing_secret=secret, **given
        )
        return Response(representations.countersigned(entry))


class VerifyView(APIView):
    """`POST /compliance/evidence/verify`"""

    parser_classes = (StrictJSONParser, UploadParser)

    @extend_schema(
        request={"application/json": bodies.VerifyBody, "multipart/form-data": bodies.UploadBody},
        responses=bodies.VerifyAnswer,
    )
    def post(self, request: Request) -> Response:
        """Verify a package of this installation by name, or one that is sent along."""
        sent_along = (request.content_type or "").lower().startswith("multipart/")
        result = self._by_upload(request) if sent_along else self._by_name(request)
        return Response(result.as_dict())

    def _by_name(self, request: Request) -> verification.VerificationResult:
        given = _given(bodies.VerifyBody, request)
        secret = _secret(given)
        return verification.verify(actor=Actor.of_request(request), signing_secret=secret, **given)

    def _by_upload(self, request: Request) -> verification.VerificationResult:
        given = _given(bodies.UploadBody, request)
        checkable.refuse_other(given["package"].name or "")
        sidecars = Sidecars(
            sig=sidecar(given.get("sig")),
            signature=sidecar(given.get("signature")),
            countersign=sidecar(given.get("countersign")),
            timestamp=sidecar(given.get("timestamp")),
        )
        with uploaded(given["package"]) as data:
            return verification.verify_upload(
                actor=Actor.of_request(request),
                file_name=given["package"].name or "",
                data=data,
                sidecars=sidecars,
                require_countersign=given["require_countersign"],
                signing_secret=_secret(given),
            )


class PackageListView(APIView):
    """`GET /compliance/evidence/packages`"""

    @extend_schema(
        operation_id="evidence_packages_list",
        parameters=[
            OpenApiParameter("client_id", OpenApiTypes.STR),
            OpenApiParameter("status", OpenApiTypes.STR, enum=["writing", "complete", "failed"]),
            OpenApiParameter("cursor", OpenApiTypes.STR),
            OpenApiParameter("page_size", OpenApiTypes.INT),
        ],
        responses=bodies.PackagePage,
    )
    def get(self, request: Request) -> Response:
        """Packages that the caller may see, newest first."""
        found = selectors.packages(
            actor=Actor.of_request(request),
            client_id=request.query_params.get("client_id"),
            status=request.query_params.get("status"),
        )
        pagination = NewestFirst()
        page = pagination.paginate_queryset(found, request, self)
        return pagination.get_paginated_response(
            [representations.package(package, request) for package in page]
        )


class PackageView(APIView):
    """`GET /compliance/evidence/packages/{bundle_id}`"""

    @extend_schema(operation_id="evidence_packages_retrieve", responses=bodies.PackageAnswer)
    def get(self, request: Request, bundle_id: str) -> Response:
        """One package."""
        package = locating.by_bundle_id(actor=Actor.of_request(request), bundle_id=bundle_id)
        return Response(representations.package(package, request))


class _AnyAccept(BaseContentNegotiation):
    """A file has the type that it has, whatever the caller prefers."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        """There is no body."""
        return parsers[0]

    def select_renderer(self, request: Request, renderers: Any, format_suffix: Any = None) -> Any:
        """For errors."""
        return renderers[0], renderers[0].media_type


class PackageFileView(APIView):
    """`GET /compliance/evidence/packages/{bundle_id}/files/{name}`"""

    http_method_names = ["get", "options"]
    content_negotiation_class = _AnyAccept

    @extend_schema(responses={(200, "application/octet-stream"): OpenApiTypes.BINARY})
    def get(self, request: Request, bundle_id: str, name: str) -> HttpResponseBase:
        """A file of a package. That it was taken is recorded before the first byte leaves."""
        found = downloads.download(actor=Actor.of_request(request), bundle_id=bundle_id, name=name)
        return file_response(found)
