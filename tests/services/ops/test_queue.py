"""The queue: ids of runs alone, whoever writes what into its tables."""

from __future__ import annotations

import pickle
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.core import signing
from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from django_q import core_signing
from django_q.brokers import get_broker
from django_q.conf import Conf
from django_q.models import Failure, OrmQ, Schedule, Success, Task
from django_q.scheduler import scheduler
from django_q.signing import PickleSerializer, SignedPackage
from django_q.tasks import async_chain, async_iter, async_task

from access.admin.site import site
from ops import queue
from ops.services import schedules
from tests.factories import World
from tests.services.ops.kinds import add, job_of, kind, run_of

RUN = uuid.UUID("0b5a5c1e-0000-4000-8000-000000000001")
TASK = {
    "id": "0" * 32,
    "name": "x",
    "func": queue.EXECUTE_RUN,
    "args": (str(RUN),),
    "kwargs": {},
    "started": timezone.now(),
}


class Bomb:
    """Goes off where it is unpickled."""

    went_off: list[str] = []

    def __reduce__(self) -> tuple[Any, ...]:
        return Bomb.went_off.append, ("bang",)


def signed(task: Any) -> str:
    return str(SignedPackage.dumps(task))


FORGED = {
    "a-package-of-ours": lambda: signed(TASK),
    "another-function": lambda: signed({**TASK, "func": "os.system", "args": ("id",)}),
    "a-function-itself": lambda: signed({**TASK, "func": print}),
    "more-arguments": lambda: signed({**TASK, "args": (str(RUN), "x")}),
    "keyword-arguments": lambda: signed({**TASK, "kwargs": {"x": 1}}),
    "a-hook": lambda: signed({**TASK, "hook": "os.system"}),
    "a-chain": lambda: signed({**TASK, "chain": [("os.system", ("id",))]}),
    "at-once": lambda: signed({**TASK, "sync": True}),
    "a-group": lambda: signed({**TASK, "group": "g", "cached": True, "iter_count": 1}),
    "another-key": lambda: core_signing.dumps(
        TASK, key="another key", salt=Conf.PREFIX, serializer=PickleSerializer
    ),
    "another-salt": lambda: core_signing.dumps(
        TASK, key=Conf.SECRET_KEY, salt="another", serializer=PickleSerializer
    ),
    "a-signed-bomb": lambda: signed(Bomb()),
    "an-unsigned-bomb": lambda: pickle.dumps(Bomb()).hex(),
    "json": lambda: signing.dumps({"func": "os.system"}),
    "an-id-in-capitals": lambda: str(RUN).upper(),
    "an-id-without-dashes": lambda: RUN.hex,
    "an-id-and-more": lambda: f"{RUN} ",
    "nothing": lambda: "",
}


