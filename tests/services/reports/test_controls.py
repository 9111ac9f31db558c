"""Assessments of controls: who may make them, which one counts, and that none is lost."""

from __future__ import annotations

import json
import uuid
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.utils import DatabaseError
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from access import policy
from audit.models import PendingEvent
from audit.services.trail import AuditDisabled
from reports import catalogue
from reports.formats.period import Period
from reports.models import AssessmentState, ControlAssessment, Packet
from reports.services import assessed, controls
from sealing import digests
from sealing.errors import Forbidden, Invalid, NotFound
from tests.factories import World
from tests.reports_rows import FEBRUARY, JANUARY, QUARTER, artifact, assessment, days_from_now


def events() -> list[dict[str, Any]]:
    found = [dict(json.loads(row.event)) for row in PendingEvent.objects.order_by("id")]
    return [event for event in found if event["type"] == "reports.control.assessed"]


def test_an_assessment_is_kept_and_recorded(world: World) -> None:
    kept = artifact(world)
    found = assessment(
        world, state="attention", note=" Two accounts without owner.\r\n", evidence=[kept.pk]
    )
    row = ControlAssessment.objects.get()
    assert (row.pk, row.control_id, row.client_id) == (found.pk, "SOC2:CC6.1", "clinic-001")
    assert (row.state, row.note) == ("attention", "Two accounts without owner.")
    assert row.evidence == [str(kept.pk)]
    assert (row.person, row.account) == (world.person("olivia"), world.user("olivia"))
    (event,) = events()
    assert (event["client_id"], event["actor"]["id"]) == ("clinic-001", "user:olivia")
    assert event["object"] == {"type": "control", "id": "SOC2:CC6.1"}
    assert event["data"] == {
        "assessment": str(row.pk),
        "period_start": "2026-01-01T00:00:00.000000Z",
        "period_end": "2026-02-01T00:00:00.000000Z",
        "state": "attention",
        "note_sha256": digests.sha256_tag(b"Two accounts without owner."),
        "evidence": [str(kept.pk)],
        "replaces": None,
        "former_state": "not assessed",
    }


def test_a_new_assessment_takes_the_place_of_the_former_which_stays(world: World) -> None:
    former = assessment(world, state="not_compliant")
    newer = assessment(world, by="oscar", state="compliant")
    assert controls.assessments_of("clinic-001", "SOC2", JANUARY) == {"CC6.1": newer}
    assert list(controls.history_of("SOC2", "CC6.1", "clinic-001")) == [newer, former]
    assert events()[-1]["data"]["replaces"] == str(former.pk)
    assert events()[-1]["data"]["former_state"] == "not_compliant"


def test_what_was_assessed_later_does_not_count_for_what_was_made_before(world: World) -> None:
    former = assessment(world, state="not_compliant")
    newer = assessment(world, state="compliant")
    before = newer.assessed_at
    assert controls.assessments_of("clinic-001", "SOC2", JANUARY, before)["CC6.1"] == former
    assert controls.state_in("SOC2", "CC6.1", "clinic-001", JANUARY, before) == former
    assert controls.assessments_of("clinic-001", "SOC2", JANUARY, former.assessed_at) == {}


@pytest.mark.parametrize(
    ("found_in", "asked", "counts"),
    [
        (JANUARY, JANUARY, True),
        (QUARTER, JANUARY, True),
        (QUARTER, FEBRUARY, True),
        (JANUARY, FEBRUARY, False),
        (JANUARY, QUARTER, False),
    ],
    ids=["same", "of a longer", "within", "another", "longer than assessed"],
)
def test_it_counts_for_every_period_within_its_own(
    world: World, found_in: Period, asked: Period, counts: bool
) -> None:
    assessment(world, period=found_in)
    assert bool(controls.assessments_of("clinic-001", "SOC2", asked)) is counts
    assert (controls.state_in("SOC2", "CC6.1", "clinic-001", asked) is not None) is counts


def states(period: Period, before: datetime | None = None) -> list[str]:
    """What every door says of the control in a period."""
    moment = before or timezone.now()
    packet = Packet(
        framework="SOC2",
        client_id="clinic-001",
        period_start=period.start,
        period_end=period.end,
        generated_at=moment + timedelta(seconds=1),
    )
    told = [
        controls.assessments_of("clinic-001", "SOC2", period, before).get("CC6.1"),
        controls.state_in("SOC2", "CC6.1", "clinic-001", period, before),
    ]
    found = [controls.state_of(item) for item in told]
    in_packet = assessed.assessments_of(packet).get("CC6.1")
    found.append("not assessed" if in_packet is None else in_packet.as_dict()["state"])
    if before is None:
        heat = controls.states_of_clients(["clinic-001"], "SOC2", period)
        found.append(heat.get(("clinic-001", "CC6.1"), "not assessed"))
    return found


def test_nobody_assesses_what_has_not_happened_yet(world: World) -> None:
    today = days_from_now(0)
    assessment(world, period=Period(today.start, today.start + timedelta(days=1000)))
    assert set(states(today)) == {"compliant"}, "it goes on"
    later = days_from_now(200)
    assert set(states(later)) == {"not assessed"}
    assert set(states(later, later.start + timedelta(hours=1))) == {"not assessed"}
    assert set(states(later, later.end + timedelta(hours=1))) == {"not assessed"}


def test_what_was_found_before_the_end_counts_until_then(world: World) -> None:
    today = days_from_now(0)
    assessment(world, period=today)
    assert set(states(today, today.end - timedelta(microseconds=1_000_001))) == {"compliant"}
    assert set(states(today, today.end)) == {"not assessed"}


