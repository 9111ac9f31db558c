"""Real processes, real commits: exports and countersignatures whose process is killed."""

from __future__ import annotations

import os
import signal
import threading
from typing import Any
from unittest import mock

import pytest
from django.db import connections

from audit.events import EventType
from evidence.models import Package, PackageStatus
from evidence.services import checking, countersign_file, outcomes, publishing, verification
from evidence.services.errors import AlreadyCountersigned
from sealing.results import Verdict
from tests.carrying import carry_on
from tests.factories import World
from tests.faults import processes
from tests.services.evidence import helpers


def kill_self(*args: Any, **kwargs: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def killed_in(module: Any, name: str, work: Any) -> None:
    """Runs ``work`` in a process that is killed when it comes to ``name``."""

    def doomed() -> None:
        with mock.patch.object(module, name, kill_self):
            work()

    assert processes.finished(processes.start(doomed)) == -signal.SIGKILL


@pytest.mark.parametrize(
    ("module", "name"),
    [(publishing, "_sign"), (publishing, "_check"), (outcomes, "record_success")],
)
def test_export(committed_world: World, module: Any, name: str) -> None:
    world = committed_world
    helpers.some_events()
    killed_in(module, name, lambda: helpers.export(world))
    package = Package.objects.get()
    assert package.status == PackageStatus.WRITING
    before = helpers.file(package).read_bytes()
    helpers.some_events()
    carry_on(package.run)
    finished = Package.objects.get()
    assert helpers.file(package).read_bytes() == before
    assert finished.event_count == 3
    assert checking.check_files(finished).awaits_countersignature
    assert len(helpers.events_of(EventType.EVIDENCE_PACKAGE_EXPORTED)) == 1
    left = [path.name for path in helpers.file(package).parent.iterdir()]
    assert sorted(left) == sorted(
        f"{package.bundle_id}{suffix}" for suffix in (".zip", ".zip.sig", ".signature.json")
    )


def test_countersign_killed_before_the_file(committed_world: World) -> None:
    world = committed_world
    package = helpers.export(world)
    world.key("oscar")
    killed_in(countersign_file, "replace", lambda: helpers.countersign(world, package))
    assert len(helpers.entries_of(package)) == 1
    assert not helpers.file(package, ".countersign.json").exists()
    result = verification.verify(actor=world.actor("oscar"), package_path=package.package_path)
    assert result.verdict is Verdict.VALID
    assert len(helpers.events_of(EventType.EVIDENCE_PACKAGE_COUNTERSIGNED)) == 1


def test_countersign_killed_before_the_commit(committed_world: World) -> None:
    from audit.services import trail

    world = committed_world
    package = helpers.export(world)
    world.key("oscar")
    killed_in(trail, "record", lambda: helpers.countersign(world, package))
    assert helpers.entries_of(package) == []
    assert helpers.countersign(world, package).number == 1
    assert checking.check_files(package).verdict is Verdict.VALID


def at_once(*work: Any) -> list[Any]:
    """What each of these gave or raised, all begun at the same moment."""
    gate = threading.Barrier(len(work))
    results: list[Any] = [None] * len(work)

    def run(index: int) -> None:
        gate.wait()
        try:
            results[index] = work[index]()
        except Exception as error:  # noqa: BLE001
            results[index] = error
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(index,)) for index in range(len(work))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_two_officers_at_once(committed_world: World) -> None:
    world = committed_world
    package = helpers.export(world, client="clinic-002", required_countersignatures=2)
    for name in ("oscar", "ben"):
        world.key(name)
    at_once(
        lambda: helpers.countersign(world, package, by="oscar"),
        lambda: helpers.countersign(world, package, by="ben"),
    )
    assert [entry.number for entry in helpers.entries_of(package)] == [1, 2]
    assert checking.check_files(package).verdict is Verdict.VALID


def test_one_officer_many_times_at_once(committed_world: World) -> None:
    world = committed_world
    package = helpers.export(world)
    world.key("oscar")
    results = at_once(*[lambda: helpers.countersign(world, package)] * 4)
    assert sum(isinstance(result, AlreadyCountersigned) for result in results) == 3, results
    assert len(helpers.entries_of(package)) == 1
    assert checking.check_files(package).verdict is Verdict.VALID
    assert len(helpers.events_of(EventType.EVIDENCE_PACKAGE_COUNTERSIGNED)) == 1


def test_verification_while_countersigning(committed_world: World) -> None:
    """Whoever looks meanwhile sees a package with the entry or without, never half of it."""
    world = committed_world
    package = helpers.export(world)
    world.key("oscar")
    path = package.package_path

    def look() -> set[str]:
        seen = set()
        for _ in range(15):
            result = verification.verify(actor=world.actor("audrey"), package_path=path)
            assert result.report is not None
            seen.add(" ".join(sorted(issue.code for issue in result.report.issues)))
        return seen

    _, seen = at_once(lambda: helpers.countersign(world, package), look)
    assert seen <= {"countersignature_missing", ""}, seen
