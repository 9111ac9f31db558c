"""What a package says of its own completeness: runs, archive and checkpoints from real records."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from audit.models import Checkpoint
from evidence.formats.completeness import Observed
from evidence.services.completeness import MAX_WINDOWS, observe, windows
from ops.models import Job, Run
from sealing.errors import Invalid
from tests.factories import World
from tests.services.evidence import helpers
from tests.services.evidence.helpers import export

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
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


def test_a_schedule_of_every_minute_is_counted_up_to_a_limit() -> None:
    assert len(list(windows("* * * * *", START, END + 30 * DAY))) == MAX_WINDOWS
    assert list(windows("0 0 1 * *", START, END)) == [START]
    assert list(windows("0 0 1 * *", END, END)) == []


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