def test_what_is_over_is_assessed_from_its_end(world: World) -> None:
    yesterday = days_from_now(-1)
    assessment(world, period=Period(yesterday.start, days_from_now(30).end))
    assert set(states(yesterday)) == {"compliant"}
    assert set(states(yesterday, days_from_now(40).end)) == {"compliant"}


def test_clients_and_the_platform_are_apart(world: World) -> None:
    assessment(world, client_id="clinic-002", state="attention")
    platform = assessment(world, client_id=None, state="not_applicable")
    assert controls.assessments_of("clinic-001", "SOC2", JANUARY) == {}
    assert controls.assessments_of(None, "SOC2", JANUARY) == {"CC6.1": platform}
    assert events()[-1]["client_id"] is None


@pytest.mark.parametrize("username", ["alice", "audrey", "omar", "svc-clinic-001", "root"])
def test_only_officers_assess(world: World, username: str) -> None:
    with pytest.raises((Forbidden, NotFound)):
        assessment(world, by=username)
    assert not ControlAssessment.objects.exists() and not events()


def test_another_clients_officer_does_not_learn_that_the_client_exists(world: World) -> None:
    with pytest.raises(policy.OutOfScope):
        assessment(world, by="ben")
    with pytest.raises(Forbidden):
        assessment(world, by="ben", client_id=None)
    assessment(world, by="ben", client_id="clinic-002")


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"state": "fine"}, "state"),
        ({"state": controls.NOT_ASSESSED}, "state"),
        ({"note": " \n "}, "note"),
        ({"note": "x" * 2001}, "note"),
        ({"note": "a\x00b"}, "note"),
        ({"framework": "PCI"}, "framework"),
        ({"framework": "../../etc"}, "framework"),
        ({"period": Period(JANUARY.end, JANUARY.start)}, "endDate"),
        ({"period": Period(JANUARY.start, JANUARY.start)}, "endDate"),
        ({"period": days_from_now(2)}, "startDate"),
        ({"evidence": ["../x"]}, "evidence"),
        ({"evidence": [uuid.UUID(int=7)]}, "evidence"),
        ({"evidence": [uuid.UUID(int=7)] * 51}, "evidence"),
    ],
    ids=lambda value: str(value)[:24] if isinstance(value, str) else None,
)
def test_what_can_not_be_accepted_names_the_field(
    world: World, changed: dict[str, Any], field: str
) -> None:
    with pytest.raises(Invalid) as refused:
        assessment(world, **changed)
    assert refused.value.field == field
    assert not ControlAssessment.objects.exists() and not events()


def test_a_control_that_the_framework_lacks(world: World) -> None:
    with pytest.raises(catalogue.UnknownControl):
        assessment(world, control_id="CC99.9")


@pytest.mark.parametrize(
    ("of", "by", "is_accepted"),
    [
        ({"client": "clinic-001"}, "olivia", True),
        ({"client": None}, "olivia", True),
        ({"client": "clinic-002"}, "olivia", False),
        ({"control": "CC6.2"}, "olivia", False),
    ],
    ids=["the client's", "the platform's", "another client's", "another control's"],
)
def test_it_rests_on_artefacts_of_the_client_or_the_platform_and_of_the_control(
    world: World, of: dict[str, Any], by: str, is_accepted: bool
) -> None:
    kept = artifact(world, **of)
    if is_accepted:
        assert assessment(world, by=by, evidence=[str(kept.pk)]).evidence == [str(kept.pk)]
    else:
        with pytest.raises(Invalid, match="an artefact of this control"):
            assessment(world, by=by, evidence=[str(kept.pk)])


def test_who_may_not_see_the_platforms_artefacts_does_not_name_them(world: World) -> None:
    kept = artifact(world, client=None)
    with pytest.raises(Invalid):
        assessment(world, by="ben", client_id="clinic-002", evidence=[kept.pk])


def test_the_overview_has_every_control_in_scope_and_says_who_was_not_looked_at(
    world: World, settings: Any
) -> None:
    settings.SOC2_CATEGORIES = []
    assessment(world, state="attention")
    artifact(world)
    artifact(world, period=FEBRUARY)
    found = controls.overview(client_id="clinic-001", framework="SOC2", period=JANUARY)
    specs = catalogue.in_scope("SOC2", frozenset())
    assert [row.control.control_id for row in found] == [spec.control_id for spec in specs]
    states = {row.control.control_id: row.state for row in found}
    assert states.pop("CC6.1") == AssessmentState.ATTENTION
    assert set(states.values()) == {controls.NOT_ASSESSED}
    assert {row.control.control_id: row.evidence for row in found if row.evidence} == {"CC6.1": 1}


def test_the_states_of_many_clients_take_one_query(world: World) -> None:
    assessment(world, state="not_compliant")
    assessment(world, state="compliant")
    assessment(world, client_id="clinic-002", control_id="A1.1", state="attention", period=QUARTER)
    assessment(world, client_id=None, state="attention")
    with CaptureQueriesContext(
        connection,
    ) as asked:
        found = controls.states_of_clients(["clinic-001", "clinic-002"], "SOC2", JANUARY)
    assert len(asked) == 1
    assert found == {("clinic-001", "CC6.1"): "compliant", ("clinic-002", "A1.1"): "attention"}


def test_nothing_is_changed_afterwards(world: World) -> None:
    found = assessment(world)
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "UPDATE reports_controlassessment SET state = 'compliant' WHERE id = %s", [found.pk]
        )


def test_where_nothing_can_be_recorded_nothing_is_assessed(world: World, settings: Any) -> None:
    settings.AUDIT_ENABLED = False
    with pytest.raises(AuditDisabled):
        assessment(world)
    assert not ControlAssessment.objects.exists()
