"""The REST doors of artefacts: each parses, makes one service call and renders its result."""

from __future__ import annotations

import hashlib
import uuid
from pathlib import Path
from typing import Any, cast

from django.conf import settings
from django.core.files.uploadedfile import TemporaryUploadedFile, UploadedFile
from django.http import HttpResponseBase, QueryDict
from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from access.api.idempotency import Idempotent
from access.api.pagination import NewestFirst
from access.api.parsers import StrictJSONParser
from audit.api.views import AnyAccept
from audit.events import Actor
from evidence import selectors
from evidence.api.uploads import UploadParser
from evidence.models import Artifact
from evidence.responses import file_response
from evidence.services import artifacts as kept
from evidence.services.submissions import Submission
from reports.api import artifact_bodies as bodies
from reports.services import artifacts
from sealing.times import format_time

# The parts of a form besides its file.
_FORM_BYTES = 1 << 20


class ArtifactParser(UploadParser):
    """Multipart bodies with one artefact; larger files lie in a temporary folder meanwhile."""

    def max_bytes(self) -> int:
        """The largest artefact, and the form around it."""
        return int(settings.EVIDENCE_ARTIFACT_MAX_BYTES) + _FORM_BYTES


class ArtifactListView(Idempotent):
    """`GET|POST /api/artifacts`"""

    parser_classes = (StrictJSONParser, ArtifactParser)
    max_body_bytes = bodies.MAX_JSON_BYTES

    @extend_schema(
        operation_id="artifacts_list",
        parameters=[
            OpenApiParameter("client_id", OpenApiTypes.STR),
            OpenApiParameter("framework", OpenApiTypes.STR),
            OpenApiParameter("control", OpenApiTypes.STR),
            OpenApiParameter("cursor", OpenApiTypes.STR),
            OpenApiParameter("page_size", OpenApiTypes.INT),
        ],
        responses=bodies.ArtifactPage,
    )
    def get(self, request: Request) -> Response:
        """Artefacts that the caller may see, newest first."""
        query = bodies.ArtifactQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        asked = query.validated_data
        found = selectors.artifacts(
            actor=Actor.of_request(request),
            client_id=asked.get("client_id"),
            framework=asked.get("framework"),
            control_id=asked.get("control"),
        )
        pagination = NewestFirst()
        page = pagination.paginate_queryset(found, request, self)
        return pagination.get_paginated_response([_told(item) for item in page])

    @extend_schema(
        operation_id="artifacts_create",
        request={
            "multipart/form-data": bodies.ArtifactUpload,
            "application/json": bodies.ArtifactBody,
        },
        responses={201: bodies.ArtifactAnswer},
    )
    def post(self, request: Request) -> Response:
        """Keep a file in the vault as evidence for a control and a half-open period.

        As a form with a `file`; or, up to 3 MB, as JSON with its bytes in base64.
        """
        is_form = _is_form(request)
        submission = _of_form(request) if is_form else _of_json(request)
        artifact = artifacts.receive(actor=Actor.of_request(request), submission=submission)
        return Response(
            _told(artifact),
            status=status.HTTP_201_CREATED,
            headers={"Location": reverse("artifact", args=[artifact.pk])},
        )

    def compared(self, request: Request) -> tuple[bytes, ...]:
        """A form by its fields and the digest of its file: the text between the parts is another
        each time that it is sent."""
        if not _is_form(request):
            return super().compared(request)
        parts = []
        for name, values in sorted(_form(request).lists()):
            for value in values:
                parts += [name.encode(), *_parts_of(value)]
        return (b"multipart/form-data", *parts)


class ArtifactView(APIView):
    """`GET /api/artifacts/{id}`"""

    @extend_schema(operation_id="artifacts_retrieve", responses=bodies.ArtifactAnswer)
    def get(self, request: Request, artifact_id: uuid.UUID) -> Response:
        """One artefact."""
        return Response(_told(kept.by_id(actor=Actor.of_request(request), artifact_id=artifact_id)))


