"""Takes in events that service accounts send: all of a request or nothing, sealed at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import connection, transaction

from access import policy
from access.models import Client
from access.roles import Action
from audit.bulk import without_collection
from audit.columns import Row, row_of
from audit.events import OWN_PREFIXES, Actor
from audit.formats import cloudtrail
from audit.formats import event as formats
from audit.services import loghead, sealing, trail
from audit.services.appending import append
from audit.services.redaction import redact
from sealing.errors import Conflict, Forbidden, Invalid, StrongroomError
from sealing.times import format_time, parse_rfc3339

# What a sender may say; the recorder is ours to say.
SENT_FIELDS = frozenset(formats.FIELDS) - {"recorder"}
REQUIRED_FIELDS = frozenset({"id", "type", "occurred_at", "actor", "outcome"})
_OUR_ZONE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z\Z", re.ASCII)
_ABSENT = dict.fromkeys(("client_id", "object", "request_id", "source", "data"))
PROFILES: Mapping[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "cloudtrail": cloudtrail.to_event_fields,
}


class IngestRefused(Invalid):
    """An event can't be taken in; `field` names it and the place in it."""

    code = "event_invalid"


class TypeReserved(IngestRefused):
    """Only Strongroom itself records events of this type."""

    code = "event_type_reserved"


class EventIdConflict(Conflict):
    """Another event has this id: other bytes, or another sender."""

    code = "event_id_conflict"


@dataclass(frozen=True, slots=True)
class IngestResult:
    """What became of a request.

    Attributes:
        accepted: events that are new in the log.
        duplicates: events that were there already, with the same bytes.
        first_seq, last_seq: the numbers of the new events; None if there are none.
        size: how many events the log has now.
        head: the hash of its last event.
    """

    accepted: int
    duplicates: int
    first_seq: int | None
    last_seq: int | None
    size: int
    head: bytes


def ingest(
    *,
    actor: Actor,
    events: Sequence[Any],
    profile: str | None = None,
    client_id: str | None = None,
) -> IngestResult:
    """Takes events into the log; when it returns they are durable and sealed.

    Args:
        actor: the service account that sends them; it becomes their recorder.
        events: events as they came out of the strict parser, or records of ``profile``.
        profile: whose format the records have; None for our own.
        client_id: the client of events that name none; the account's only one if not given.

    Raises:
        IngestRefused: an event is not valid; nothing was taken in.
        EventIdConflict: an event of that id is there and says something else.
        Forbidden, NotFound: the account may not send events for that client.
    """
    trail.ensure_enabled()
    with without_collection():
        rows = _Intake(actor, profile, client_id).rows(events)
        # Whatever was recorded before comes first, and the lock is taken only for what is left.
        sealing.seal_pending()
        with transaction.atomic(durable=True):
            head = loghead.locked()
            fresh = _fresh(rows, _known(rows))
            after = append(head, fresh) if fresh else head
    return IngestResult(
        accepted=len(fresh),
        duplicates=len(rows) - len(fresh),
        first_seq=head.size if fresh else None,
        last_seq=after.size - 1 if fresh else None,
        size=after.size,
        head=after.hash,
    )


