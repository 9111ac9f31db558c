"""`/api/keys`: the keys whose signatures count or counted, and requests to change them."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from access.api.idempotency import Idempotent
from access.api.pagination import CursorPagination
from access.api.serializers import MomentField, StrictSerializer
from audit.events import Actor
from audit.models import SigningKey
from audit.services import keys
from ops.api.approval_bodies import ApprovalAnswer
from ops.api.requested import requested
from ops.models import Approval
from ops.services import proposals
from sealing.times import format_time

CREATE, ROTATE, RETIRE, COMPROMISE = "create", "rotate", "retire", "compromise"


class KeyChange(StrictSerializer):
    """What is asked for: a key of one's own, or a change of one that there is.

    The password with which a key of one's own is locked is given when the approved request is
    carried out, never here.
    """

    action = serializers.ChoiceField([CREATE, ROTATE, RETIRE, COMPROMISE])
    key_id = serializers.CharField(max_length=71, required=False)
    compromised_at = MomentField(required=False)
    reason = serializers.CharField(max_length=1000)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Each act takes its own members."""
        wanted = {
            "key_id": attrs["action"] != CREATE,
            "compromised_at": attrs["action"] == COMPROMISE,
        }
        errors = {}
        for name, is_wanted in wanted.items():
            if is_wanted and name not in attrs:
                errors[name] = f"It is needed to {attrs['action']} a key."
            elif not is_wanted and name in attrs:
                errors[name] = f"It has no meaning for the action {attrs['action']}."
        if errors:
            raise serializers.ValidationError(errors)
        return attrs


class KeyAnswer(serializers.Serializer[Any]):
    """A signing key: the public half, and how long it counts."""

    key_id = serializers.CharField()
    name = serializers.CharField()
    person = serializers.CharField(allow_null=True)
    purposes = serializers.ListField(child=serializers.CharField())
    algorithm = serializers.CharField()
    status = serializers.CharField()
    not_before = serializers.DateTimeField()
    not_after = serializers.DateTimeField(allow_null=True)
    compromised_at = serializers.DateTimeField(allow_null=True)
    public_key_pem = serializers.CharField()


class KeyPage(serializers.Serializer[Any]):
    """A page of keys."""

    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)
    results = KeyAnswer(many=True)


class KeysView(Idempotent):
    """`GET|POST /api/keys`"""

    @extend_schema(
        operation_id="keys_list",
        parameters=[
            OpenApiParameter("status", OpenApiTypes.STR, enum=["active", "retired", "compromised"]),
            OpenApiParameter("cursor", OpenApiTypes.STR),
            OpenApiParameter("page_size", OpenApiTypes.INT),
        ],
        responses=KeyPage,
    )
    def get(self, request: Request) -> Response:
        """Signing keys, newest first."""
        found = keys.listed(
            actor=Actor.of_request(request), status=request.query_params.get("status")
        )
        pagination = CursorPagination()
        page = pagination.paginate_queryset(found, request, self)
        return pagination.get_paginated_response([_key(row) for row in page])

    @extend_schema(operation_id="keys_ask", request=KeyChange, responses={202: ApprovalAnswer})
    def post(self, request: Request) -> Response:
        """Ask for a key, or for a change of one; another person has to approve it."""
        body = KeyChange(data=request.data)
        body.is_valid(raise_exception=True)
        return requested(self._asked(Actor.of_request(request), **body.validated_data))

    def _asked(self, actor: Actor, *, action: str, **given: Any) -> Approval:
        if action == CREATE:
            return proposals.create_key(actor=actor, **given)
        if action == ROTATE:
            return proposals.rotate_key(actor=actor, **given)
        if action == RETIRE:
            return proposals.retire_key(actor=actor, **given)
        return proposals.report_compromised(actor=actor, **given)


def _key(key: SigningKey) -> dict[str, Any]:
    return {
        "key_id": key.key_id,
        "name": key.name,
        "person": str(key.person_id) if key.person_id else None,
        "purposes": key.purposes,
        "algorithm": key.algorithm,
        "status": key.status,
        "not_before": format_time(key.not_before),
        "not_after": key.not_after and format_time(key.not_after),
        "compromised_at": key.compromised_at and format_time(key.compromised_at),
        "public_key_pem": key.public_key_pem,
    }
