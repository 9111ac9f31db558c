"""Having the log verified over REST."""

from __future__ import annotations

from django.urls import reverse
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from access.api.idempotency import Idempotent
from audit.api import bodies, representations
from audit.events import Actor
from audit.models import VerificationRequest
from audit.services import requests


class VerifyView(Idempotent):
    """`POST /api/audit/verify`"""

    @extend_schema(
        operation_id="audit_verify",
        request=bodies.VerifyLogBody,
        responses={
            200: bodies.VerifyLogAnswer,
            202: OpenApiResponse(
                bodies.VerificationRequestAnswer,
                description="Too much for one answer: the worker does it; ask `Location`.",
            ),
        },
    )
    def post(self, request: Request) -> Response:
        """Verifies the log, or some days of it, in the database or the configured archive."""
        actor = Actor.of(request.user, request._request)
        # Whoever may not does not learn what is configured.
        requests.require_may_verify(actor)
        body = bodies.VerifyLogBody(data=request.data)
        body.is_valid(raise_exception=True)
        done = requests.verify(actor=actor, **body.validated_data)
        if isinstance(done, VerificationRequest):
            return Response(
                representations.requested(done),
                status=status.HTTP_202_ACCEPTED,
                headers={"Location": reverse("audit-verification", args=[done.pk])},
            )
        return Response(representations.verified(done))


class VerificationRequestView(APIView):
    """`GET /api/audit/verify/{id}`"""

    @extend_schema(operation_id="audit_verify_progress", responses=bodies.VerificationRequestAnswer)
    def get(self, request: Request, request_id: int) -> Response:
        """How far a queued verification is, and what it came to."""
        requests.require_may_verify(Actor.of(request.user, request._request))
        return Response(representations.requested(requests.get(request_id)))
