"""The queue: ids of runs, and nothing else.

django-q2 keeps signed pickles that name any function. Here a row is the plain id of a run or a
job; the task that a worker is given is made when the row is taken, and always names one function.
So nothing that somebody writes into the table can make a worker do anything but look at a run,
whose own row says whether there is something to do.
"""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import structlog
from django.db import transaction
from django.utils import timezone
from django_q.brokers.orm import ORM
from django_q.conf import Conf
from django_q.models import OrmQ
from django_q.signing import SignedPackage

from ops import registry
from ops.models import Run

# The one function that the queue runs, with the id of a run or of a job as its one argument.
EXECUTE_RUN = "ops.tasks.execute_run"
# What django-q2's scheduler puts into a task by itself; anything else is not ours.
_KNOWN = frozenset({"id", "name", "func", "args", "kwargs", "started", "group", "cluster"})
# A row that was taken so long ago, without its run having begun, was lost with whoever took it.
LOST_AFTER = timedelta(seconds=60)
# No row is queued to be handed out later than that: a lock beyond it is that of a row taken.
LONGEST_DELAY = timedelta(hours=1)
LAST_RESORT_SECONDS = 120
log = structlog.get_logger(__name__)


class NotARun(RuntimeError):
    """Something else than a run was to be queued: a mistake in the program."""


class RunsOnly(ORM):  # type: ignore[misc]
    """Takes in and hands out ids of runs and jobs."""

    @staticmethod
    def get_connection(list_key: str | None = None) -> Any:
        """The rows, those first that wait longest."""
        return ORM.get_connection(list_key).order_by("lock", "pk")

    def enqueue(self, task: str) -> int:
        """Keeps the id of what the scheduler of this process has just packed.

        Raises:
            NotARun: it is something else than ``execute_run`` of one id.
        """
        made: dict[str, Any] = SignedPackage.loads(task)
        args: tuple[Any, ...] = made.get("args") or ()
        if (
            made.get("func") != EXECUTE_RUN
            or made.keys() - _KNOWN
            or made.get("kwargs")
            or len(args) != 1
            or not is_id(args[0])
        ):
            raise NotARun("The queue takes runs and nothing else.")
        return int(super().enqueue(args[0]))

    def dequeue(self) -> list[tuple[int, str]] | None:
        """The next tasks; rows that hold anything but an id are thrown away and told of."""
        tasks = []
        for pk, payload in super().dequeue() or ():
            if is_id(payload):
                tasks.append((pk, _task_of(payload)))
            else:
                log.error("queue entry refused", entry=pk, reason="it is not the id of a run")
                self.delete(pk)
        return tasks


def enqueue(run_or_job_id: uuid.UUID, *, delay: timedelta = timedelta()) -> None:
    """Queues a run or job within the transaction that is under way.

    Args:
        delay: it is not handed out before.

    Raises:
        RuntimeError: there is no transaction, so that the run and its place could part.
    """
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError("A run is queued together with its row, in one transaction.")
    _rows().create(key=Conf.CLUSTER_NAME, payload=str(run_or_job_id), lock=timezone.now() + delay)


def requeue(run_or_job_id: uuid.UUID) -> bool:
    """Sees to it that a run that waits is handed out; returns whether something was amiss.

    Nothing is done while a row of its own waits for a free worker, or was taken a moment ago.
    """
    now = timezone.now()
    with transaction.atomic():
        row = _rows().filter(payload=str(run_or_job_id)).order_by("lock").first()
        if row is None:
            enqueue(run_or_job_id)
            return True
        # A row that is taken is locked from then on for as long as django-q2's `retry`.
        lost = now + timedelta(seconds=Conf.RETRY) - LOST_AFTER
        if not now + LONGEST_DELAY < row.lock < lost:
            return False
        return bool(_rows().filter(pk=row.pk, lock=row.lock).update(lock=now))


def is_queued(run_or_job_id: uuid.UUID) -> bool:
    """Whether it has a row that will be handed out, or was and is not done."""
    return bool(_rows().filter(payload=str(run_or_job_id)).exists())


def is_id(value: object) -> bool:
    """Whether it is an id as our rows hold it: a UUID in its usual form."""
    if not isinstance(value, str):
        return False
    try:
        return str(uuid.UUID(value)) == value
    except ValueError:
        return False


def _rows() -> Any:
    return OrmQ.objects.using(Conf.ORM)


def _seconds_for(payload: str) -> int:
    """When django-q2 kills the process: after the run should have been ended by itself."""
    name = Run.objects.filter(pk=payload).values_list("job_type", flat=True).first()
    seconds = {kind.name: kind.timeout_seconds for kind in registry.all_types()}
    return seconds.get(name or "", 0) + LAST_RESORT_SECONDS


def _task_of(payload: str) -> str:
    task = {
        "id": uuid.uuid4().hex,
        "name": payload,
        "func": EXECUTE_RUN,
        "args": (payload,),
        "kwargs": {},
        "started": timezone.now(),
        "timeout": _seconds_for(payload),
        # How a run ended stands in its own row: the queue never tries again by itself.
        "ack_failure": True,
    }
    return str(SignedPackage.dumps(task))
