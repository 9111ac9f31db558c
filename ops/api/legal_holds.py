"""`/api/legal-holds`: the cases for which objects stay, and requests to place or release one."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from access.api.idempotency import Idempotent
from access.api.pagination import CursorPagination
from access.api.serializers import StrictSerializer
from audit.events import Actor
from audit.models import LegalHold
from audit.services import holds
from ops.api.approval_bodies import ApprovalAnswer
from ops.api.requested import requested
from ops.models import Approval
from ops.services import proposals
from sealing.times import format_time

PLACE, RELEASE = "place", "release"


class HoldChange(StrictSerializer):
    """What is asked for: to place a hold on days, both inclusive, or to release one."""

    action = serializers.ChoiceField([PLACE, RELEASE], required=False, default=PLACE)
    case_id = serializers.CharField(max_length=holds.MAX_CASE, required=False)
    start_day = serializers.DateField(required=False, allow_null=True, default=None)
    end_day = serializers.DateField(required=False, allow_null=True, default=None)
    hold_id = serializers.IntegerField(min_value=1, max_value=2**53 - 1, required=False)
    reason = serializers.CharField(max_length=1000)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Each of the two acts takes its own members."""
        is_release = attrs["action"] == RELEASE
        needed, foreign = ("hold_id", "case_id") if is_release else ("case_id", "hold_id")
        errors = {}
        if needed not in attrs:
            errors[needed] = f"It is needed to {attrs['action']} a hold."
        wrong = [foreign, *(("start_day", "end_day") if is_release else ())]
        for name in wrong:
            if attrs.get(name) is not None:
                errors[name] = f"It has no meaning when a hold is {attrs['action']}d."
        if errors:
            raise serializers.ValidationError(errors)
        return attrs


class HoldAnswer(serializers.Serializer[Any]):
    """A case for which objects stay."""

    id = serializers.IntegerField()
    case_id = serializers.CharField()
    state = serializers.CharField()
    start_day = serializers.DateField(allow_null=True)
    end_day = serializers.DateField(allow_null=True)
    reason = serializers.CharField()
    placed_at = serializers.DateTimeField()
    placed_by = serializers.CharField()
    released_at = serializers.DateTimeField(allow_null=True)
    released_by = serializers.CharField(allow_null=True)
    release_reason = serializers.CharField(allow_null=True)


class HoldPage(serializers.Serializer[Any]):
    """A page of holds."""

    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)
    results = HoldAnswer(many=True)


class LegalHoldsView(Idempotent):
    """`GET|POST /api/legal-holds`"""

    @extend_schema(
        operation_id="legal_holds_list",
        parameters=[
            OpenApiParameter("state", OpenApiTypes.STR, enum=["active", "released"]),
            OpenApiParameter("cursor", OpenApiTypes.STR),
            OpenApiParameter("page_size", OpenApiTypes.INT),
        ],
        responses=HoldPage,
    )
    def get(self, request: Request) -> Response:
        """Legal holds, newest first."""
        found = holds.listed(
            actor=Actor.of_request(request), state=request.query_params.get("state")
        )
        pagination = CursorPagination()
        page = pagination.paginate_queryset(found, request, self)
        return pagination.get_paginated_response([_hold(row) for row in page])

    @extend_schema(
        operation_id="legal_holds_ask", request=HoldChange, responses={202: ApprovalAnswer}
    )
    def post(self, request: Request) -> Response:
        """Ask for a hold to be placed or released; another person has to approve it."""
        body = HoldChange(data=request.data)
        body.is_valid(raise_exception=True)
        return requested(self._asked(Actor.of_request(request), dict(body.validated_data)))

    def _asked(self, actor: Actor, given: dict[str, Any]) -> Approval:
        if given["action"] == RELEASE:
            return proposals.release_hold(
                actor=actor, hold_id=given["hold_id"], reason=given["reason"]
            )
        return proposals.place_hold(
            actor=actor,
            case_id=given["case_id"],
            start_day=given["start_day"],
            end_day=given["end_day"],
            reason=given["reason"],
        )


def _hold(hold: LegalHold) -> dict[str, Any]:
    return {
        "id": hold.pk,
        "case_id": hold.case_id,
        "state": "released" if hold.released_at else "active",
        "start_day": hold.start_day and hold.start_day.isoformat(),
        "end_day": hold.end_day and hold.end_day.isoformat(),
        "reason": hold.reason,
        "placed_at": format_time(hold.placed_at),
        "placed_by": hold.placed_by,
        "released_at": hold.released_at and format_time(hold.released_at),
        "released_by": hold.released_by or None,
        "release_reason": hold.release_reason or None,
    }