class ArtifactContentView(APIView):
    """`GET /api/artifacts/{id}/content`"""

    http_method_names = ["get", "options"]
    content_negotiation_class = AnyAccept

    @extend_schema(
        operation_id="artifacts_content",
        responses={(200, "application/octet-stream"): OpenApiTypes.BINARY},
    )
    def get(self, request: Request, artifact_id: uuid.UUID) -> HttpResponseBase:
        """The file. That it was taken is recorded before the first byte leaves."""
        return file_response(kept.read(actor=Actor.of_request(request), artifact_id=artifact_id))


def _is_form(request: Request) -> bool:
    return (request.content_type or "").lower().startswith("multipart/")


def _form(request: Request) -> QueryDict:
    """The fields and files, read from the request once."""
    return cast(QueryDict, request.data)


def _of_form(request: Request) -> Submission:
    twice = [name for name, values in _form(request).lists() if len(values) > 1]
    if twice:
        raise ValidationError({name[:100]: ["Once only."] for name in twice})
    given = _validated(bodies.ArtifactUpload, request)
    file: UploadedFile[bytes] = given.pop("file")
    if isinstance(file, TemporaryUploadedFile):
        content: Path | bytes = Path(file.temporary_file_path())
    else:
        content = file.read()
    return _submission(given, file.name or "", file.content_type or "", content)


def _of_json(request: Request) -> Submission:
    given = _validated(bodies.ArtifactBody, request)
    file_name, media_type = given.pop("file_name"), given.pop("media_type")
    return _submission(given, file_name, media_type, given.pop("content"))


def _validated(kind: type[bodies.AboutArtifact], request: Request) -> dict[str, Any]:
    body = kind(data=request.data)
    body.is_valid(raise_exception=True)
    return dict(body.validated_data)


def _submission(
    given: dict[str, Any], file_name: str, media_type: str, content: Path | bytes
) -> Submission:
    return Submission(
        # An empty field of a form is none.
        client_id=given["client_id"] or None,
        framework=given["framework"],
        control_id=given["control"],
        period_start=given["period_start"],
        period_end=given["period_end"],
        title=given["title"],
        origin=given["origin"],
        note=given["note"],
        file_name=file_name,
        media_type=media_type,
        content=content,
    )


def _parts_of(value: Any) -> tuple[bytes, ...]:
    if not isinstance(value, UploadedFile):
        return (str(value).encode("utf-8", "surrogatepass"),)
    digest = hashlib.sha256()
    for block in value.chunks():
        digest.update(block)
    value.seek(0)
    told = f"{value.name}\n{value.content_type}"
    return told.encode("utf-8", "surrogatepass"), digest.digest()


def _told(found: Artifact) -> dict[str, Any]:
    lock = max(found.deposit.locks.all(), key=lambda state: state.number)
    return {
        "id": str(found.pk),
        "client_id": found.client_id,
        "framework": found.framework,
        "control": found.control_id,
        "period_start": format_time(found.period_start),
        "period_end": format_time(found.period_end),
        "title": found.title,
        "origin": found.origin,
        "note": found.note,
        "file_name": found.file_name,
        "media_type": found.media_type,
        "size_bytes": found.size_bytes,
        "sha256": found.sha256,
        "received_at": format_time(found.created_at),
        "received_from": {
            "account": found.account.get_username(),
            "person": str(found.person_id) if found.person_id else None,
            "name": found.person.display_name if found.person else None,
        },
        "vault": {
            "mode": found.deposit.mode,
            "path": f"{found.deposit.folder}/{found.file_name}",
            "retention_policy": found.deposit.retention_policy,
            "retain_until": format_time(lock.retain_until),
            "legal_holds": lock.legal_holds,
        },
        "content_url": reverse("artifact-content", args=[found.pk]),
    }
