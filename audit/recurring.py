"""What the audit trail has done again and again; each answers a summary for people.

When each is due, and what came of it, is kept by `ops` (ops/jobs.py). All are safe to run twice,
and whatever must not be missed they find from what is recorded, not from when they ran last.
"""

from __future__ import annotations

from typing import Any

from audit import storage
from audit.events import Actor
from audit.services import archiving, relay, retention, timestamps
from audit.services.archiving import ArchiverBusy
from audit.services.recovery.drill import run_drill
from audit.services.scheduled_verification import Scheduled, verify_look_back, verify_month
from audit.services.switches import Paused
from sealing.errors import IntegrityFailure
from sealing.results import Verdict


class NotInOrder(IntegrityFailure):
    """A scheduled verification or drill ended with something else than VALID."""

    code = "not_in_order"


def archive(*, actor: Actor) -> dict[str, Any]:
    """Archives what was sealed, and has it stamped."""
    try:
        done = archiving.archive_pending(whole=False)
    except (Paused, ArchiverBusy) as error:
        return _skipped(error)
    stamped = timestamps.stamp_archived(storage.archive_store())
    return {
        "events": done.events,
        "segments": done.segments,
        "through_seq": done.through_seq,
        "stamped": stamped,
    }


def heartbeat(*, actor: Actor) -> dict[str, Any]:
    """Signs and archives a checkpoint."""
    try:
        return {"checkpoint": archiving.heartbeat()}
    except (Paused, ArchiverBusy) as error:
        return _skipped(error)


def sweep(*, actor: Actor) -> dict[str, Any]:
    """Extends locks, tells where they are short, lets go of the oldest local copies."""
    try:
        return retention.sweep(actor=actor).as_dict()
    except (Paused, ArchiverBusy) as error:
        return _skipped(error)


def verify(*, actor: Actor) -> dict[str, Any]:
    """Verifies the look-back window, database and archive. Raises NotInOrder."""
    return _in_order(verify_look_back(actor=actor))


def verify_a_month(*, actor: Actor) -> dict[str, Any]:
    """Verifies the month whose turn it is. Raises NotInOrder."""
    return _in_order(verify_month(actor=actor))


def drill(*, actor: Actor) -> dict[str, Any]:
    """Restores samples into a scratch schema. Raises NotInOrder."""
    run = run_drill(actor=actor)
    if run.verdict != Verdict.VALID:
        raise NotInOrder(f"{run.verdict}: {run.message}")
    return {"verification": run.pk, "verdict": run.verdict, "events": run.checked_events}


def stream(*, actor: Actor) -> dict[str, Any]:
    """Sends sealed events to Kafka, where configured."""
    done = relay.relay_once()
    return {"sent": done.events, "next_seq": done.next_seq, "configured": done.is_configured}


def _skipped(reason: Paused | ArchiverBusy) -> dict[str, Any]:
    """Nothing was tried, so nothing failed: somebody wanted it so, or somebody else does it."""
    return {"skipped": reason.message}


def _in_order(done: Scheduled) -> dict[str, Any]:
    if not done.is_ok:
        raise NotInOrder("; ".join(line.strip() for line in done.lines()))
    return done.as_dict()
