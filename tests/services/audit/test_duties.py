"""The checklist: what is due, who says that it was done, and which month is next."""

from __future__ import annotations

import json
from datetime import date, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audit.models import AuditEvent, Duty, DutyRecord, VerificationKind, VerificationRun
from audit.services import duties, sealing
from audit.services.duties import DutyState, checklist, record_duty, scheduled_month
from audit.services.trail import AuditDisabled
from sealing.errors import Forbidden, Invalid
from tests.factories import World
from tests.services.audit.trails import ACTOR, seal_on

REVIEW = Duty.RETENTION_REVIEW


def state(duty: Duty = REVIEW) -> DutyState:
    return next(found for found in checklist() if found.duty == duty)


def began(days_ago: float) -> None:
    """The log began so long ago."""
    moment = timezone.now() - timedelta(days=days_ago)
    seal_on(moment.date(), hour=moment.hour)


def done(duty: Duty, days_ago: float, *, ok: bool = True) -> DutyRecord:
    at = timezone.now() - timedelta(days=days_ago)
    return DutyRecord.objects.create(duty=duty, done_at=at, actor_id="user:olivia", ok=ok)


def run(kind: VerificationKind, start: date, end: date, verdict: str = "VALID") -> VerificationRun:
    now = timezone.now()
    return VerificationRun.objects.create(
        started_at=now,
        finished_at=now,
        actor_id="service:test",
        kind=kind,
        start_day=start,
        end_day=end,
        start_seq=0,
        end_seq=1,
        checked_events=1,
        verdict=verdict,
        message="",
        findings=[],
    )


def test_every_duty_of_the_checklist_has_its_interval(world: World) -> None:
    found = {one.duty: duties.RULES[one.duty].interval.days for one in checklist()}
    assert found == {
        "daily_verification": 1,
        "month_verification": 7,
        "retention_review": 31,
        "key_review": 92,
        "permission_audit": 92,
        "restore_drill": 366,
    }


def test_a_new_log_has_nothing_overdue(world: World) -> None:
    assert duties.overdue() == []
    began(0.1)
    assert duties.overdue() == []


@pytest.mark.parametrize(
    ("duty", "late"),
    [
        (Duty.DAILY_VERIFICATION, 1.3),
        (Duty.MONTH_VERIFICATION, 8.1),
        (Duty.RETENTION_REVIEW, 31.1),
        (Duty.KEY_REVIEW, 92.1),
        (Duty.PERMISSION_AUDIT, 92.1),
        (Duty.RESTORE_DRILL, 366.1),
    ],
)
def test_a_duty_becomes_overdue(world: World, duty: Duty, late: float) -> None:
    began(400)
    done(duty, late - 0.2)
    assert not state(duty).is_overdue
    assert state(duty).is_in_order


@pytest.mark.parametrize("duty", list(Duty))
def test_what_was_never_done_is_due_from_when_the_log_began(world: World, duty: Duty) -> None:
    began(400)
    assert state(duty).is_overdue
    assert state(duty).last is None
    done(duty, 0)
    assert not state(duty).is_overdue


def test_an_interval_after_it_was_done_it_is_due_again(world: World) -> None:
    began(400)
    done(REVIEW, 31.5)
    assert state().is_overdue
    record = done(REVIEW, 5)
    assert not state().is_overdue
    assert state().last == record
    assert state().due_at == record.done_at + timedelta(days=31)


def test_what_was_found_out_of_order_stays_due(world: World) -> None:
    began(400)
    done(REVIEW, 40)
    bad = done(REVIEW, 1, ok=False)
    assert state().is_overdue
    assert (state().last, state().is_in_order) == (bad, False)
    done(REVIEW, 0)
    assert state().is_in_order


def test_a_drill_counts_by_its_run(world: World) -> None:
    began(400)
    today = timezone.now().date()
    run(VerificationKind.DRILL, today, today, verdict="INVALID")
    assert state(Duty.RESTORE_DRILL).is_overdue
    run(VerificationKind.DRILL, today, today)
    assert not state(Duty.RESTORE_DRILL).is_overdue