@dataclass
class _Intake:
    """Turns what was sent into rows; knows the sender and remembers the clients it asked for."""

    actor: Actor
    profile: str | None
    client_id: str | None
    clients: dict[str | None, Sequence[str]] = field(default_factory=dict)

    def rows(self, events: Sequence[Any]) -> list[Row]:
        """The rows of all events. Raises at the first that can't be taken in."""
        if self.actor.account is None or not policy.scope(self.actor.account, Action.INGEST):
            raise Forbidden("Only service accounts with the role automation send events.")
        if self.profile is not None and self.profile not in PROFILES:
            known = ", ".join(sorted(PROFILES))
            raise Invalid(f"Unknown profile; known are {known}.", field="profile")
        if not events:
            raise Invalid("There are no events in the request.", field="events")
        found: list[Row] = []
        try:
            # One by one, and no more than needed for each: requests hold tens of thousands.
            for sent in events:
                found.append(self._row(sent))
        except StrongroomError as error:
            _name_place(error, len(found))
            raise
        return found

    def _row(self, sent: Any) -> Row:
        if not isinstance(sent, dict):
            raise IngestRefused("An event is a JSON object.")
        event = PROFILES[self.profile](sent) if self.profile else self._own_form(sent)
        self._check_type(event.get("type"))
        client_id = event["client_id"] if "client_id" in event else self._default_client()
        pointers = self._pointers(client_id)
        removed = redact(event, pointers) if pointers else ()
        event = {
            **_ABSENT,
            **event,
            "redacted": [*(event.get("redacted") or ()), *removed],
            "client_id": client_id,
            "recorder": self.actor.id,
        }
        return row_of(formats.encode(event), event)

    def _own_form(self, sent: dict[str, Any]) -> dict[str, Any]:
        if not REQUIRED_FIELDS <= sent.keys() <= SENT_FIELDS:
            _refuse_fields(sent)
        redacted = sent.get("redacted")
        if redacted is not None and not isinstance(redacted, list):
            raise IngestRefused("A list of JSON pointers.", field="redacted")
        return {**sent, "occurred_at": _in_utc(sent["occurred_at"])}

    def _check_type(self, kind: Any) -> None:
        # Not by letter case either: nobody may look like us.
        if isinstance(kind, str) and kind.partition(".")[0].lower() in OWN_PREFIXES:
            raise TypeReserved("Only Strongroom itself records events of this type.", field="type")

    def _default_client(self) -> str:
        if self.client_id is None:
            scope = policy.scope(self.actor.account, Action.INGEST)
            if scope.all_clients or len(scope.client_ids) != 1:
                raise IngestRefused("Say which client it concerns.", field="client_id")
            (self.client_id,) = scope.client_ids
        return self.client_id

    def _pointers(self, client_id: Any) -> Sequence[str]:
        """What to redact for this client, once it is certain that the sender may send for it."""
        if client_id is not None and not isinstance(client_id, str):
            raise IngestRefused("Text, or null for the platform.", field="client_id")
        if client_id not in self.clients:
            self.clients[client_id] = self._asked(client_id)
        return self.clients[client_id]

    def _asked(self, client_id: str | None) -> Sequence[str]:
        try:
            policy.require(self.actor.account, Action.INGEST, client_id)
        except StrongroomError as error:
            error.field = "client_id"
            raise
        if client_id is None:
            return ()
        client = Client.objects.filter(pk=client_id.replace("\x00", ""), is_active=True).first()
        if client is None:
            raise IngestRefused("There is no such client, or not any more.", field="client_id")
        return tuple(client.redaction_pointers)


def _refuse_fields(sent: dict[str, Any]) -> None:
    if "recorder" in sent:
        raise IngestRefused("The server says who recorded an event.", field="recorder")
    for name in sent.keys() - SENT_FIELDS:
        raise IngestRefused("Unknown field.", field=str(name)[:128])
    for name in formats.FIELDS:
        if name in REQUIRED_FIELDS and name not in sent:
            raise IngestRefused("The field is missing.", field=name)


def _in_utc(text: Any) -> str:
    if isinstance(text, str) and _OUR_ZONE.match(text):
        # Nothing to reckon. That it is a time at all is checked with the other fields.
        return text if len(text) == 27 else f"{text[:-1].ljust(20, '.').ljust(26, '0')}Z"
    try:
        return format_time(parse_rfc3339(text))
    except Invalid as error:
        raise IngestRefused(error.message, field="occurred_at") from error


def _name_place(error: StrongroomError, index: int) -> None:
    """Names the event in the error's field: ``events[17].actor.id``."""
    inside = error.field or ""
    separator = "" if not inside or inside.startswith("/") else "."
    error.field = f"events[{index}]{separator}{inside}"


def _known(rows: Sequence[Row]) -> dict[str, bytes]:
    """The bytes of those events that are in the log already."""
    with connection.cursor() as cursor:
        # One text, since an array of tens of thousands is slow to write out.
        cursor.execute(
            "SELECT id::text, event FROM audit_events"
            " WHERE id = ANY(string_to_array(%s, ',')::uuid[])",
            [",".join([row.id for row in rows])],
        )
        return {event_id: text.encode("utf-8") for event_id, text in cursor.fetchall()}


def _fresh(rows: Sequence[Row], known: dict[str, bytes]) -> list[Row]:
    """The rows that are new. Raises EventIdConflict for an id that stands for something else."""
    fresh = []
    for index, row in enumerate(rows):
        before = known.get(row.id)
        if before is None:
            known[row.id] = row.raw
            fresh.append(row)
        elif before != row.raw:
            raise EventIdConflict(
                f"Another event has the id {row.id}. Nothing was taken in.",
                field=f"events[{index}].id",
            )
    return fresh
