"""The REST doors of controls: each parses, makes one service call and renders its result."""

from __future__ import annotations

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from access.api.idempotency import Idempotent
from audit.events import Actor
from reports.api import control_bodies as bodies
from reports.api.requests import given_in_address, given_in_body, period_of
from reports.services import control_lists, controls


class ControlsView(APIView):
    """`GET /api/controls`"""

    @extend_schema(
        operation_id="controls_list",
        parameters=[
            OpenApiParameter("framework", OpenApiTypes.STR, enum=["SOC2"], default="SOC2"),
            OpenApiParameter(
                "client_id", OpenApiTypes.STR, description="Without it: the platform."
            ),
            OpenApiParameter(
                "startDate",
                OpenApiTypes.STR,
                description="As of a packet; without both dates: the calendar month before.",
            ),
            OpenApiParameter("endDate", OpenApiTypes.STR),
        ],
        responses=bodies.ControlsAnswer,
    )
    def get(self, request: Request) -> Response:
        """The controls that packets are about, and how each stands for a client over a period."""
        given = given_in_address(bodies.ControlsQuery, request)
        period = period_of(given) if "startDate" in given else None
        found = control_lists.standings(actor=Actor.of_request(request), period=period, **given)
        return Response(bodies.controls(found))


class AssessmentsView(Idempotent):
    """`POST /api/controls/{control_id}/assessments`"""

    @extend_schema(
        operation_id="controls_assess",
        request=bodies.AssessmentBody,
        responses={201: bodies.AssessmentAnswer},
    )
    def post(self, request: Request, control_id: str) -> Response:
        """Record what one found about a control; it takes the place of what was found before."""
        given = given_in_body(bodies.AssessmentBody, request)
        made = controls.assess(
            actor=Actor.of_request(request),
            control_id=control_id,
            period=period_of(given),
            **given,
        )
        return Response(bodies.assessment(made), status=status.HTTP_201_CREATED)
