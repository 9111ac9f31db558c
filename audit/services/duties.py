"""The operations checklist: what recurs, when it was done last, and when it is due again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db import transaction
from django.db.models import Max, QuerySet
from django.utils import timezone

from access import policy
from access.roles import Action
from audit.events import Actor, EventType
from audit.models import Duty, DutyRecord, VerificationKind, VerificationRun
from audit.services import days, trail
from sealing.errors import Invalid
from sealing.results import Verdict

MAX_NOTE, MAX_REFERENCE = 2_000, 256


@dataclass(frozen=True, slots=True)
class Rule:
    """How often a duty recurs.

    Attributes:
        interval: from one time to the next.
        grace: how much later it may be before it counts as overdue.
        by_job: whether a scheduled job does it; people may record it all the same.
    """

    interval: timedelta
    grace: timedelta = timedelta()
    by_job: bool = False


_DAY = timedelta(days=1)
RULES: Mapping[Duty, Rule] = {
    Duty.DAILY_VERIFICATION: Rule(_DAY, timedelta(hours=6), by_job=True),
    Duty.MONTH_VERIFICATION: Rule(7 * _DAY, _DAY, by_job=True),
    Duty.RETENTION_REVIEW: Rule(31 * _DAY),
    Duty.KEY_REVIEW: Rule(92 * _DAY),
    Duty.PERMISSION_AUDIT: Rule(92 * _DAY),
    Duty.RESTORE_DRILL: Rule(366 * _DAY, by_job=True),
}


@dataclass(frozen=True, slots=True)
class DutyState:
    """How one duty stands.

    Attributes:
        duty: which.
        last: the newest record, in order or not; None if it was never done.
        due_at: when it is due: an interval after it was last done and found in order, or after
            the log began.
        is_overdue: whether that, and the grace, is past.
    """

    duty: Duty
    last: DutyRecord | None
    due_at: datetime
    is_overdue: bool

    @property
    def is_in_order(self) -> bool:
        """Whether it is neither overdue nor was found out of order the last time."""
        return not self.is_overdue and (self.last is None or self.last.ok)


def record_duty(
    actor: Actor, duty: Duty, note: str = "", ok: bool = True, reference: str = ""
) -> DutyRecord:
    """Records that a duty was done, by a person or by a job, with its event.

    Args:
        actor: who did it.
        duty: which.
        note: what was looked at and found. People must say it, and so must whoever found
            something out of order.
        ok: whether it was found in order; if not, the duty stays due.
        reference: what it rests on, such as ``verification/17``.

    Raises:
        Forbidden: only admins and officers for all clients record duties. Invalid: no note, or a
        field is too long. AuditDisabled.
    """
    if actor.account is not None:
        policy.require(actor.account, Action.PROPOSE_RETENTION, None)
    note, reference = note.strip(), reference.strip()
    if not note and (actor.account is not None or not ok):
        raise Invalid("Say what was looked at and found.", field="note")
    for field, text, most in (("note", note, MAX_NOTE), ("reference", reference, MAX_REFERENCE)):
        if len(text) > most:
            raise Invalid(f"At most {most} characters.", field=field)
    with transaction.atomic():
        done = DutyRecord.objects.create(
            duty=Duty(duty), actor_id=actor.id, note=note, ok=ok, reference=reference
        )
        trail.record(
            EventType.AUDIT_DUTY_RECORDED,
            actor=actor,
            obj=("duty", str(Duty(duty))),
            outcome="success" if ok else "failure",
            data={"record": done.pk, "note": note, "reference": reference},
        )
    return done


def checklist() -> list[DutyState]:
    """Every duty, in the order of the checklist, from a handful of look-ups."""
    newest = {record.duty: record for record in _newest(DutyRecord.objects.all())}
    in_order = {
        record.duty: record.done_at for record in _newest(DutyRecord.objects.filter(ok=True))
    }
    drill = _last_drill()
    if drill is not None:
        known = in_order.get(Duty.RESTORE_DRILL)
        in_order[Duty.RESTORE_DRILL] = max(drill, known) if known else drill
    began, now = _log_began(), timezone.now()
    return [_state(duty, newest.get(duty), in_order.get(duty) or began, now) for duty in RULES]


def overdue() -> list[DutyState]:
    """The duties that are overdue."""
    return [state for state in checklist() if state.is_overdue]


def scheduled_month(today: date | None = None) -> tuple[date, date]:
    """The first and last day of the month that the weekly verification takes next.

    Of the full months since the log began, one that was never taken, the newest of them first;
    once all were, the one that was taken longest ago. A log younger than a month is verified as
    far as it goes.
    """
    today = today or timezone.now().date()
    months = _full_months(today)
    if not months:
        return today.replace(day=1), today
    taken = _months_taken(months)
    first = min(reversed(months), key=lambda month: taken.get(month, 0))
    return first, _next_month(first) - _DAY


def _state(duty: Duty, last: DutyRecord | None, since: datetime, now: datetime) -> DutyState:
    rule = RULES[duty]
    due_at = since + rule.interval
    return DutyState(duty, last, due_at, now > due_at + rule.grace)


def _newest(records: QuerySet[DutyRecord]) -> QuerySet[DutyRecord]:
    return records.order_by("duty", "-id").distinct("duty")


def _last_drill() -> datetime | None:
    run = VerificationRun.objects.filter(kind=VerificationKind.DRILL, verdict=Verdict.VALID)
    return run.order_by("-id").values_list("finished_at", flat=True).first()


def _months_taken(months: list[date]) -> dict[date, int]:
    """The months that scheduled runs took as a whole, with the number of the newest such run."""
    runs = VerificationRun.objects.filter(
        kind=VerificationKind.SCHEDULED, start_day__in=months, end_day__isnull=False
    )
    grouped = runs.order_by().values_list("start_day", "end_day").annotate(Max("id"))
    return {start: newest for start, end, newest in grouped if end == _next_month(start) - _DAY}


def _log_began() -> datetime:
    return days.sealed_at(0) or timezone.now()


def _full_months(today: date) -> list[date]:
    """The first days of the months that are over and in which the log was there, in order."""
    month, months = _log_began().date().replace(day=1), []
    while _next_month(month) <= today:
        months.append(month)
        month = _next_month(month)
    return months


def _next_month(month: date) -> date:
    return (month + timedelta(days=31)).replace(day=1)
