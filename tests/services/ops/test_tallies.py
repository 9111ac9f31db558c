"""Tallies of runs: kept by the database with the run itself, and never less than before."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any

import psycopg
import pytest
from django.db import DatabaseError, connection, transaction
from django.db.models import Sum

from ops.models import BOUNDS, Run, RunTally
from tests.databases import CommittedDatabase
from tests.factories import World
from tests.services.ops.kinds import NAME, add, job_of, run_of

BEGAN = datetime(2026, 3, 1, tzinfo=UTC)
MIGRATION = import_module("ops.migrations.0006_run_tallies")


def ended(job: Any, seconds: float | None, *, status: str = "SUCCESS") -> Run:
    """A run that ends as runs do: by an update."""
    run = run_of(job)
    began = None if seconds is None else BEGAN
    Run.objects.filter(pk=run.pk).update(
        status=status,
        error_message="" if status == "SUCCESS" else "No.",
        started_at=began,
        finished_at=BEGAN + timedelta(seconds=seconds or 0),
    )
    return run


def shown() -> dict[str, tuple[Any, ...]]:
    rows = RunTally.objects.filter(job_type=NAME)
    return {
        row.status: (row.runs, row.timed, row.seconds, row.within, row.last_ended_at)
        for row in rows
    }


def expected() -> dict[str, tuple[Any, ...]]:
    """The same, told from the runs."""
    found: dict[str, tuple[Any, ...]] = {}
    for status in ("SUCCESS", "FAILED"):
        runs = Run.objects.filter(job_type=NAME, status=status)
        times = [
            max(0.0, (run.finished_at - run.started_at).total_seconds())
            for run in runs
            if run.started_at and run.finished_at
        ]
        if runs:
            found[status] = (
                len(runs),
                len(times),
                pytest.approx(sum(times)),
                [sum(time <= bound for time in times) for bound in BOUNDS],
                max(run.finished_at for run in runs if run.finished_at),
            )
    return found


def test_every_end_is_counted_with_how_long_it_took(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(monkeypatch)
    job = job_of(world)
    numbers = random.Random(20260301)
    for bound in BOUNDS:
        ended(job, bound)  # a bound belongs to what it bounds
        ended(job, bound + 0.001, status=numbers.choice(["SUCCESS", "FAILED"]))
    for _ in range(30):
        ended(
            job, round(numbers.expovariate(0.01), 3), status=numbers.choice(["SUCCESS", "FAILED"])
        )
    ended(job, None, status="FAILED")
    ended(job, -3)
    run_of(job)
    assert shown() == expected()
    assert shown()["FAILED"][0] == shown()["FAILED"][1] + 1


def test_what_is_put_there_whole_counts_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    add(monkeypatch)
    run = run_of(job_of(world), status="SUCCESS", started_at=BEGAN, finished_at=BEGAN)
    assert shown()["SUCCESS"][0] == 1
    with pytest.raises(DatabaseError), transaction.atomic():
        Run.objects.filter(pk=run.pk).update(step="again")
    assert shown() == expected()


def test_what_did_not_end_does_not_count(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    add(monkeypatch)
    job = job_of(world)
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        ended(job, 1)
        raise ZeroDivisionError
    assert shown() == {}


def test_runs_from_before_are_counted_when_it_is_installed(
    committed_world: World, committed_db: CommittedDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(monkeypatch)
    job = job_of(committed_world)
    for seconds in (0.5, 0.6, 4000, None):
        ended(job, seconds, status="FAILED" if seconds is None else "SUCCESS")
    kept = shown()
    with psycopg.connect(committed_db.superuser_url, autocommit=True) as conn:
        conn.execute("SET session_replication_role = replica")
        conn.execute("ALTER TABLE ops_runtally DISABLE TRIGGER ALL")
        conn.execute("DELETE FROM ops_runtally")
        conn.execute(MIGRATION.TAKE_STOCK)
    assert shown() == kept == expected()


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE ops_runtally SET runs = runs - 1",
        "UPDATE ops_runtally SET seconds = 0",
        "UPDATE ops_runtally SET job_type = 'other'",
        "DELETE FROM ops_runtally",
        "TRUNCATE ops_runtally",
    ],
)
def test_the_database_lets_no_counter_go_down(
    world: World, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    add(monkeypatch)
    ended(job_of(world), 7)
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(change)
    assert shown() == expected()


def test_bounds_are_those_of_the_migration() -> None:
    assert tuple(MIGRATION.BOUNDS) == BOUNDS


def test_nobody_waits_for_the_sum_of_all_runs(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many runs there are, there is a row for each type and outcome."""
    add(monkeypatch)
    job = job_of(world)
    before = RunTally.objects.count()
    for seconds in range(5):
        ended(job, seconds)
    assert RunTally.objects.count() == before + 1
    assert RunTally.objects.filter(job_type=NAME).aggregate(all=Sum("runs")) == {"all": 5}
