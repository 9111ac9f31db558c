"""What was put into the vault, under which lock, and what outside services answered."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import F, Q

from audit.models.log import ClockTimestamp
from evidence.formats.contents import VaultMode
from evidence.models.kept import KeptFile, LockState
from evidence.models.package import Package


class VaultCopy(models.Model):
    """That a package lies in the vault, complete: written last, when every file is in its place."""

    fact_table = True

    package = models.OneToOneField(
        Package, models.PROTECT, primary_key=True, related_name="vault_copy"
    )
    mode = models.CharField(max_length=16, choices=[(item.value, item.value) for item in VaultMode])
    # Below the vault's root: ``<client or platform>/YYYY/MM/DD/<bundle_id>``.
    folder = models.CharField(max_length=300)
    # The zip, or the encrypted zip in its stead.
    package_name = models.CharField(max_length=120)
    # Which key service wrapped the data key; empty where the copy is not encrypted.
    encryption = models.CharField(max_length=16, blank=True, default="")
    deposited_at = models.DateTimeField(db_default=ClockTimestamp(), editable=False)

    class Meta:
        verbose_name = "vault copy"

    def __str__(self) -> str:
        return self.folder


class VaultObject(KeptFile):
    """One file of a package in the vault."""

    package = models.ForeignKey(Package, models.PROTECT, related_name="vault_objects")
    name = models.CharField(max_length=120)

    class Meta:
        verbose_name = "vault object"
        ordering = ["package", "name"]
        constraints = [
            models.UniqueConstraint(fields=["package", "name"], name="evidence_vaultobject_once"),
        ]

    def __str__(self) -> str:
        return self.name


class VaultLock(LockState):
    """One state of a package's lock, which lies in the vault as a document too."""

    package = models.ForeignKey(Package, models.PROTECT, related_name="vault_locks")
    retention_policy = models.CharField(max_length=64)
    name = models.CharField(max_length=120)
    sha256 = models.CharField(max_length=71)

    class Meta:
        verbose_name = "vault lock"
        ordering = ["package", "number"]
        constraints = [
            models.UniqueConstraint(fields=["package", "number"], name="evidence_vaultlock_number"),
            models.CheckConstraint(
                condition=Q(number__gte=1), name="evidence_vaultlock_number_from_one"
            ),
            models.CheckConstraint(
                condition=Q(retain_until__gte=F("locked_at")), name="evidence_vaultlock_until"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class ReceiptKind(models.TextChoices):
    """Which outside service was asked."""

    EXTERNAL_WORM = "external_worm", "External archive"
    EXTERNAL_KMS = "external_kms", "External key service"
    TIMESTAMP = "timestamp", "Timestamp authority"


class Receipt(models.Model):
    """One request to an outside service and what it answered, whatever it was."""

    fact_table = True

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    package = models.ForeignKey(Package, models.PROTECT, related_name="receipts")
    kind = models.CharField(max_length=16, choices=ReceiptKind.choices)
    # Without query and user: tokens never stand in it.
    endpoint = models.CharField(max_length=500)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField()
    http_status = models.PositiveSmallIntegerField(null=True, blank=True)
    # ``OK`` or ``FAILED: <reason>``.
    outcome = models.CharField(max_length=400)
    # The answer's first 64 KiB, and the digest of all that was read.
    body = models.BinaryField()
    body_sha256 = models.CharField(max_length=71)
    receipt = models.JSONField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=ClockTimestamp(), editable=False)

    class Meta:
        verbose_name = "receipt"
        ordering = ["package", "created_at"]
        indexes = [models.Index(fields=["package", "kind"], name="evidence_receipt_of")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.outcome}"


class PackageTimestamp(models.Model):
    """An RFC 3161 token over a package, as it was checked before it was kept."""

    fact_table = True

    package = models.OneToOneField(
        Package, models.PROTECT, primary_key=True, related_name="timestamp"
    )
    token_sha256 = models.CharField(max_length=71)
    stamped_at = models.DateTimeField()
    authority = models.CharField(max_length=500)
    created_at = models.DateTimeField(db_default=ClockTimestamp(), editable=False)

    class Meta:
        verbose_name = "package timestamp"

    def __str__(self) -> str:
        return f"{self.package_id} at {self.stamped_at:%Y-%m-%d %H:%M:%S}"
