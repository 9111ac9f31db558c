"""The REST door that verifies packets."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from access.api.parsers import StrictJSONParser
from audit.events import Actor
from evidence.api.uploads import UploadParser
from reports.api import bodies, uploads
from reports.api.requests import given_in_body
from reports.services import verification


class PacketVerifyView(APIView):
    """`POST /api/compliance/packets/verify`"""

    parser_classes = (StrictJSONParser, UploadParser)

    @extend_schema(
        operation_id="packets_verify",
        request={
            "application/json": bodies.PacketVerifyBody,
            "multipart/form-data": bodies.PacketUploadBody,
        },
        responses=bodies.PacketVerifyAnswer,
    )
    def post(self, request: Request) -> Response:
        """Verify a packet of this installation by name, or files that are sent along."""
        actor = Actor.of_request(request)
        if (request.content_type or "").lower().startswith("multipart/"):
            given = given_in_body(bodies.PacketUploadBody, request)
            report = verification.verify_upload(
                actor=actor,
                files=uploads.files_of(given),
                require_countersign=given["require_countersign"],
            )
        else:
            given = given_in_body(bodies.PacketVerifyBody, request)
            report = verification.verify_stored(
                actor=actor,
                name=given["packet"],
                require_countersign=given["require_countersign"],
            )
        return Response(report.as_dict())
