"""Verifications of the log: asked for, under way, and what they came to."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from audit.models.log import ClockTimestamp


class Storage(models.TextChoices):
    """Which copy of the log was verified."""

    DATABASE = "database", "Database"
    LOCAL = "local", "Local archive"
    S3 = "s3", "S3 archive"


class VerificationKind(models.TextChoices):
    """Why it was verified."""

    MANUAL = "manual", "Asked for"
    SCHEDULED = "scheduled", "Scheduled"
    DRILL = "drill", "Restore drill"
    RESTORE = "restore", "Restore"


class VerificationRun(models.Model):
    """A verification of the log, and what it came to.

    ``end_seq`` is the number after the last one checked. ``archived_as`` is the object in the
    archive that holds this result, where it was archived.
    """

    fact_table = True

    started_at = models.DateTimeField()
    finished_at = models.DateTimeField()
    actor_id = models.CharField("started by", max_length=256)
    kind = models.CharField(
        max_length=16, choices=VerificationKind.choices, default=VerificationKind.MANUAL
    )
    storage = models.CharField(max_length=16, choices=Storage.choices, default=Storage.DATABASE)
    location = models.CharField(max_length=1024, blank=True, default="")
    # The days that were asked for, if any.
    start_day = models.DateField("first day", null=True, blank=True)
    end_day = models.DateField("last day", null=True, blank=True)
    start_seq = models.BigIntegerField("first number")
    end_seq = models.BigIntegerField("up to number")
    checked_events = models.BigIntegerField()
    verdict = models.CharField(max_length=16)
    first_bad_seq = models.BigIntegerField("first bad number", null=True)
    first_bad_file = models.CharField("first bad file", max_length=1024, blank=True, default="")
    lock_mismatches = models.BigIntegerField("objects not locked as they should be", default=0)
    message = models.TextField()
    findings = models.JSONField()
    archived_as = models.CharField(max_length=1024, blank=True, default="")

    class Meta:
        verbose_name = "verification of the log"
        verbose_name_plural = "verifications of the log"
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(start_seq__lte=F("end_seq")), name="audit_verificationrun_range"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.verdict} · {self.start_seq} to {self.end_seq}"


class VerificationRequest(models.Model):
    """A verification that somebody asked for; the worker carries it out and shows its progress."""

    class Status(models.TextChoices):
        """Where it stands."""

        QUEUED = "queued", "Queued"
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"

    requested_at = models.DateTimeField(db_default=ClockTimestamp(), editable=False)
    actor_id = models.CharField("asked for by", max_length=256)
    storage = models.CharField(max_length=16, choices=Storage.choices)
    start_day = models.DateField("first day", null=True, blank=True)
    end_day = models.DateField("last day", null=True, blank=True)
    lock_mode = models.CharField(max_length=16, blank=True, default="")
    lock_days = models.PositiveIntegerField(null=True, blank=True)
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.QUEUED)
    done = models.BigIntegerField("events checked so far", default=0)
    total = models.BigIntegerField("events to check", null=True, blank=True)
    # Renewed while it runs: one that stops being renewed was lost with its worker.
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    error_message = models.TextField(blank=True, default="")
    run = models.OneToOneField(
        VerificationRun, models.PROTECT, null=True, blank=True, related_name="request"
    )

    class Meta:
        verbose_name = "requested verification"
        ordering = ["-id"]
        indexes = [
            models.Index(
                fields=["id"],
                name="audit_verificationrequest_open",
                condition=Q(status__in=["queued", "running"]),
            )
        ]

    def __str__(self) -> str:
        return f"verification {self.pk} · {self.status}"
