"""What a package says of its own completeness: runs, archive and checkpoints from real records."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta

import pytest

from audit.models import Checkpoint
from evidence.formats.completeness import Observed
from evidence.services.completeness import observe, windows
from ops import cron, registry
from ops.models import Job, Run
from sealing.errors import Invalid
from tests.factories import World
from tests.services.evidence import helpers
from tests.services.evidence.helpers import export

pytestmark = pytest.mark.django_db

DAY, MICRO = timedelta(days=1), timedelta(microseconds=1)
NOW = datetime(2026, 3, 11, 12, tzinfo=UTC)
START = datetime(2026, 3, 1, tzinfo=UTC)
END = datetime(2026, 4, 1, tzinfo=UTC)


def nightly(world: World, *, since: datetime = START, client: str = "clinic-001") -> Job:
    return Job.objects.create(
        name=f"nightly-{client}",
        job_type="compliance_evidence_export",
        client_id=client,
        owner=world.user("olivia"),
        schedule_cron="0 3 * * *",
        created_at=since,
    )


def ran(job: Job, day: int, status: str, triggered_by: str = "schedule") -> None:
    ended = {"finished_at": NOW} if status in ("SUCCESS", "FAILED") else {}
    if status == "FAILED":
        ended["error_message"] = "it failed"
    Run.objects.create(
        job=job,
        job_type=job.job_type,
        triggered_by=triggered_by,
        intended_at=datetime(2026, 3, day, 3, tzinfo=UTC),
        status=status,
        **ended,
    )


def observed(world: World, now: datetime = NOW) -> Observed:
    return observe(client=world.client("clinic-001"), start=START, end=END, now=now)


def test_expected_windows_beside_what_became_of_them(world: World) -> None:
    job = nightly(world)
    for day, status in ((1, "SUCCESS"), (2, "FAILED"), (3, "QUEUED"), (5, "SUCCESS")):
        ran(job, day, status)
    ran(job, 4, "SUCCESS", triggered_by="user:olivia")  # by hand: not the window's own run
    (found,) = [item for item in observed(world).jobs if item.name == job.name]
    assert (found.expected, found.succeeded, found.failed, found.open) == (11, 2, 1, 1)
    assert found.missing_count == 7
    assert found.missing[0] == "2026-03-04T03:00:00.000000Z"
    assert Observed.from_dict(observed(world).as_dict()) == observed(world)


def test_windows_before_the_job_and_after_now_are_not_expected(world: World) -> None:
    job = nightly(world, since=datetime(2026, 3, 10, 4, tzinfo=UTC))
    (found,) = [item for item in observed(world).jobs if item.name == job.name]
    assert (found.expected, found.missing) == (1, ("2026-03-11T03:00:00.000000Z",))


def test_another_client_s_jobs_are_not_told(world: World) -> None:
    nightly(world, client="clinic-002")
    assert "nightly-clinic-002" not in {item.name for item in observed(world).jobs}


def test_hours_without_a_checkpoint(world: World) -> None:
    template = Checkpoint.objects.order_by("id").first() or _checkpoint(world)
    for hour in (0, 1, 3):
        Checkpoint.objects.create(
            size=template.size,
            root=template.root,
            head=template.head,
            note=template.note,
            key=template.key,
            signed_at=START + timedelta(hours=hour, minutes=30),
        )
    found = observe(client=None, start=START, end=START + timedelta(hours=5), now=NOW).heartbeat
    assert (found.hours, found.missing_count) == (5, 2)
    assert found.missing == ("2026-03-01T02:00:00.000000Z", "2026-03-01T04:00:00.000000Z")


def test_what_is_not_archived_yet(world: World) -> None:
    helpers.some_events(count=4)
    package = export(world)
    told = helpers.member(package, "completeness.json")["observed"]["archive"]
    assert told["unarchived"] == told["log_size"] > 4
    assert told["archived_through_seq"] is None


def test_a_taken_up_export_tells_what_was_observed_when_it_was_planned(world: World) -> None:
    package = export(world)
    assert helpers.member(package, "completeness.json")["observed"] == package.observed


def test_all_windows_of_a_schedule_are_counted() -> None:
    assert sum(1 for _ in windows("* * * * *", START, END + 30 * DAY)) == 61 * 24 * 60
    assert list(windows("0 0 1 * *", START, END)) == [START]
    assert list(windows("0 0 1 * *", END, END)) == []


@pytest.mark.parametrize(
    "schedule",
    [
        "* * 3 * *", "*/7 */5 * * *", "5,3,59 0 * * 0", "0 3 1 * 1", "15-45/10 22-23 * mar-apr *",
        "0 0 29 2 *", "59 23 31 * *", "10 4 */2 * sun", "1 1 * * 7", "30 12 * * mon-fri",
    ],
)  # fmt: skip
def test_windows_are_those_by_which_jobs_run(schedule: str) -> None:
    start, end = START + timedelta(hours=5, minutes=3, seconds=1), END + 40 * DAY
    by_cron = list(cron.windows(schedule, after=start - MICRO, until=end - MICRO))
    assert list(windows(schedule, start, end)) == by_cron


def test_windows_beyond_the_first_twenty_thousand_are_told(world: World) -> None:
    job = nightly(world)
    Job.objects.filter(pk=job.pk).update(schedule_cron="* * * * *")
    ran(job, 30, "SUCCESS")
    after = END + DAY
    (found,) = [item for item in observed(world, after).jobs if item.name == job.name]
    assert (found.expected, found.succeeded) == (31 * 24 * 60, 1)
    assert (found.missing_count, len(found.missing)) == (found.expected - 1, 100)
    hours = observe(client=None, start=START - 1000 * DAY, end=END, now=after).heartbeat
    assert hours.missing_count <= hours.hours <= 1031 * 24
    assert Observed.from_dict(observed(world, after).as_dict()) == observed(world, after)


def test_jobs_of_every_client_are_told_where_they_are_asked_for(world: World) -> None:
    nightly(world), nightly(world, client="clinic-002")
    given = {"client": None, "start": START, "end": END, "now": NOW}
    mine = {item.name for item in observe(**given).jobs}
    every = {item.name for item in observe(**given, is_every_client=True).jobs}
    assert every - mine == {"nightly-clinic-001", "nightly-clinic-002"}


def test_what_has_nothing_to_do_has_missed_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = registry.get("compliance_evidence_export")
    idle = dataclasses.replace(kind, is_wanted=lambda: False)
    monkeypatch.setitem(registry._types._entries, kind.name, idle)
    job = nightly(world)
    assert job.name not in {item.name for item in observed(world).jobs}
    ran(job, 2, "FAILED")
    (found,) = [item for item in observed(world).jobs if item.name == job.name]
    assert (found.expected, found.failed, found.missing_count) == (11, 1, 10)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("jobs", 0, "succeeded"), 3),
        (("jobs", 0, "missing_count"), 99),
        (("jobs", 0, "missing"), []),
        (("checkpoints", "missing_count"), 10_000),
        (("archive", "unarchived"), -1),
    ],
)
def test_numbers_that_contradict_each_other_are_refused(
    world: World, place: tuple[str | int, ...], value: object
) -> None:
    nightly(world)
    told = observed(world).as_dict()
    told["jobs"] = [item for item in told["jobs"] if item["name"].startswith("nightly")]
    Observed.from_dict(told)
    target = told
    for key in place[:-1]:
        target = target[key]
    target[place[-1]] = value
    with pytest.raises(Invalid):
        Observed.from_dict(told)


def _checkpoint(world: World) -> Checkpoint:
    from audit.services import checkpoints

    helpers.some_events()
    checkpoints.issue()
    return Checkpoint.objects.latest("id")
