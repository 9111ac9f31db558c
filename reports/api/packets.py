"""The REST doors of packets: each parses, makes one service call and renders its result."""

from __future__ import annotations

from typing import cast

from django.http import HttpResponse, HttpResponseBase
from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from access.api.idempotency import Idempotent
from access.api.pagination import NewestFirst
from access.api.throttling import SigningThrottle
from audit.api.views import AnyAccept
from audit.events import Actor
from ops.models import Run
from reports import selectors
from reports.api import bodies, files, representations
from reports.api.requests import given_in_address, given_in_body, period_of
from reports.services import countersigning, packets, published, serving

RETRY_SECONDS = 10
_NAME = OpenApiParameter("name", OpenApiTypes.STR, OpenApiParameter.PATH)
_DATES = [
    OpenApiParameter(
        "startDate",
        OpenApiTypes.STR,
        required=True,
        description="Where the period begins: ISO 8601 with an offset, or a UTC day.",
    ),
    OpenApiParameter(
        "endDate",
        OpenApiTypes.STR,
        required=True,
        description="Where it ends. A day, or a last second such as `…T23:59:59.999Z`, is meant"
        " whole; any other moment is not part of the period.",
    ),
]
_HEADERS = [
    OpenApiParameter(
        name,
        OpenApiTypes.STR,
        OpenApiParameter.HEADER,
        response=statuses,
        description=description,
    )
    for name, statuses, description in (
        ("X-Evidence-Signature", [200, 304], "Of the body's bytes, in base64."),
        ("X-Evidence-Key-Id", [200, 304], "The key that made it."),
        ("ETag", [200, 304], "The SHA-256 of the body."),
        ("Repr-Digest", [200], "The same, as RFC 9530 has it."),
        ("Content-Disposition", [200], "The file's name."),
        ("Retry-After", [202], "After how many seconds to ask again."),
        ("Location", [202], "The run."),
    )
]


class Soc2PacketView(APIView):
    """`GET /api/compliance/soc2-packet`"""

    http_method_names = ["get", "options"]
    content_negotiation_class = AnyAccept

    @extend_schema(
        operation_id="soc2_packet",
        parameters=[
            *_DATES,
            OpenApiParameter("format", OpenApiTypes.STR, enum=["json", "pdf"], default="json"),
            OpenApiParameter(
                "client_id", OpenApiTypes.STR, description="Without it: the platform."
            ),
            OpenApiParameter(
                "revision", OpenApiTypes.INT, description="Without it: the newest revision."
            ),
            OpenApiParameter("If-None-Match", OpenApiTypes.STR, OpenApiParameter.HEADER),
            *_HEADERS,
        ],
        responses={
            (200, "application/json"): OpenApiTypes.OBJECT,
            (200, "application/pdf"): OpenApiTypes.BINARY,
            202: bodies.PacketRunAnswer,
            304: OpenApiResponse(description="It is what the caller has already."),
        },
    )
    def get(self, request: Request) -> HttpResponseBase:
        """The packet of a period, with the service's signature in `X-Evidence-Signature`.

        With a bearer token, one that is not there yet is made, and so is a revision where the one
        that is there was made before the period was over: the answer waits 30 seconds for it, and
        is 202 with the run if it takes longer. By a session only what is stored is answered.
        """
        given = given_in_address(bodies.PacketQuery, request)
        found = serving.serve(
            actor=Actor.of_request(request),
            period=period_of(given),
            document_format=serving.DocumentFormat(given.pop("format")),
            known=files.known_to(request),
            # A session's GET may come from any link that somebody follows.
            may_make=request.auth is not None,
            **given,
        )
        if isinstance(found, Run):
            return _goes_on(found)
        return files.answer(found)


