"""What people added to a packet: assessments and artefacts; and what its tables leave out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from audit.events import Actor, EventType
from audit.services import trail
from ops.models import Run
from reports.facts import tables
from reports.formats import document
from reports.models import ControlAssessment
from reports.services import building
from tests import reports_rows
from tests.factories import World
from tests.reports_rows import FEBRUARY, JANUARY, QUARTER
from tests.services.reports.plans import Unwatched, plan

NAUGHTY = ("<script>alert(1)</script>", "file:///etc/passwd", "\u202eevil", 'a"b\\c\n{{x}} %s')


def of_january(client_id: str | None = "clinic-001") -> dict:  # type: ignore[type-arg]
    """The document of January, as its reader takes it."""
    packet = plan(client_id, JANUARY.start, JANUARY.end)
    return document.parse(document.build(building.document_of(packet, watch=Unwatched())))


def control(made: dict, control_id: str) -> dict:  # type: ignore[type-arg]
    """One control of a document."""
    return next(item for item in made["controls"] if item["controlId"] == control_id)


def test_the_newest_assessment_that_covers_the_month_counts(world: World) -> None:
    reports_rows.assessment(world, state="not_compliant", period=QUARTER)
    reports_rows.assessment(world, by="oscar", state="attention", note=NAUGHTY[0])
    reports_rows.assessment(world, state="compliant", period=FEBRUARY)
    reports_rows.assessment(world, state="compliant", client_id=None)
    made = of_january()
    found = control(made, "CC6.1")
    assert found["state"] == found["assessment"]["state"] == "attention"
    assert found["assessment"]["note"] == NAUGHTY[0]
    assert found["assessment"]["assessor"] == {
        "person": str(world.person("oscar").pk),
        "name": "Oscar Officer",
    }
    counts = made["executiveSummary"]["controls"]
    assert (counts["attention"], counts["compliant"]) == (1, 0)
    assert counts["notAssessed"] == counts["total"] - 1
    assert control(made, "CC6.2")["state"] == "not assessed"
    assert control(made, "CC6.2")["assessment"] is None


def test_what_was_found_after_the_packet_was_planned_does_not_count(world: World) -> None:
    packet = plan("clinic-001", JANUARY.start, JANUARY.end)
    reports_rows.assessment(world)
    reports_rows.artifact(world)
    assert ControlAssessment.objects.filter(assessed_at__gt=packet.generated_at).exists()
    made = building.document_of(packet, watch=Unwatched())
    assert made["executiveSummary"]["controls"]["compliant"] == 0
    assert made["artifacts"] == []


def test_artefacts_are_told_with_their_control(world: World) -> None:
    mine = reports_rows.artifact(world, title=NAUGHTY[1])
    reports_rows.artifact(world, period=FEBRUARY)
    reports_rows.artifact(world, client="clinic-002")
    later = reports_rows.artifact(world, control="CC7.1", period=QUARTER)
    made = of_january()
    assert [item["id"] for item in made["artifacts"]] == [str(mine.pk), str(later.pk)]
    assert made["artifacts"][0]["title"] == NAUGHTY[1]
    assert made["artifacts"][0]["vaultPath"] == f"{mine.deposit.folder}/accounts.csv"
    assert [item["id"] for item in control(made, "CC6.1")["sampleEvidence"]] == [str(mine.pk)]
    assert made["facts"]["artifacts.CC6.1"]["value"] == 1
    assert made["facts"]["artifacts.CC7.1"]["source"]["objects"] == [str(later.pk)]
    platform = {item["id"] for item in of_january(None)["artifacts"]}
    assert len(platform) == 3


def test_only_categories_in_scope_are_told(world: World) -> None:
    series = {item["controlId"][0] for item in of_january()["controls"]}
    assert series == {"C", "A"}
    packet = plan("clinic-001", FEBRUARY.start, FEBRUARY.end, categories=["privacy"])
    made = building.document_of(packet, watch=Unwatched())
    assert made["categories"] == ["privacy", "security"]
    assert {item["controlId"][0] for item in made["controls"]} == {"C", "P"}
    assert "artifacts.A1.2" not in made["facts"] and "artifacts.P4.2" in made["facts"]


def test_tables_say_what_they_leave_out(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "MAX_ROWS", 2)
    at = datetime(2026, 1, 9, tzinfo=UTC)
    for text in NAUGHTY:
        trail.record_alone(
            EventType.OPS_APPROVAL_REFUSED,
            actor=Actor.system("tests"),
            client="clinic-001",
            outcome="denied",
            data={"code": text},
            occurred_at=at,
        )
    Run.objects.bulk_create(
        Run(
            job_type="export", client_id="clinic-001", triggered_by="user:alice", status="FAILED",
            intended_at=at, finished_at=at + timedelta(minutes=number), error_message=text,
        )
        for number, text in enumerate(NAUGHTY)
    )  # fmt: skip
    annexes = {annex["id"]: annex for annex in of_january()["annexes"]}
    for name in ("denied_and_failed", "failed_runs"):
        assert (annexes[name]["total"], annexes[name]["isTruncated"]) == (4, True)
        assert annexes[name]["source"]["count"] == 4
        assert [row[-1] for row in annexes[name]["rows"]] == list(NAUGHTY[:2])


def test_a_longer_period_is_charted_by_months(world: World) -> None:
    start, end = datetime(2024, 1, 15, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC)
    trail.record_alone(
        EventType.ACCESS_LOGIN_FAILED,
        actor=Actor.system("tests"),
        occurred_at=datetime(2024, 2, 29, 23, 59, 59, 999_999, tzinfo=UTC),
    )
    trail.record_alone(
        EventType.ACCESS_LOGIN_FAILED, actor=Actor.system("tests"), occurred_at=start
    )
    made = building.document_of(plan(None, start, end), watch=Unwatched())
    charts = {chart["id"]: chart for chart in made["executiveSummary"]["charts"]}
    failed = {bar["label"]: bar["value"] for bar in charts["sign_ins_failed"]["series"]}
    assert list(failed) == ["2024-01-15", *(f"2024-{month:02d}-01" for month in range(2, 13))]
    assert {label: count for label, count in failed.items() if count} == {
        "2024-01-15": 1,
        "2024-02-01": 1,
    }
    assert charts["sign_ins_failed"]["title"] == "Sign-ins that failed per month"
