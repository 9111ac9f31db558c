"""The audit trail over REST: parse, one call, render."""

from __future__ import annotations

import json
import uuid
from typing import Any, cast

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from access import policy
from access.api.idempotency import Idempotent
from access.api.pagination import CursorPagination
from access.roles import Action
from audit import selectors, standing
from audit.api import representations, schema
from audit.api.filters import filtered
from audit.api.parsers import MAX_BODY_BYTES, EventsParser, NDJSONParser
from audit.bulk import without_collection
from audit.events import Actor
from audit.models import AuditEvent
from audit.services import checkpoints, keys, loghead, proofs, sealing
from audit.services.ingest import ingest
from audit.services.proving import prove
from sealing.digests import tag
from sealing.errors import Forbidden, Invalid
from sealing.keys import signers_document

_SIZE_DIGITS = 16


class AnyAccept(DefaultContentNegotiation):
    """For answers that have one form only: whoever asks for that form by name gets it too."""

    def select_renderer(self, request: Request, renderers: Any, format_suffix: Any = None) -> Any:
        """The view's renderer, which is left to render errors."""
        return renderers[0], renderers[0].media_type


class NoRole(Forbidden):
    """The account holds no role, so nothing here is for it."""

    code = "no_role"


def require_a_role(request: Request) -> None:
    """What says nothing of any client is for whoever may verify something."""
    if not policy.scope(request.user, Action.VERIFY):
        raise NoRole("Your account holds no role.")


class EventPagination(CursorPagination):
    """Newest first; every filter has an index in this order."""

    ordering = ("-occurred_at", "-id")  # type: ignore[assignment]


class EventsView(Idempotent):
    """`/api/audit/events`"""

    parser_classes = (EventsParser, NDJSONParser)
    max_body_bytes = MAX_BODY_BYTES

    @extend_schema(
        operation_id="audit_events_list",
        parameters=schema.LIST_PARAMETERS,
        responses=schema.LinePage,
    )
    def get(self, request: Request) -> HttpResponse:
        """Lists lines of the log, newest first."""
        require_a_role(request)
        sealing.catch_up()
        visible = selectors.visible_events(request.user)
        pages = EventPagination()
        events = pages.paginate_queryset(filtered(visible, request.query_params), request, self)
        return _lines(pages, events)

    @extend_schema(
        operation_id="audit_events_ingest",
        parameters=schema.INGEST_PARAMETERS,
        request={
            "application/json": schema.SentEvent(many=True),
            "application/x-ndjson": OpenApiTypes.STR,
        },
        responses={201: schema.Ingested},
    )
    def post(self, request: Request) -> Response:
        """Takes in one event, an array or NDJSON (also gzip): all of them or none."""
        with without_collection():
            result = ingest(
                actor=Actor.of(request.user, request._request),
                events=cast(list[Any], request.data),
                profile=_text(request, "profile"),
                client_id=_text(request, "client_id"),
            )
        body = {
            "accepted": result.accepted,
            "duplicates": result.duplicates,
            "first_seq": result.first_seq,
            "last_seq": result.last_seq,
            "head": tag(result.head),
        }
        return Response(body, status=status.HTTP_201_CREATED)


class EventView(APIView):
    """`/api/audit/events/{id}`"""

    content_negotiation_class = AnyAccept

    @extend_schema(operation_id="audit_events_retrieve", responses=schema.Line)
    def get(self, request: Request, event_id: uuid.UUID) -> HttpResponse:
        """One line of the log, byte for byte."""
        sealing.catch_up()
        event = selectors.get_event(request.user, event_id)
        return HttpResponse(selectors.line_of(event), content_type="application/json")


class ProofView(APIView):
    """`/api/audit/events/{id}/proof`"""

    @extend_schema(operation_id="audit_events_proof", responses=schema.Proof)
    def get(self, request: Request, event_id: uuid.UUID) -> Response:
        """The proof that the event is in the tree that a checkpoint signs."""
        sealing.catch_up()
        proof = prove(selectors.get_event(request.user, event_id))
        return Response(
            {
                "seq": proof.seq,
                "tree_size": proof.checkpoint.size,
                "leaf_hash": tag(proof.leaf),
                "hashes": [tag(item) for item in proof.hashes],
                "checkpoint": proof.checkpoint.note,
            }
        )


