"""How far the stream has come: stored for each topic, and tied to the log that it is of."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from audit.events import Actor, EventType
from audit.formats.cloudevent import Message
from audit.formats.event import genesis_hash, parse_line
from audit.models import AuditEvent, RelayState
from audit.services import trail
from audit.services.loghead import Head
from sealing.errors import Conflict, IntegrityFailure

_ACTOR = Actor.system("stream-relay")


class RelayBusy(Conflict):
    """Another relay is at work for this topic."""

    code = "relay_busy"


class RelayRefused(IntegrityFailure):
    """The log is not the one that was streamed before, so that nothing is sent."""

    code = "relay_refused"


def load(topic: str, head: Head) -> RelayState:
    """The state of a topic; at the very beginning, if there is none."""
    first = genesis_hash(head.origin)
    return RelayState.objects.get_or_create(topic=topic, defaults={"head": first})[0]


def check_same_log(state: RelayState, head: Head) -> None:
    """Raises RelayRefused unless the event before the next one is the one that was sent."""
    if state.next_seq == 0:
        known: bytes | None = genesis_hash(head.origin)
    else:
        found = AuditEvent.objects.filter(seq=state.next_seq - 1).values_list("hash", flat=True)
        known = next((bytes(item) for item in found), None)
    if known == bytes(state.head) and state.next_seq <= head.size:
        return
    raise RelayRefused(
        f"{state.topic} has {state.next_seq} events of a log that is not this one: here event"
        f" {state.next_seq - 1} is {'missing' if known is None else 'another'}. Nothing is sent."
        " Verify the log; a log that was restored with other events needs a topic of its own."
    )


def advance(state: RelayState, messages: list[Message]) -> None:
    """Stores how far it has come, now that all of it is stored there; notes that it works."""
    if not messages and not state.is_failing:
        return
    changes: dict[str, object] = {"is_failing": False, "last_error": ""}
    if messages:
        changes["next_seq"] = messages[-1].seq + 1
        changes["head"] = parse_line(messages[-1].line).hash
        changes["sent_at"] = timezone.now()
    with transaction.atomic(durable=True):
        # Not if somebody else moved it: then the lock was lost with its connection.
        now = RelayState.objects.select_for_update().get(topic=state.topic)
        if now.next_seq != state.next_seq:
            raise RelayBusy(f"Another relay is at work for {state.topic}.")
        RelayState.objects.filter(topic=state.topic).update(**changes)
        if now.is_failing and trail.is_enabled():
            trail.record(
                EventType.AUDIT_RELAY_RECOVERED,
                actor=_ACTOR,
                obj=("topic", state.topic),
                data={"next_seq": changes.get("next_seq", state.next_seq)},
            )


def tell_failure(topic: str, code: str, reason: str) -> None:
    """Notes a failure; records it when it begins, not each time that it is tried again."""
    with transaction.atomic(durable=True):
        state = RelayState.objects.select_for_update().filter(topic=topic).first()
        if state is None:
            return
        is_new = not state.is_failing
        state.is_failing, state.last_error = True, reason[:2000]
        if is_new:
            state.last_failed_at = timezone.now()
        state.save(update_fields=["is_failing", "last_error", "last_failed_at"])
        if is_new and trail.is_enabled():
            trail.record(
                EventType.AUDIT_RELAY_FAILED,
                actor=_ACTOR,
                obj=("topic", topic),
                outcome="failure",
                data={"code": code, "reason": reason[:2000], "next_seq": state.next_seq},
            )