def put(payload: str, *, lock: Any = None) -> OrmQ:
    lock = lock or timezone.now() - timedelta(seconds=1)
    row: OrmQ = OrmQ.objects.create(key=Conf.CLUSTER_NAME, payload=payload, lock=lock)
    return row


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The broker that the settings name, which does not wait while there is nothing."""
    monkeypatch.setattr(Conf, "POLL", 0)
    return get_broker()


@pytest.mark.parametrize("name", FORGED)
def test_whatever_else_stands_in_the_table_is_thrown_away(
    world: World, broker: Any, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    Bomb.went_off.clear()
    row = put(FORGED[name]())
    assert broker.dequeue() == []
    assert not OrmQ.objects.filter(pk=row.pk).exists()
    assert Bomb.went_off == []
    assert "queue entry refused" in caplog.text


def test_an_id_becomes_a_task_of_one_function(
    world: World, broker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(monkeypatch, kind(timeout_seconds=50))
    run = run_of(job_of(world))
    row = put(str(run.pk))
    [(pk, package)] = broker.dequeue()
    task = SignedPackage.loads(package)
    assert pk == row.pk
    assert (task["func"], task["args"], task["kwargs"]) == (
        "ops.tasks.execute_run",
        (str(run.pk),),
        {},
    )
    assert task["timeout"] == 50 + queue.LAST_RESORT_SECONDS
    assert task["ack_failure"] is True
    assert broker.dequeue() == [], "it is taken"


def test_those_that_wait_longest_come_first(world: World, broker: Any) -> None:
    now = timezone.now()
    for seconds in (3, 9, 6):
        put(str(uuid.UUID(int=seconds)), lock=now - timedelta(seconds=seconds))
    taken = [SignedPackage.loads(broker.dequeue()[0][1])["args"][0] for _ in range(3)]
    assert taken == [str(uuid.UUID(int=seconds)) for seconds in (9, 6, 3)]


# --- what django-q2 itself would put into it ------------------------------------------------


@pytest.mark.parametrize(
    "call",
    [
        lambda: async_task("os.system", "id"),
        lambda: async_task(queue.EXECUTE_RUN, str(RUN), hook="os.system"),
        lambda: async_task(queue.EXECUTE_RUN, str(RUN), cached=True),
        lambda: async_task(queue.EXECUTE_RUN, "not an id"),
        lambda: async_task(queue.EXECUTE_RUN, str(RUN), str(RUN)),
        lambda: async_task(queue.EXECUTE_RUN, str(RUN), x=1),
        lambda: async_task(queue.EXECUTE_RUN),
        lambda: async_chain([(queue.EXECUTE_RUN, (str(RUN),)), ("os.system", ("id",))]),
        lambda: async_iter("os.system", ["id"]),
    ],
    ids=["function", "hook", "cached", "argument", "two", "keyword", "none", "chain", "iter"],
)
def test_nothing_else_is_put_into_it(world: World, call: Any) -> None:
    with pytest.raises(queue.NotARun):
        call()
    assert not OrmQ.objects.exists()


def test_the_scheduler_puts_ids_into_it(
    committed_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(monkeypatch)
    job = job_of(committed_world, schedule_cron="* * * * *")
    schedules.sync_job(job)
    scheduler(get_broker())
    assert OrmQ.objects.get().payload == str(job.pk)
    assert Schedule.objects.get(name=job.name).next_run > timezone.now()


def test_a_run_is_queued_with_its_row_or_not_at_all(committed_db: Any) -> None:
    with pytest.raises(RuntimeError, match="one transaction"):
        queue.enqueue(RUN)
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        queue.enqueue(RUN)
        raise ZeroDivisionError
    assert not queue.is_queued(RUN)


# --- what was lost --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("locked", "amiss"),
    [
        (timedelta(seconds=-5), False),
        (timedelta(minutes=10), False),
        (timedelta(seconds=Conf.RETRY - 30), False),
        (timedelta(seconds=Conf.RETRY - 90), True),
        (None, True),
    ],
    ids=["waits", "delayed", "taken-now", "taken-long-ago", "no-row"],
)
def test_what_was_lost_is_handed_out_again(
    world: World, broker: Any, locked: timedelta | None, amiss: bool
) -> None:
    if locked is not None:
        put(str(RUN), lock=timezone.now() + locked)
    assert queue.requeue(RUN) is amiss
    assert OrmQ.objects.filter(payload=str(RUN)).count() == 1
    assert queue.requeue(RUN) is False
    if amiss:
        assert len(broker.dequeue()) == 1


# --- schedules ------------------------------------------------------------------------------

GOOD = {
    "name": "x",
    "func": queue.EXECUTE_RUN,
    "args": f"'{RUN}',",
    "kwargs": "",
    "schedule_type": "C",
    "cron": "* * * * *",
    "repeats": -1,
}
BAD = {
    "function": {"func": "os.system"},
    "arguments": {"args": "'id',"},
    "more-arguments": {"args": f"'{RUN}', 'x',"},
    "expression": {"args": f"__import__('os').system('id') or '{RUN}',"},
    "keyword-arguments": {"kwargs": "{'q_options': {'sync': True}}"},
    "hook": {"hook": "os.system"},
    "date": {"intended_date_kwarg": "when"},
    "type": {"schedule_type": "O"},
}


@pytest.mark.parametrize("name", BAD)
def test_the_database_refuses_every_other_schedule(world: World, name: str) -> None:
    with pytest.raises(IntegrityError, match="ops_schedule_runs_only"), transaction.atomic():
        Schedule.objects.create(**{**GOOD, **BAD[name]})
    made = Schedule.objects.create(**GOOD)
    [(column, value)] = BAD[name].items()
    with (
        pytest.raises(IntegrityError, match="ops_schedule_runs_only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(
            f"UPDATE django_q_schedule SET {column} = %s WHERE id = %s", [value, made.pk]
        )


@pytest.mark.parametrize("model", [Task, Success, Failure, OrmQ, Schedule])
def test_the_pages_of_the_queue_are_not_in_the_admin(model: Any) -> None:
    assert not site.is_registered(model)
