"""Verifies the stored log, or the events of some days, and keeps what that came to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from django.utils import timezone

from audit.events import Actor
from audit.models import Storage, VerificationKind, VerificationRun
from audit.services import days, keys, loghead, results, sealing
from audit.services.log_checks import LogChecks, Progress
from audit.services.results import Result
from sealing.errors import IntegrityFailure, Invalid
from sealing.results import Finding, Report, Verdict


@dataclass(frozen=True, slots=True)
class Verification:
    """What a verification came to.

    Attributes:
        report: every check with its result.
        checked_events: how many events were found to hold.
        first_bad_seq: the number of the first that does not.
        run: the record of it.
    """

    report: Report
    checked_events: int
    first_bad_seq: int | None
    run: VerificationRun

    @property
    def verdict(self) -> Verdict:
        """VALID, INVALID or INCONCLUSIVE."""
        return self.report.verdict


def verify_database(
    *,
    actor: Actor,
    start_seq: int = 0,
    end_seq: int | None = None,
    start_day: date | None = None,
    end_day: date | None = None,
    kind: VerificationKind = VerificationKind.MANUAL,
    progress: Progress | None = None,
    archived: bool = False,
) -> Verification:
    """Verifies the stored log and records that it did.

    Args:
        actor: who wants to know.
        start_seq: the first event to look at. What lies before is taken as the tree tells it.
        end_seq: the event to stop before; None for the end of the log.
        start_day, end_day: instead of numbers, the UTC days on which the events were sealed, both
            inclusive. The events just before and after are verified too: times follow numbers, so
            no event can leave the window by a forged time.
        kind: why it is verified.
        progress: is told how many events were looked at, and of how many.
        archived: also put the result into the archive.

    Raises:
        Invalid: the log has no such events, or the days are no window.
    """
    started_at = timezone.now()
    found = _seal()
    head = loghead.current()
    if start_day is not None or end_day is not None:
        start, end = _range_of(start_day, end_day, head.size)
    else:
        start, end = start_seq, head.size if end_seq is None else end_seq
    if not 0 <= start <= end <= head.size:
        raise Invalid(f"The log has the events from 0 up to, not including, {head.size}.")
    checks = LogChecks(head, start, end, keys.signers(), progress)
    checks.findings += found
    checks.run()
    report = Report(tuple(checks.findings))
    run = results.keep(
        Result(
            actor=actor,
            kind=kind,
            storage=Storage.DATABASE,
            started_at=started_at,
            report=report,
            start_seq=start,
            end_seq=end,
            checked_events=checks.checked,
            first_bad_seq=checks.first_bad_seq,
            start_day=start_day,
            end_day=end_day,
        ),
        archived=archived,
    )
    return Verification(report, checks.checked, checks.first_bad_seq, run)


def _range_of(start_day: date | None, end_day: date | None, size: int) -> tuple[int, int]:
    first, after = days.numbers_of_days(start_day, end_day, size=size)
    if first == after:
        return first, after
    return max(0, first - 1), min(size, after + 1)


def _seal() -> list[Finding]:
    try:
        sealing.seal_pending()
    except IntegrityFailure as error:
        return [Finding(error.code, False, error.message)]
    return []