class CheckpointView(APIView):
    """`/api/audit/checkpoint`"""

    content_negotiation_class = AnyAccept

    @extend_schema(
        operation_id="audit_checkpoint", responses={(200, "text/plain"): OpenApiTypes.STR}
    )
    def get(self, request: Request) -> HttpResponse:
        """The latest checkpoint, as a signed note."""
        require_a_role(request)
        checkpoint = checkpoints.latest() or checkpoints.issue()
        return HttpResponse(checkpoint.note, content_type="text/plain; charset=utf-8")


class ConsistencyView(APIView):
    """`/api/audit/consistency`"""

    @extend_schema(
        operation_id="audit_consistency",
        parameters=[
            OpenApiParameter("from", int, required=True, description="Size of the older tree."),
            OpenApiParameter("to", int, required=True, description="Size of the newer tree."),
        ],
        responses=schema.Consistency,
    )
    def get(self, request: Request) -> Response:
        """The proof that the tree of `to` events extends the tree of `from` events."""
        require_a_role(request)
        old, new = _size(request, "from"), _size(request, "to")
        size = loghead.current().size
        if not 1 <= old <= new <= size:
            raise Invalid(f"1 ≤ from ≤ to ≤ {size}, the events in the log.", field="to")
        hashes = [tag(item) for item in proofs.consistency(old, new)]
        return Response({"from": old, "to": new, "hashes": hashes})


class StatusView(APIView):
    """`/api/audit/status`"""

    @extend_schema(operation_id="audit_status", responses=schema.Status)
    def get(self, request: Request) -> Response:
        """How the log, its archive and its streams stand."""
        require_a_role(request)
        log = selectors.status()
        return Response(representations.status(log, standing.archive(log.size)))


class PublicKeyView(APIView):
    """`/api/compliance/public-key`"""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    content_negotiation_class = AnyAccept

    @extend_schema(
        operation_id="public_key",
        parameters=[OpenApiParameter("key_id", str, description="Without it, the key in use now.")],
        responses={(200, "application/x-pem-file"): OpenApiTypes.STR},
        auth=[],
    )
    def get(self, request: Request) -> HttpResponse:
        """The key with which packages are verified, in PEM; no login."""
        pem = keys.public_pem(_text(request, "key_id"))
        return HttpResponse(pem, content_type="application/x-pem-file")


class PublicKeysView(APIView):
    """`/api/compliance/public-keys`"""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    content_negotiation_class = AnyAccept

    @extend_schema(
        operation_id="public_keys",
        responses={(200, "application/json"): OpenApiTypes.OBJECT},
        auth=[],
    )
    def get(self, request: Request) -> HttpResponse:
        """The signers file, with which the offline verifiers check; no login."""
        return HttpResponse(signers_document(keys.signers()), content_type="application/json")


def _lines(pages: EventPagination, events: list[AuditEvent]) -> HttpResponse:
    """A page of lines, each byte for byte: rendered again, they would not give their hashes."""
    links = json.dumps({"next": pages.get_next_link(), "previous": pages.get_previous_link()})
    lines = b",".join(selectors.line_of(event) for event in events)
    return HttpResponse(
        b'%b,"results":[%b]}' % (links[:-1].encode("ascii"), lines),
        content_type="application/json",
    )


def _size(request: Request, name: str) -> int:
    text = _text(request, name)
    if text is None or not (text.isascii() and text.isdigit()) or len(text) > _SIZE_DIGITS:
        raise Invalid("A number of events.", field=name)
    return int(text)


def _text(request: Request, name: str) -> str | None:
    text = request.query_params.get(name)
    if text is not None and "\x00" in text:
        raise Invalid("The character U+0000.", field=name)
    return text
