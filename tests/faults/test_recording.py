"""Recording under fire: many writers, and processes that die in the middle (acceptance 5)."""

from __future__ import annotations

import itertools
import os
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from django.db import connection, connections, transaction

from access.models import Person
from audit.events import Actor, EventType
from audit.models import AuditEvent, PendingEvent
from audit.services import checkpoints, loghead, proofs, sealing, trail
from audit.services.verification import verify_database
from ops.worker import Worker
from sealing import merkle
from sealing.results import Verdict
from tests.factories import World
from tests.faults import processes
from tests.services.audit.helpers import event_bytes, force

ROUNDS, PROCESSES, THREADS, EVENTS_PER_THREAD = 10, 4, 8, 42
QUOTA = THREADS * EVENTS_PER_THREAD
AT_LEAST = 10_000


class Recorder:
    """One process of several threads that make changes and note what was acknowledged."""

    def __init__(self, folder: Path, number: int) -> None:
        self.folder, self.number = folder, number
        folder.mkdir()

    def run(self) -> None:
        """Makes the quota of changes."""
        self._in_threads(lambda: range(EVENTS_PER_THREAD))

    def run_until_killed(self) -> None:
        """Makes changes without end."""
        self._in_threads(itertools.count)

    def _in_threads(self, numbers: Callable[[], Iterable[int]]) -> None:
        threads = [
            threading.Thread(target=self._work, args=(thread, numbers()))
            for thread in range(THREADS)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _work(self, thread: int, numbers: Iterable[int]) -> None:
        """Each thread has a file of its own for what was acknowledged to it."""
        actor = Actor.system(f"recorder-{self.number}-{thread}")
        acknowledged = os.open(self.folder / str(thread), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        for number in numbers:
            with transaction.atomic():
                person = Person.objects.create(display_name=f"made {number}")
                event_id = trail.record(
                    EventType.ACCESS_USER_CREATED, actor=actor, obj=("person", str(person.pk))
                )
            os.write(acknowledged, f"{event_id}\n".encode())
            os.fsync(acknowledged)
        connections.close_all()

    def acknowledged(self) -> list[str]:
        """The ids that were noted as a whole: a line that was cut short does not count."""
        found: list[str] = []
        for path in self.folder.iterdir():
            found += path.read_text().split("\n")[:-1]
        return found


@pytest.mark.xdist_group("faults")
def test_nothing_acknowledged_is_lost_and_nothing_is_there_twice(
    committed_world: World, tmp_path: Path
) -> None:
    chance = random.Random(20260102)
    acknowledged: list[str] = []
    poisoned: list[int] = []
    for number in range(ROUNDS):
        acknowledged += _round(tmp_path / str(number), chance)
        poisoned += _poison(number)
    sealing.seal_pending()
    sealing.seal_pending()  # what was recorded of the rows that were set aside
    assert len(acknowledged) >= AT_LEAST
    _check_acknowledged(acknowledged)
    _check_changes()
    _check_log()
    _check_poisoned(poisoned)


def _round(folder: Path, chance: random.Random) -> list[str]:
    """Four processes record; one of them and the worker are killed; a new worker goes on."""
    folder.mkdir()
    before = _sealed()
    recorders = [Recorder(folder / str(n), n) for n in range(PROCESSES)]
    victim, *others = chance.sample(recorders, PROCESSES)
    worker = processes.start(Worker(with_queue=False).run)
    doomed = processes.start(victim.run_until_killed)
    running = [processes.start(recorder.run) for recorder in others]
    first, second = sorted(chance.sample(range(1, QUOTA), 2))
    processes.wait_until(lambda: len(victim.acknowledged()) >= first and _sealed() > before)
    processes.kill(worker)
    worker = processes.start(Worker(with_queue=False).run)
    processes.wait_until(lambda: len(victim.acknowledged()) >= second)
    processes.kill(doomed)
    assert [processes.finished(pid) for pid in running] == [0, 0, 0]
    assert processes.stop(worker) == 0
    assert all(len(recorder.acknowledged()) == QUOTA for recorder in others)
    return [event_id for recorder in recorders for event_id in recorder.acknowledged()]


def _sealed() -> int:
    return loghead.current().size


def _poison(number: int) -> list[int]:
    """Rows that nothing of ours would write, put into the outbox by SQL."""
    known = AuditEvent.objects.order_by("seq").first()
    assert known is not None
    texts = [
        "not even JSON",
        event_bytes().decode() + " ",
        known.event,
        '{"id":"01890a5d-ac96-774b-bcce-b302099a8057"}',
        event_bytes().decode().replace('"success"', '"perhaps"'),
    ]
    return [force(texts[number % len(texts)])]


def _check_acknowledged(acknowledged: list[str]) -> None:
    stored = Counter(str(pk) for pk in AuditEvent.objects.values_list("id", flat=True))
    assert len(set(acknowledged)) == len(acknowledged)
    missing = [event_id for event_id in acknowledged if stored[event_id] != 1]
    assert missing == []


def _check_changes() -> None:
    """An event for each change and a change for each event, also where a process died."""
    made = Person.objects.filter(display_name__startswith="made ")
    changed = {str(pk) for pk in made.values_list("pk", flat=True)}
    told = list(AuditEvent.objects.filter(object_type="person").values_list("object_id", flat=True))
    assert len(told) == len(set(told))
    assert set(told) == changed


def _check_log() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*), min(seq), max(seq) FROM audit_events")
        count, first, last = cursor.fetchone()
    assert (first, last) == (0, count - 1)
    checkpoint = checkpoints.issue()
    assert verify_database(actor=Actor.system("test")).verdict == Verdict.VALID
    assert checkpoint.size >= count
    for seq in random.Random(1).sample(range(count), 50):
        leaf = bytes(AuditEvent.objects.get(seq=seq).hash)
        path = proofs.inclusion(seq, checkpoint.size)
        assert merkle.verify_inclusion(leaf, seq, checkpoint.size, path, bytes(checkpoint.root))
    assert loghead.current().size >= count


def _check_poisoned(poisoned: list[int]) -> None:
    assert len(poisoned) == ROUNDS
    left = PendingEvent.objects.all()
    assert set(left.filter(set_aside_at__isnull=False).values_list("pk", flat=True)) == set(
        poisoned
    )
    told = AuditEvent.objects.filter(type="audit.event.set_aside")
    assert set(told.values_list("object_id", flat=True)) == {str(pk) for pk in poisoned}


def test_several_workers_seal_one_after_another(committed_world: World, tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "acknowledged", 0)
    workers = [processes.start(Worker(with_queue=False).run) for _ in range(3)]
    assert processes.finished(processes.start(recorder.run)) == 0
    sealing.seal_pending()
    assert [processes.stop(pid) for pid in workers] == [0, 0, 0]
    _check_acknowledged(recorder.acknowledged())
    assert verify_database(actor=Actor.system("test")).verdict == Verdict.VALID
