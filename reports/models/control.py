"""Controls of the frameworks, and what people made of them."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import F, Q

from access.models import Client, Person, User
from audit.models.log import ClockTimestamp


class Framework(models.TextChoices):
    """The frameworks that packets are made for."""

    SOC2 = "SOC2", "SOC 2"


class Control(models.Model):
    """A control as the catalogue in ``reports/controls`` has it; every migration brings it up."""

    id = models.CharField(primary_key=True, max_length=64)  # ``SOC2:CC6.1``
    framework = models.CharField(max_length=16, choices=Framework.choices)
    control_id = models.CharField("control", max_length=40)
    series = models.CharField(max_length=120)
    category = models.CharField(max_length=40)
    label = models.CharField(max_length=200)
    # Its place in the framework's own order.
    place = models.PositiveSmallIntegerField()

    class Meta:
        verbose_name = "control"
        ordering = ["framework", "place"]
        constraints = [
            models.UniqueConstraint(fields=["framework", "control_id"], name="reports_control_once")
        ]

    def __str__(self) -> str:
        return f"{self.control_id} {self.label}"


class AssessmentState(models.TextChoices):
    """What somebody found. That nobody looked is the absence of an assessment."""

    COMPLIANT = "compliant", "Compliant"
    ATTENTION = "attention", "Attention"
    NOT_COMPLIANT = "not_compliant", "Not compliant"
    NOT_APPLICABLE = "not_applicable", "Not applicable"


class ControlAssessment(models.Model):
    """What an officer found about a control over a period. The newest one counts."""

    fact_table = True

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    control = models.ForeignKey(Control, models.PROTECT, related_name="assessments")
    client = models.ForeignKey(
        Client, models.PROTECT, null=True, blank=True, related_name="assessments"
    )
    period_start = models.DateTimeField("period from")
    period_end = models.DateTimeField("period up to")
    state = models.CharField(max_length=16, choices=AssessmentState.choices)
    note = models.CharField(max_length=2000)
    # What it rests on: ids of artefacts, as text.
    evidence = models.JSONField(default=list)
    person = models.ForeignKey(Person, models.PROTECT, related_name="assessments")
    account = models.ForeignKey(User, models.PROTECT, related_name="assessments")
    assessed_at = models.DateTimeField("assessed", db_default=ClockTimestamp(), editable=False)

    class Meta:
        verbose_name = "assessment"
        ordering = ["-assessed_at", "-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(period_start__lt=F("period_end")), name="reports_assessment_period"
            ),
            models.CheckConstraint(condition=~Q(note=""), name="reports_assessment_has_reason"),
        ]
        indexes = [
            models.Index(
                fields=["control", "client", "period_start", "-assessed_at"],
                name="reports_assessment_newest",
            )
        ]

    def __str__(self) -> str:
        return f"{self.control_id}: {self.state}"
