"""Jobs that recur or are asked for, and the runs that carry them out.

The queue only carries the id of a run: what has to be done, by whom, and how it ended, stands here.
"""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import F, Q

from access.models import Client, User
from audit.models.log import ClockTimestamp


class Job(models.Model):
    """Something that is done again and again, by a schedule or when somebody asks for it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=100, unique=True)
    job_type = models.CharField("type", max_length=64)
    client = models.ForeignKey(Client, models.PROTECT, null=True, blank=True, related_name="jobs")
    # Null for the jobs that every installation has: they are Strongroom's own.
    owner = models.ForeignKey(
        User, models.PROTECT, null=True, blank=True, related_name="jobs_owned"
    )
    # Five fields, UTC. Empty: only on demand.
    schedule_cron = models.CharField("schedule", max_length=100, blank=True, default="")
    payload = models.JSONField(default=dict, blank=True)
    description = models.CharField(max_length=500, blank=True, default="")
    is_enabled = models.BooleanField("active", default=True)
    # Every window up to here has its run, or was before the job; the next one comes after it.
    windows_through = models.DateTimeField(db_default=ClockTimestamp())
    created_at = models.DateTimeField(db_default=ClockTimestamp(), editable=False)

    class Meta:
        verbose_name = "job"
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def status(self) -> str:
        """``ACTIVE`` or ``DISABLED``, as the API says it."""
        return "ACTIVE" if self.is_enabled else "DISABLED"


class RunStatus(models.TextChoices):
    """Where a run stands. Success and failed are final."""

    QUEUED = "QUEUED", "Waiting"
    RUNNING = "RUNNING", "Running"
    SUCCESS = "SUCCESS", "Succeeded"
    FAILED = "FAILED", "Failed"


class Run(models.Model):
    """One time that a job is done, however often the queue delivers it.

    A worker claims it by compare and set, under a lease that it renews; when the lease has run
    out, another attempt may claim it. What was asked for is frozen when the run is made; once it
    ended, nothing about it changes.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    # Null where somebody asked for it once, without a job.
    job = models.ForeignKey(Job, models.PROTECT, null=True, blank=True, related_name="runs")
    job_type = models.CharField("type", max_length=64)
    client = models.ForeignKey(Client, models.PROTECT, null=True, blank=True, related_name="runs")
    payload = models.JSONField(default=dict)
    # ``schedule``, ``user:…`` or ``service:…``.
    triggered_by = models.CharField(max_length=256)
    # Whose authority it has: who asked, or the job's owner; null for Strongroom's own.
    account = models.ForeignKey(User, models.PROTECT, null=True, blank=True, related_name="runs")
    # The window of the schedule, or when it was asked for.
    intended_at = models.DateTimeField("intended for")
    created_at = models.DateTimeField(db_default=ClockTimestamp(), editable=False)

    status = models.CharField(max_length=8, choices=RunStatus.choices, default=RunStatus.QUEUED)
    attempts = models.PositiveSmallIntegerField(default=0)
    max_attempts = models.PositiveSmallIntegerField(default=3)
    # Not to be tried before: the pause between a failed attempt and the next.
    not_before = models.DateTimeField(null=True, blank=True)
    lease = models.UUIDField(null=True, blank=True)
    lease_expires_at = models.DateTimeField(null=True, blank=True)
    heartbeat_at = models.DateTimeField("last sign of life", null=True, blank=True)
    started_at = models.DateTimeField("started", null=True, blank=True)
    finished_at = models.DateTimeField("finished", null=True, blank=True)
    step = models.CharField(max_length=200, blank=True, default="")
    progress_done = models.BigIntegerField(default=0)
    progress_total = models.BigIntegerField(null=True, blank=True)
    progress_unit = models.CharField(max_length=32, blank=True, default="")
    error_code = models.CharField(max_length=64, blank=True, default="")
    error_message = models.TextField(blank=True, default="")
    result_summary = models.JSONField(default=dict, blank=True)

    class Meta:
        verbose_name = "run"
        ordering = ["-created_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["job", "intended_at"],
                name="ops_run_one_per_window",
                condition=Q(triggered_by="schedule"),
            ),
            models.CheckConstraint(
                name="ops_run_state",
                condition=(
                    Q(status="QUEUED", finished_at__isnull=True, lease__isnull=True)
                    | Q(
                        status="RUNNING",
                        finished_at__isnull=True,
                        lease__isnull=False,
                        lease_expires_at__isnull=False,
                        started_at__isnull=False,
                    )
                    | Q(status="SUCCESS", finished_at__isnull=False, error_code="")
                    | Q(status="FAILED", finished_at__isnull=False) & ~Q(error_message="")
                ),
            ),
            models.CheckConstraint(
                name="ops_run_attempts", condition=Q(attempts__lte=F("max_attempts"))
            ),
        ]
        indexes = [
            models.Index(fields=["job", "-created_at"], name="ops_run_of_job"),
            models.Index(fields=["client", "-created_at"], name="ops_run_of_client"),
            models.Index(fields=["account", "-created_at"], name="ops_run_of_account"),
            models.Index(fields=["job_type", "status"], name="ops_run_by_type"),
            models.Index(fields=["-created_at", "-id"], name="ops_run_newest"),
            models.Index(
                fields=["status", "-created_at"],
                name="ops_run_not_succeeded",
                condition=~Q(status="SUCCESS"),
            ),
            models.Index(
                fields=["lease_expires_at"],
                name="ops_run_open",
                condition=Q(status__in=["QUEUED", "RUNNING"]),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.job_type} {self.id}"

    @property
    def is_finished(self) -> bool:
        """Whether it has ended, well or not."""
        return self.status in (RunStatus.SUCCESS, RunStatus.FAILED)
