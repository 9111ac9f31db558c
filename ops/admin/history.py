"""The last runs of several jobs at once, as far as somebody may see them."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import OuterRef

from ops.models import Job, Run
from ops.services import runs

SHOWN = 20


def latest(
    user: Any, job_ids: Iterable[uuid.UUID], *, count: int = SHOWN
) -> dict[uuid.UUID, list[Run]]:
    """The newest runs of each job that ``user`` may see, oldest first; an empty list for none."""
    found: dict[uuid.UUID, list[Run]] = {job_id: [] for job_id in job_ids}
    if not found:
        return found
    # Each job's come from its part of the index; a window function would read all runs.
    newest = runs.visible_runs(user).filter(job=OuterRef("pk")).order_by("-created_at", "-id")
    ids = Job.objects.filter(pk__in=list(found)).values_list(
        ArraySubquery(newest.values("pk")[:count]), flat=True
    )
    wanted = [run_id for of_job in ids for run_id in of_job]
    for run in Run.objects.filter(pk__in=wanted).order_by("created_at", "id"):
        assert run.job_id is not None
        found[run.job_id].append(run)
    return found