def test_a_duty_is_recorded_with_its_event(world: World) -> None:
    record = record_duty(
        world.actor("olivia"), REVIEW, note=" 2557 days, as policy says. ", reference="OPS-1"
    )
    sealing.seal_pending()
    event = AuditEvent.objects.get(type="audit.duty.recorded")
    assert (event.actor_id, event.object_id, event.outcome) == (
        "user:olivia",
        "retention_review",
        "success",
    )
    assert json.loads(event.event)["data"] == {
        "record": record.pk,
        "note": "2557 days, as policy says.",
        "reference": "OPS-1",
    }


def test_what_was_found_out_of_order_is_recorded_as_a_failure(world: World) -> None:
    record_duty(world.actor("alice"), REVIEW, note="30 days only.", ok=False)
    sealing.seal_pending()
    assert AuditEvent.objects.get(type="audit.duty.recorded").outcome == "failure"


@pytest.mark.parametrize("username", ["audrey", "omar", "ben", "nobody", "svc-clinic-001"])
def test_only_those_who_answer_for_retention_record_duties(world: World, username: str) -> None:
    with pytest.raises(Forbidden):
        record_duty(world.actor(username), REVIEW, note="Looked.")
    assert not DutyRecord.objects.exists()


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"note": " "}, "note"),
        ({"note": "x" * 2_001}, "note"),
        ({"note": "x", "reference": "r" * 257}, "reference"),
    ],
)
def test_a_person_says_what_was_looked_at(
    world: World, options: dict[str, Any], field: str
) -> None:
    with pytest.raises(Invalid) as refused:
        record_duty(world.actor("olivia"), REVIEW, **options)
    assert refused.value.field == field


def test_a_job_needs_a_note_only_for_what_is_out_of_order(world: World) -> None:
    record_duty(ACTOR, Duty.DAILY_VERIFICATION, reference="verification/1")
    with pytest.raises(Invalid):
        record_duty(ACTOR, Duty.DAILY_VERIFICATION, ok=False)


def test_without_recording_nothing_is_done(world: World, settings: Any) -> None:
    settings.AUDIT_ENABLED = False
    with pytest.raises(AuditDisabled):
        record_duty(world.actor("olivia"), REVIEW, note="Looked.")
    assert not DutyRecord.objects.exists()


def test_the_checklist_takes_a_handful_of_queries(world: World) -> None:
    began(1)
    for duty in Duty:
        for days_ago in range(20, 0, -1):
            done(duty, days_ago)
    with CaptureQueriesContext(connection) as queries:
        checklist()
    assert len(queries) == 4


# --- the month of the week -------------------------------------------------------------------

TODAY = date(2026, 5, 10)
FEBRUARY, MARCH, APRIL = (
    (date(2026, 2, 1), date(2026, 2, 28)),
    (date(2026, 3, 1), date(2026, 3, 31)),
    (date(2026, 4, 1), date(2026, 4, 30)),
)


def test_months_follow_one_another_the_newest_first(world: World) -> None:
    seal_on(date(2026, 2, 14))
    taken = []
    for _ in range(5):
        taken.append(scheduled_month(TODAY))
        run(VerificationKind.SCHEDULED, *taken[-1])
    assert taken == [APRIL, MARCH, FEBRUARY, APRIL, MARCH]


def test_a_new_month_comes_first_once_it_is_over(world: World) -> None:
    seal_on(date(2026, 2, 14))
    for month in (FEBRUARY, MARCH, APRIL):
        run(VerificationKind.SCHEDULED, *month)
    assert scheduled_month(date(2026, 5, 31)) == FEBRUARY
    assert scheduled_month(date(2026, 6, 1)) == (date(2026, 5, 1), date(2026, 5, 31))


@pytest.mark.parametrize(
    ("kind", "end"),
    [(VerificationKind.MANUAL, APRIL[1]), (VerificationKind.SCHEDULED, date(2026, 4, 8))],
)
def test_only_a_scheduled_run_over_the_whole_month_counts(
    world: World, kind: VerificationKind, end: date
) -> None:
    seal_on(date(2026, 4, 1))
    run(kind, APRIL[0], end)
    seal_on(date(2026, 4, 2))
    run(VerificationKind.SCHEDULED, *MARCH)
    assert scheduled_month(TODAY) == APRIL


def test_a_young_log_is_verified_as_far_as_it_goes(world: World) -> None:
    seal_on(date(2026, 5, 3))
    assert scheduled_month(TODAY) == (date(2026, 5, 1), TODAY)
