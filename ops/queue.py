"""The queue's broker: it hands out runs and nothing else."""

from __future__ import annotations

import uuid
from typing import Any

import structlog
from django.db import transaction
from django_q.brokers.orm import ORM
from django_q.signing import BadSignature, SignedPackage
from django_q.tasks import async_task

# The one function that the queue runs, with the id of a run or of a job as its one argument.
EXECUTE_RUN = "ops.tasks.execute_run"
# What a task of ours has and the queue adds by itself; a hook or another function is not ours.
_KNOWN = frozenset(
    {"id", "name", "func", "args", "kwargs", "started", "group", "cluster", "timeout"}
)
log = structlog.get_logger(__name__)


class RunsOnly(ORM):
    """Throws away, and tells of, every task that is not ``execute_run`` of one id.

    Payloads are pickles signed with SECRET_KEY and name a function by its dotted path: whoever
    could make one could have anything executed. With this broker it is at most a run that exists,
    which its own row allows or does not allow.
    """

    def dequeue(self) -> list[tuple[int, str]] | None:
        """The next tasks that may be executed."""
        found = super().dequeue()
        if not found:
            return found
        kept = []
        for pk, payload in found:
            reason = refusal(payload)
            if reason is None:
                kept.append((pk, payload))
            else:
                log.error("queue entry refused", entry=pk, reason=reason)
                self.delete(pk)
        return kept


def refusal(payload: str) -> str | None:
    """Why a payload may not be executed; None if it may."""
    try:
        task: Any = SignedPackage.loads(payload)
    except (BadSignature, TypeError):
        return "it is not signed by this installation"
    if not isinstance(task, dict) or task.get("func") != EXECUTE_RUN:
        return "it names another function"
    if task.keys() - _KNOWN:
        return "it has options that no task of ours has"
    args = task.get("args")
    if task.get("kwargs") or not isinstance(args, tuple) or len(args) != 1:
        return "it has other arguments than one id"
    return None if _is_uuid(args[0]) else "its argument is not an id"


def enqueue(run_or_job_id: uuid.UUID, *, timeout_seconds: int) -> None:
    """Puts the id of a run or job into the queue, within the transaction that is under way."""
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError("A run is queued together with its row, in one transaction.")
    async_task(EXECUTE_RUN, str(run_or_job_id), timeout=timeout_seconds)


def _is_uuid(value: object) -> bool:
    if not isinstance(value, str):
        return False
    try:
        return str(uuid.UUID(value)) == value
    except ValueError:
        return False
