"""The month's job: the month before, for the platform and every client, made up where missed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django_q.brokers import get_broker
from django_q.models import OrmQ
from django_q.signing import SignedPackage

from access.models import Client
from audit.services import sealing
from ops import tasks
from ops.models import Job, Run
from ops.services import runs, windows
from reports.models import Packet
from tests.factories import World
from tests.services.evidence import helpers
from tests.services.reports import packing

MIDNIGHT = datetime(2026, 3, 31, 23, 59, 59, tzinfo=UTC)
DUE = datetime(2026, 4, 1, 3, tzinfo=UTC)
HERE = pytest.mark.usefixtures("rendered_here")
SCOPES = [None, "clinic-001", "clinic-002"]


def deliver_all() -> None:
    """Hands out what the queue holds, in its order, and does it, until nothing is left."""
    broker = get_broker()
    while taken := broker.dequeue():
        for pk, task in taken:
            tasks.execute_run(*SignedPackage.loads(task)["args"])
            broker.acknowledge(pk)


def made(month: str) -> list[str | None]:
    """For whom there is a packet of a month, the platform first."""
    found = Packet.objects.filter(status="complete", period_start=f"{month}T00:00Z")
    return sorted(found.values_list("client_id", flat=True), key=lambda name: name or "")


def since(job: Job, moment: datetime) -> None:
    """Every window up to then has had its run."""
    Job.objects.filter(pk=job.pk).update(windows_through=moment)


def look(job: Job, now: datetime) -> Sequence[Run]:
    """The scheduler comes by at ``now``; whatever is due then is carried out by the queue."""
    opened = windows.open_due_windows(job, now)
    deliver_all()
    for run in opened:
        run.refresh_from_db()
    return opened


@pytest.fixture
def job(committed_world: World) -> Job:
    packing.came(packing.LONG_AGO)
    found = packing.monthly_job()
    since(found, datetime(2026, 3, 1, 3, tzinfo=UTC))
    OrmQ.objects.all().delete()
    return found


def check_month(job: Job, mode: str) -> None:
    assert look(job, MIDNIGHT) == []
    assert look(job, datetime(2026, 4, 1, 2, 59, 59, tzinfo=UTC)) == []
    [run] = look(job, DUE)
    assert (run.status, run.error_message) == ("SUCCESS", "")
    assert made("2026-03-01") == SCOPES
    for packet in Packet.objects.all():
        assert packet.period_end == datetime(2026, 4, 1, tzinfo=UTC)
        assert (packet.run, packet.maker, packet.vault_mode) == (run, None, mode)
        packing.check_complete(packet)
    assert look(job, DUE) == []
    assert Packet.objects.count() == len(SCOPES)
    told = run.result_summary
    assert told["period"]["start"] == "2026-03-01T00:00:00.000000Z"
    assert [item["client_id"] for item in told["packets"]] == SCOPES
    assert all(item["is_new"] for item in told["packets"])


def test_the_month_before_in_a_folder(job: Job, local_vault: Path) -> None:
    assert (job.schedule_cron, job.owner) == ("0 3 1 * *", None)
    check_month(job, "local")


@HERE
def test_the_month_before_in_a_bucket(job: Job, s3_vault: Any) -> None:
    check_month(job, "s3")


@HERE
def test_what_was_missed_is_made_up_oldest_first(job: Job, local_vault: Path) -> None:
    Client.objects.filter(pk="clinic-002").update(is_active=False)
    both = look(job, datetime(2026, 5, 14, tzinfo=UTC))
    assert [run.intended_at.month for run in both] == [4, 5]
    assert [run.status for run in both] == ["SUCCESS", "SUCCESS"]
    assert made("2026-03-01") == made("2026-04-01") == [None, "clinic-001"]
    order = Packet.objects.order_by("created_at").values_list("period_start__month", flat=True)
    assert list(order) == [3, 3, 4, 4]
    assert look(job, datetime(2026, 5, 15, tzinfo=UTC)) == []


@HERE
def test_what_somebody_has_made_before_is_not_made_again(
    committed_world: World, job: Job, local_vault: Path
) -> None:
    period = packing.month(2026, 3)
    packet = packing.make(committed_world, client="clinic-001", period=period)
    [run] = look(job, DUE)
    assert run.status == "SUCCESS"
    assert made("2026-03-01") == SCOPES
    news = {item["client_id"]: item["is_new"] for item in run.result_summary["packets"]}
    assert news == {None: True, "clinic-001": False, "clinic-002": True}
    packet.refresh_from_db()
    assert packet.maker == committed_world.person("olivia")


@HERE
def test_what_was_made_before_the_month_was_over_does_not_stand_for_it(
    committed_world: World, job: Job, local_vault: Path
) -> None:
    with packing.planned_at(datetime(2026, 3, 15, tzinfo=UTC)):
        half = packing.make(committed_world, client="clinic-001", period=packing.month(2026, 3))
    files = packing.working_files(half)
    [run] = look(job, DUE)
    assert (run.status, run.error_message) == ("SUCCESS", "")
    assert all(item["is_new"] for item in run.result_summary["packets"])
    whole = Packet.objects.get(client="clinic-001", run=run)
    assert (whole.revision, whole.maker) == (2, None)
    assert whole.reason == "Revision 1 was made before the period was over."
    packing.check_complete(whole)
    supersedes = packing.document(whole)["supersedes"]
    assert (supersedes["packetId"], supersedes["reason"]) == (half.name, whole.reason)
    half.refresh_from_db()
    assert (half.status, packing.working_files(half)) == ("complete", files)
    # Wanted again, by another run: what there is now stands for the month.
    later = {"intended_at": DUE + timedelta(hours=1), "max_attempts": run.max_attempts}
    again = Run.objects.create(job_type=run.job_type, triggered_by="tests", **later)
    for one in (run, again, again):
        tasks.execute_run(str(one.pk))
    again.refresh_from_db()
    assert (again.status, again.error_message) == ("SUCCESS", "")
    assert not any(item["is_new"] for item in again.result_summary["packets"])
    assert Packet.objects.count() == len(SCOPES) + 1


@HERE
def test_a_client_has_packets_from_the_month_in_which_it_came(job: Job, local_vault: Path) -> None:
    packing.came(datetime(2026, 4, 30, 23, 59, 59, tzinfo=UTC), "clinic-002")
    packing.came(datetime(2026, 4, 1, tzinfo=UTC), "clinic-001")
    both = look(job, datetime(2026, 5, 14, tzinfo=UTC))
    assert [run.status for run in both] == ["SUCCESS", "SUCCESS"]
    assert made("2026-03-01") == [None]
    assert made("2026-04-01") == SCOPES


@HERE
def test_a_client_that_was_closed_has_packets_while_something_happened_to_it(
    job: Job, local_vault: Path
) -> None:
    helpers.record(datetime(2026, 3, 31, 23, 59, 59, 999_999, tzinfo=UTC), client="clinic-002")
    helpers.record(datetime(2026, 5, 1, tzinfo=UTC), client="clinic-002")
    sealing.seal_pending()
    Client.objects.filter(pk="clinic-002").update(is_active=False)
    march, april = look(job, datetime(2026, 5, 14, tzinfo=UTC))
    assert made("2026-03-01") == SCOPES
    assert made("2026-04-01") == [None, "clinic-001"]
    assert march.result_summary["left_out"] == []
    assert april.result_summary["left_out"] == ["clinic-002"]


@HERE
def test_run_by_hand_it_is_the_same_month_and_has_a_maker(
    committed_world: World, job: Job, local_vault: Path
) -> None:
    Client.objects.update(is_active=False)
    run = runs.request_run(actor=committed_world.actor("alice"), job=job)
    deliver_all()
    run.refresh_from_db()
    assert run.status == "SUCCESS"
    packet = Packet.objects.get()
    assert (packet.client, packet.maker) == (None, committed_world.person("alice"))
    before = run.intended_at.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    assert packet.period_end == before
