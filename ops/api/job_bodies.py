"""Bodies of the requests and answers of jobs and runs."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from rest_framework import serializers

from access.api.serializers import StrictSerializer
from ops.models import Job, Run, RunStatus
from ops.services.job_lists import Line
from ops.services.sla import Breach, BreachCode
from sealing.times import format_time


class JobBody(StrictSerializer):
    """A job to be registered. ``owner`` can only be the caller himself.

    ``reason`` is for the administrator whose approval an officer needs.
    """

    name = serializers.CharField(max_length=100)
    job_type = serializers.CharField(max_length=64)
    schedule_cron = serializers.CharField(
        max_length=100, required=False, allow_blank=True, default=""
    )
    owner = serializers.CharField(max_length=150, required=False, allow_null=True, default=None)
    payload = serializers.DictField(required=False, default=dict)
    description = serializers.CharField(
        max_length=500, required=False, allow_blank=True, default=""
    )
    enabled = serializers.BooleanField(required=False, default=True)
    reason = serializers.CharField(max_length=500, required=False, allow_blank=True, default="")


class NoBody(StrictSerializer):
    """Nothing: what is done was fixed when the job was registered."""


class DisableBody(StrictSerializer):
    """Why it is to stop."""

    reason = serializers.CharField(max_length=500)


class ProgressAnswer(serializers.Serializer[Any]):
    """How far it is; ``total`` where that is known."""

    done = serializers.IntegerField()
    total = serializers.IntegerField(allow_null=True)
    unit = serializers.CharField()


class RunAnswer(serializers.Serializer[Any]):
    """A run. ``job_id`` is null where somebody asked for it once, without a job."""

    run_id = serializers.CharField()
    job_id = serializers.CharField(allow_null=True)
    status = serializers.ChoiceField(choices=RunStatus.values)
    triggered_by = serializers.CharField()
    intended_at = serializers.CharField()
    started_at = serializers.CharField(allow_null=True)
    finished_at = serializers.CharField(allow_null=True)
    progress = ProgressAnswer()
    error_message = serializers.CharField(allow_null=True)
    result_summary = serializers.DictField()


class QueuedAnswer(serializers.Serializer[Any]):
    """A run that goes on."""

    run_id = serializers.CharField()
    status = serializers.ChoiceField(choices=RunStatus.values)


class RunPage(serializers.Serializer[Any]):
    """A page of runs."""

    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)
    results = RunAnswer(many=True)


class JobAnswer(serializers.Serializer[Any]):
    """A job. ``owner`` is null for those that every installation has."""

    id = serializers.CharField()
    name = serializers.CharField()
    job_type = serializers.CharField()
    owner = serializers.CharField(allow_null=True)
    schedule_cron = serializers.CharField()
    status = serializers.ChoiceField(choices=["ACTIVE", "DISABLED"])
    payload = serializers.DictField()
    description = serializers.CharField()
    next_run_at = serializers.CharField(allow_null=True)
    last_run = RunAnswer(allow_null=True)


class BreachAnswer(serializers.Serializer[Any]):
    """Something that is not as it should be."""

    code = serializers.ChoiceField(choices=[str(code) for code in BreachCode])
    job_id = serializers.CharField()
    job = serializers.CharField()
    run_id = serializers.CharField(allow_null=True)
    since = serializers.CharField(allow_null=True)
    message = serializers.CharField()


class BreachesAnswer(serializers.Serializer[Any]):
    """Everything that is not as it should be."""

    breaches = BreachAnswer(many=True)


def job(line: Line) -> dict[str, Any]:
    """One job, as JSON."""
    found: Job = line.job
    return {
        "id": str(found.pk),
        "name": found.name,
        "job_type": found.job_type,
        "owner": found.owner.username if found.owner else None,
        "schedule_cron": found.schedule_cron,
        "status": found.status,
        "payload": found.payload,
        "description": found.description,
        "next_run_at": _time(line.next_run_at),
        "last_run": run(line.last_run) if line.last_run else None,
    }


def run(found: Run) -> dict[str, Any]:
    """One run, as JSON."""
    return {
        "run_id": str(found.pk),
        "job_id": str(found.job_id) if found.job_id else None,
        "status": found.status,
        "triggered_by": found.triggered_by,
        "intended_at": _time(found.intended_at),
        "started_at": _time(found.started_at),
        "finished_at": _time(found.finished_at),
        "progress": {
            "done": found.progress_done,
            "total": found.progress_total,
            "unit": found.progress_unit,
        },
        "error_message": found.error_message or None,
        "result_summary": found.result_summary,
    }


def queued(found: Run) -> dict[str, Any]:
    """A run that goes on, as JSON."""
    return {"run_id": str(found.pk), "status": found.status}


def breach(found: Breach) -> dict[str, Any]:
    """One breach, as JSON."""
    return {
        "code": str(found.code),
        "job_id": str(found.job.pk),
        "job": found.job.name,
        "run_id": str(found.run.pk) if found.run else None,
        "since": _time(found.since),
        "message": found.message,
    }


def _time(moment: datetime | None) -> str | None:
    return format_time(moment) if moment else None
