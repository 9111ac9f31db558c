"""What recurs: the checklist that people go through."""

from __future__ import annotations

from django.db import models

from audit.models.log import ClockTimestamp


class Duty(models.TextChoices):
    """The recurring duties of the audit trail (the operations checklist)."""

    DAILY_VERIFICATION = "daily_verification", "Daily verification of the look-back window"
    MONTH_VERIFICATION = "month_verification", "Weekly verification of a full month"
    RETENTION_REVIEW = "retention_review", "Monthly review of retention against policy"
    KEY_REVIEW = "key_review", "Quarterly review of KMS key rotation"
    PERMISSION_AUDIT = "permission_audit", "Quarterly audit of who may reach the archive"
    RESTORE_DRILL = "restore_drill", "Yearly disaster recovery drill"


class DutyRecord(models.Model):
    """That a duty was done: by a person who says so, or by a run whose result is named."""

    fact_table = True

    duty = models.CharField(max_length=32, choices=Duty.choices)
    done_at = models.DateTimeField(db_default=ClockTimestamp(), editable=False)
    actor_id = models.CharField("done by", max_length=256)
    note = models.TextField(blank=True, default="")
    ok = models.BooleanField("in order", default=True)
    # What it rests on, such as ``verification/17``.
    reference = models.CharField(max_length=256, blank=True, default="")

    class Meta:
        verbose_name = "duty done"
        verbose_name_plural = "duties done"
        ordering = ["-id"]
        indexes = [models.Index(fields=["duty", "-id"], name="audit_dutyrecord_newest")]

    def __str__(self) -> str:
        return f"{self.get_duty_display()} · {self.done_at:%Y-%m-%d}"
