"""The REST doors of approvals: each parses, makes one service call and renders its result."""

from __future__ import annotations

from typing import Any, TypeVar

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.views import APIView

from access.api.idempotency import Idempotent
from access.api.pagination import NewestFirst
from access.api.throttling import SigningThrottle
from audit.events import Actor
from ops.api import approval_bodies as bodies
from ops.models import ApprovalState
from ops.services import approvals

S = TypeVar("S", bound="Serializer[Any]")


def _given(kind: type[S], request: Request) -> dict[str, Any]:
    body = kind(data=request.data)
    body.is_valid(raise_exception=True)
    return dict(body.validated_data)


class ApprovalListView(APIView):
    """`GET /api/approvals`"""

    @extend_schema(
        operation_id="approvals_list",
        parameters=[
            OpenApiParameter("state", OpenApiTypes.STR, enum=ApprovalState.values),
            OpenApiParameter("client_id", OpenApiTypes.STR),
            OpenApiParameter("cursor", OpenApiTypes.STR),
            OpenApiParameter("page_size", OpenApiTypes.INT),
        ],
        responses=bodies.ApprovalPage,
    )
    def get(self, request: Request) -> Response:
        """Requests for approval that the caller may see, newest first."""
        found = approvals.listed(
            actor=Actor.of_request(request),
            state=request.query_params.get("state"),
            client_id=request.query_params.get("client_id"),
        )
        pagination = NewestFirst()
        page = pagination.paginate_queryset(found, request, self)
        return pagination.get_paginated_response([bodies.approval(row) for row in page])


class ApprovalView(APIView):
    """`GET /api/approvals/{id}`"""

    @extend_schema(operation_id="approvals_retrieve", responses=bodies.ApprovalAnswer)
    def get(self, request: Request, approval_id: str) -> Response:
        """One request, with what was asked for and what was decided."""
        found = approvals.get(actor=Actor.of_request(request), approval_id=approval_id)
        return Response(bodies.approval(found))


class _Deciding(Idempotent):
    throttle_classes = (SigningThrottle,)

    def decide(self, request: Request, approval_id: str, *, approve: bool) -> Response:
        """Decides, and tells what came of it."""
        given = _given(bodies.DecisionBody if approve else bodies.RejectionBody, request)
        decided = approvals.decide(
            actor=Actor.of_request(request), approval_id=approval_id, approve=approve, **given
        )
        return Response(bodies.approval(decided))


class ApproveView(_Deciding):
    """`POST /api/approvals/{id}/approve`"""

    @extend_schema(request=bodies.DecisionBody, responses=bodies.ApprovalAnswer)
    def post(self, request: Request, approval_id: str) -> Response:
        """Approve what another person asked for; the last approval has it carried out."""
        return self.decide(request, approval_id, approve=True)


class RejectView(_Deciding):
    """`POST /api/approvals/{id}/reject`"""

    @extend_schema(request=bodies.RejectionBody, responses=bodies.ApprovalAnswer)
    def post(self, request: Request, approval_id: str) -> Response:
        """Reject what another person asked for, which ends it."""
        return self.decide(request, approval_id, approve=False)


class WithdrawView(Idempotent):
    """`POST /api/approvals/{id}/withdraw`"""

    @extend_schema(request=bodies.WithdrawalBody, responses=bodies.ApprovalAnswer)
    def post(self, request: Request, approval_id: str) -> Response:
        """Take back what one asked for oneself."""
        given = _given(bodies.WithdrawalBody, request)
        found = approvals.withdraw(
            actor=Actor.of_request(request), approval_id=approval_id, **given
        )
        return Response(bodies.approval(found))


class UseView(Idempotent):
    """`POST /api/approvals/{id}/use`"""

    throttle_classes = (SigningThrottle,)

    @extend_schema(request=bodies.UseBody, responses=bodies.ApprovalAnswer)
    def post(self, request: Request, approval_id: str) -> Response:
        """Carry out what was approved, where that needs a secret of the requester's."""
        given = _given(bodies.UseBody, request)
        found = approvals.use(actor=Actor.of_request(request), approval_id=approval_id, **given)
        return Response(bodies.approval(found))
