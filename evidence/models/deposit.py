"""Files in the vault that are no package: packets, artefacts and what else is put there whole."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import F, Q

from access.models import Client, Person, User
from audit.models.log import ClockTimestamp
from evidence.formats.contents import VaultMode
from evidence.models.kept import KeptFile, LockState


class DepositKind(models.TextChoices):
    """What a folder of the vault holds that is no package."""

    PACKET = "packet", "Packet"
    ARTEFACT = "artifact", "Artefact"


class Deposit(models.Model):
    """That a set of files lies in the vault, complete: written when every file is in its place."""

    fact_table = True

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=16, choices=DepositKind.choices)
    client = models.ForeignKey(
        Client, models.PROTECT, null=True, blank=True, related_name="deposits"
    )
    # The last part of the folder, such as a packet's name.
    name = models.CharField(max_length=160)
    mode = models.CharField(max_length=16, choices=[(item.value, item.value) for item in VaultMode])
    # Below the vault's root: ``<client or platform>/YYYY/MM/DD/<name>``.
    folder = models.CharField(max_length=300)
    retention_policy = models.CharField(max_length=64)
    # The days that legal holds are compared with, half-open.
    period_start = models.DateTimeField()
    period_end = models.DateTimeField()
    actor_id = models.CharField("by", max_length=256)
    deposited_at = models.DateTimeField(db_default=ClockTimestamp(), editable=False)

    class Meta:
        verbose_name = "deposit"
        ordering = ["-deposited_at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["mode", "folder"], name="evidence_deposit_folder"),
            models.CheckConstraint(
                condition=Q(period_start__lt=F("period_end")), name="evidence_deposit_period"
            ),
        ]

    def __str__(self) -> str:
        return self.folder


class DepositObject(KeptFile):
    """One file of a deposit."""

    deposit = models.ForeignKey(Deposit, models.PROTECT, related_name="objects_kept")
    name = models.CharField(max_length=200)

    class Meta:
        verbose_name = "file of a deposit"
        ordering = ["deposit", "name"]
        constraints = [
            models.UniqueConstraint(fields=["deposit", "name"], name="evidence_depositobject_once"),
        ]

    def __str__(self) -> str:
        return self.name


class DepositLock(LockState):
    """One state of a deposit's lock."""

    deposit = models.ForeignKey(Deposit, models.PROTECT, related_name="locks")

    class Meta:
        verbose_name = "lock of a deposit"
        ordering = ["deposit", "number"]
        constraints = [
            models.UniqueConstraint(
                fields=["deposit", "number"], name="evidence_depositlock_number"
            ),
            models.CheckConstraint(
                condition=Q(number__gte=1), name="evidence_depositlock_number_from_one"
            ),
            models.CheckConstraint(
                condition=Q(retain_until__gte=F("locked_at")), name="evidence_depositlock_until"
            ),
        ]

    def __str__(self) -> str:
        return f"lock {self.number} of {self.deposit_id}"


class DepositIntent(models.Model):
    """What is about to be put into a vault: stored before it is locked there, gone once recorded.

    It is no record of fact: whoever wrote it may never have come to anything. What it leaves, a
    folder that no record names, is explained by it.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=16, choices=DepositKind.choices)
    client = models.ForeignKey(
        Client, models.PROTECT, null=True, blank=True, related_name="deposit_intents"
    )
    mode = models.CharField(max_length=16, choices=[(item.value, item.value) for item in VaultMode])
    folder = models.CharField(max_length=300)
    retention_policy = models.CharField(max_length=64)
    retain_until = models.DateTimeField()
    period_start = models.DateTimeField()
    period_end = models.DateTimeField()
    # ``{name: {"sha256", "size_bytes"}}``.
    files = models.JSONField(default=dict)
    # What the record will say besides, for kinds that the audit can record itself; else empty.
    about = models.JSONField(default=dict)
    actor_id = models.CharField("by", max_length=256, blank=True, default="")
    created_at = models.DateTimeField(db_default=ClockTimestamp(), editable=False)

    class Meta:
        verbose_name = "intended deposit"
        ordering = ["created_at", "id"]
        constraints = [
            models.UniqueConstraint(fields=["mode", "folder"], name="evidence_depositintent_folder")
        ]

    def __str__(self) -> str:
        return self.folder


class Artifact(models.Model):
    """Evidence that lives elsewhere: a file of another system, tied to a control and a period.

    The bytes lie in the vault, in a deposit of their own; here is what they are about.
    """

    fact_table = True

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    client = models.ForeignKey(
        Client, models.PROTECT, null=True, blank=True, related_name="artifacts"
    )
    framework = models.CharField(max_length=16)
    control_id = models.CharField("control", max_length=40)
    period_start = models.DateTimeField("period from")
    period_end = models.DateTimeField("period up to")
    title = models.CharField(max_length=200)
    # Where it comes from, in the sender's words: ``Okta export``.
    origin = models.CharField("comes from", max_length=200, blank=True, default="")
    note = models.CharField(max_length=1000, blank=True, default="")
    file_name = models.CharField(max_length=150)
    media_type = models.CharField(max_length=100)
    size_bytes = models.BigIntegerField()
    sha256 = models.CharField("digest", max_length=71)
    deposit = models.OneToOneField(Deposit, models.PROTECT, related_name="artifact")
    person = models.ForeignKey(
        Person, models.PROTECT, null=True, blank=True, related_name="artifacts"
    )
    account = models.ForeignKey(User, models.PROTECT, related_name="artifacts")
    created_at = models.DateTimeField("received", db_default=ClockTimestamp(), editable=False)

    class Meta:
        verbose_name = "artefact"
        ordering = ["-created_at", "-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(period_start__lt=F("period_end")), name="evidence_artifact_period"
            ),
        ]
        indexes = [
            models.Index(
                fields=["framework", "control_id", "client", "period_start"],
                name="evidence_artifact_of_control",
            ),
            models.Index(fields=["-created_at", "-id"], name="evidence_artifact_newest"),
        ]

    def __str__(self) -> str:
        return self.title
