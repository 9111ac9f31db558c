"""What the queue runs: this function and no other (ops/queue.py)."""

from __future__ import annotations

import uuid

import structlog
from django.db import DatabaseError, InterfaceError, transaction

from ops import queue, stopping
from ops.models import Job
from ops.services import execution, windows
from sealing.errors import StrongroomError

log = structlog.get_logger(__name__)


def execute_run(run_or_job_id: str) -> None:
    """Carries out a run; of a job, which is what schedules carry, queues the windows that are due.

    Never fails: how a run ended stands in its row, and the sweeper finds whatever was lost.
    """
    found = uuid.UUID(run_or_job_id)
    try:
        if stopping.is_stopping():
            with transaction.atomic():
                queue.enqueue(found)
            return
        job = Job.objects.filter(pk=found).first()
        if job is None:
            execution.execute(found)
        else:
            windows.open_due_windows(job)
    except (StrongroomError, DatabaseError, InterfaceError) as error:
        log.error("the queue could not do its part", id=str(found), kind=type(error).__name__)
