"""The verifications that nobody has to ask for: the last days every day, a month every week."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import structlog
from django.conf import settings
from django.utils import timezone

from audit import storage
from audit.events import Actor
from audit.models import Duty, Storage, VerificationKind, VerificationRun
from audit.services import duties, trail
from audit.services.archive_verification import configured_locks, verify_archived
from audit.services.verification import verify_database
from sealing.errors import IntegrityFailure, StrongroomError
from sealing.results import (
    EXIT_COULD_NOT_CHECK,
    EXIT_INVALID,
    EXIT_VALID,
    Verdict,
    exit_code,
)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Step:
    """One copy of the log and what its verification came to.

    Attributes:
        what: which copy, in words.
        verdict: of the verification.
        message: one sentence.
        run_id: the record of it; None where it could not even begin.
        archived_as: the object that holds the result; empty where it was not archived.
    """

    what: str
    verdict: Verdict
    message: str
    run_id: int | None = None
    archived_as: str = ""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "what": self.what,
            "verdict": str(self.verdict),
            "message": self.message,
            "verification": self.run_id,
            "archived_as": self.archived_as,
        }


@dataclass(frozen=True, slots=True)
class Scheduled:
    """A scheduled verification: its days, both inclusive, and its steps."""

    duty: Duty
    start_day: date
    end_day: date
    steps: tuple[Step, ...]

    @property
    def exit_code(self) -> int:
        """0 if every copy is valid and every result archived; else 1 or 3, as for verifiers."""
        verdicts = {step.verdict for step in self.steps}
        for verdict in (Verdict.INVALID, Verdict.INCONCLUSIVE):
            if verdict in verdicts:
                return exit_code(verdict)
        return EXIT_VALID if all(step.archived_as for step in self.steps) else EXIT_INVALID

    @property
    def is_ok(self) -> bool:
        """Whether nothing is left to be looked into."""
        return self.exit_code == EXIT_VALID

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "ok": self.is_ok,
            "start_day": self.start_day.isoformat(),
            "end_day": self.end_day.isoformat(),
            "steps": [step.as_dict() for step in self.steps],
        }

    def lines(self) -> list[str]:
        """For people, a line for each step and one for the whole."""
        shown = [f"Days      {self.start_day} to {self.end_day}, both inclusive, UTC"]
        for step in self.steps:
            shown.append(f"{step.verdict:<12}  {step.what}: {step.message}")
            shown.append(f"{'':<12}  {_whereabouts(step)}")
        ends = {0: "In order", 1: "Not in order", 3: "Could not be checked"}
        shown.append(f"{ends[self.exit_code]}: {self.duty.label.lower()}.")
        return shown


def verify_look_back(*, actor: Actor) -> Scheduled:
    """Verifies the last AUDIT_VERIFY_LOOKBACK_DAYS days and today, in database and archive.

    Every result is stored, recorded and archived, and the duty is recorded as done unless
    something could not be checked.
    """
    today = timezone.now().date()
    start = today - timedelta(days=settings.AUDIT_VERIFY_LOOKBACK_DAYS)
    return _verify(actor, Duty.DAILY_VERIFICATION, start, today)


def verify_month(*, actor: Actor) -> Scheduled:
    """Verifies the month whose turn it is (`duties.scheduled_month`), as `verify_look_back`."""
    start, end = duties.scheduled_month()
    return _verify(actor, Duty.MONTH_VERIFICATION, start, end)


def _verify(actor: Actor, duty: Duty, start: date, end: date) -> Scheduled:
    done = Scheduled(duty, start, end, (_database(actor, start, end), _archive(actor, start, end)))
    # What could not be checked was not done: the duty stays due, and nothing was found amiss.
    if trail.is_enabled() and done.exit_code != EXIT_COULD_NOT_CHECK:
        runs = ", ".join(f"verification/{s.run_id}" for s in done.steps if s.run_id is not None)
        issues = [f"{s.what}: {s.message}" for s in done.steps if s.verdict is not Verdict.VALID]
        note = " ".join(issues) or ("" if done.is_ok else "The results could not be archived.")
        duties.record_duty(actor, duty, note=note[: duties.MAX_NOTE], ok=done.is_ok, reference=runs)
    return done


def _database(actor: Actor, start: date, end: date) -> Step:
    what = "Database"
    try:
        done = verify_database(
            actor=actor,
            start_day=start,
            end_day=end,
            kind=VerificationKind.SCHEDULED,
            archived=True,
        )
    except StrongroomError as error:
        return _failed(what, error)
    return _step(what, done.run)


def _archive(actor: Actor, start: date, end: date) -> Step:
    what = "Archive"
    try:
        backend = Storage(storage.backend())
        what = f"Archive {storage.location()}"
        run = verify_archived(
            actor=actor,
            storage=backend,
            start_day=start,
            end_day=end,
            locks=configured_locks(backend),
            kind=VerificationKind.SCHEDULED,
        )
    except StrongroomError as error:
        return _failed(what, error)
    return _step(what, run)


def _step(what: str, run: VerificationRun) -> Step:
    return Step(what, Verdict(run.verdict), run.message, run.pk, run.archived_as)


def _failed(what: str, error: StrongroomError) -> Step:
    log.error("a scheduled verification failed", what=what, code=error.code, reason=error.message)
    is_bad = isinstance(error, IntegrityFailure)
    return Step(what, Verdict.INVALID if is_bad else Verdict.INCONCLUSIVE, error.message)


def _whereabouts(step: Step) -> str:
    if step.run_id is None:
        return "not recorded: it could not begin"
    where = f"archived as {step.archived_as}" if step.archived_as else "NOT ARCHIVED"
    return f"recorded as verification {step.run_id}, {where}"