class PacketsView(Idempotent):
    """`/api/compliance/packets`"""

    @extend_schema(
        operation_id="packets_list",
        parameters=[
            OpenApiParameter("framework", OpenApiTypes.STR, enum=["SOC2"]),
            OpenApiParameter("client_id", OpenApiTypes.STR),
            OpenApiParameter("status", OpenApiTypes.STR, enum=["writing", "complete", "failed"]),
            OpenApiParameter(
                "since", OpenApiTypes.STR, description="Made at this moment or later, RFC 3339."
            ),
            OpenApiParameter("cursor", OpenApiTypes.STR),
            OpenApiParameter("page_size", OpenApiTypes.INT),
        ],
        responses=bodies.PacketPage,
    )
    def get(self, request: Request) -> Response:
        """Packets that the caller may see, newest first."""
        given = given_in_address(bodies.ListQuery, request)
        for name in ("cursor", "page_size"):
            given.pop(name, None)
        found = selectors.packets(actor=Actor.of_request(request), **given)
        pagination = NewestFirst()
        page = pagination.paginate_queryset(found, request, self)
        return pagination.get_paginated_response(
            [representations.packet(packet, request) for packet in page]
        )

    @extend_schema(
        operation_id="packets_make",
        request=bodies.PacketBody,
        responses={
            200: bodies.PacketAnswer,
            201: bodies.PacketAnswer,
            202: bodies.PacketRunAnswer,
        },
    )
    def post(self, request: Request) -> Response:
        """Make the packet of a period; with `revise`, another revision, and a reason for it.

        Waits 30 seconds, then answers 202 with the run. One that is there already is answered
        with 200.
        """
        given = given_in_body(bodies.PacketBody, request)
        asked = packets.request_packet(
            actor=Actor.of_request(request), period=period_of(given), **given
        )
        if asked.packet is None:
            # Where there is no packet yet, there is the run that makes it.
            return _goes_on(cast(Run, asked.run))
        return Response(
            representations.packet(asked.packet, request),
            status=status.HTTP_201_CREATED if asked.is_new else status.HTTP_200_OK,
            headers={"Location": reverse("packet", args=[asked.packet.name])},
        )


class PacketView(APIView):
    """`GET /api/compliance/packets/{name}`"""

    @extend_schema(
        operation_id="packets_retrieve", parameters=[_NAME], responses=bodies.PacketAnswer
    )
    def get(self, request: Request, name: str) -> Response:
        """One packet: what it is about, its files, and its signatures."""
        found = selectors.by_name(actor=Actor.of_request(request), name=name)
        return Response(representations.packet(found, request))


class PacketFileView(APIView):
    """`GET /api/compliance/packets/{name}/files/{file}`"""

    http_method_names = ["get", "options"]
    content_negotiation_class = AnyAccept

    @extend_schema(
        operation_id="packets_file",
        parameters=[_NAME],
        responses={(200, "application/octet-stream"): OpenApiTypes.BINARY},
    )
    def get(self, request: Request, name: str, file: str) -> HttpResponse:
        """A file of a packet. That it was taken is recorded before the first byte leaves."""
        found = serving.download(actor=Actor.of_request(request), name=name, file=file)
        return files.answer(found)


class PacketCountersignView(Idempotent):
    """`POST /api/compliance/packets/{name}/countersign`"""

    throttle_classes = (SigningThrottle,)

    @extend_schema(
        operation_id="packets_countersign",
        parameters=[_NAME],
        request=bodies.PacketCountersignBody,
        responses=bodies.PacketAnswer,
    )
    def post(self, request: Request, name: str) -> Response:
        """Sign the PDF of a packet that another person asked for, with one's own key."""
        given = given_in_body(bodies.PacketCountersignBody, request)
        signed = countersigning.countersign(actor=Actor.of_request(request), name=name, **given)
        return Response(representations.packet(signed.packet, request))


class CertificateView(APIView):
    """`GET /api/compliance/certificate`"""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    content_negotiation_class = AnyAccept

    @extend_schema(
        operation_id="certificate",
        responses={(200, "application/x-pem-file"): OpenApiTypes.STR},
        auth=[],
    )
    def get(self, request: Request) -> HttpResponse:
        """The certificate of the key that signs PDFs, with its chain, in PEM; no login."""
        pem = published.chain()
        return HttpResponse(pem, content_type="application/x-pem-file")


def _goes_on(run: Run) -> Response:
    """202 with the run: who asks again after a while gets the packet."""
    return Response(
        {"run_id": str(run.pk), "status": run.status},
        status=status.HTTP_202_ACCEPTED,
        headers={
            "Location": reverse("run", args=[run.pk]),
            "Retry-After": str(RETRY_SECONDS),
        },
    )
