"""The keys whose signatures count, and the checkpoints that they signed."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from access.models import Person
from audit.models.log import ClockTimestamp
from sealing import keys


class KeyStatus(models.TextChoices):
    """Where a key stands. It only ever moves to the right."""

    ACTIVE = "active", "Active"
    RETIRED = "retired", "Retired"
    COMPROMISED = "compromised", "Compromised"


class SigningKey(models.Model):
    """A key whose signatures count, or counted. Keys are never deleted; only the status changes.

    ``private_box`` is the private key, encrypted (`sealing.secretbox`): a checkpoint key under the
    key-encryption key, a person's under that and the password. The artefact key's private part
    is configuration and never stored.
    """

    key_id = models.CharField("key id", max_length=71, unique=True)
    name = models.CharField(max_length=256)
    person = models.ForeignKey(
        Person, models.PROTECT, null=True, blank=True, related_name="signing_keys"
    )
    purposes = models.JSONField()
    algorithm = models.CharField(max_length=32, choices=[(name, name) for name in keys.ALGORITHMS])
    public_key_pem = models.TextField("public key")
    private_box = models.BinaryField(null=True, editable=False)
    salt = models.BinaryField(null=True, editable=False)
    status = models.CharField(max_length=16, choices=KeyStatus.choices, default=KeyStatus.ACTIVE)
    not_before = models.DateTimeField("in use from")
    not_after = models.DateTimeField("in use until", null=True, blank=True)
    compromised_at = models.DateTimeField("compromised from", null=True, blank=True)
    created_at = models.DateTimeField(db_default=ClockTimestamp(), editable=False)

    class Meta:
        verbose_name = "signing key"
        ordering = ["-id"]
        constraints = [
            # Countersignatures hold key and person together by a composite foreign key.
            models.UniqueConstraint(fields=["id", "person"], name="audit_signingkey_id_person"),
            models.UniqueConstraint(
                fields=["person"],
                name="audit_signingkey_one_active",
                condition=Q(status="active"),
            ),
            models.UniqueConstraint(
                fields=["purposes"],
                name="audit_signingkey_one_active_service",
                condition=Q(status="active", person__isnull=True),
            ),
            models.CheckConstraint(
                condition=Q(person__isnull=False, purposes=["countersign"])
                | Q(person__isnull=True, purposes=["checkpoint"])
                | Q(person__isnull=True, purposes=["package", "packet"]),
                name="audit_signingkey_purposes",
            ),
            models.CheckConstraint(
                condition=Q(status="active", not_after__isnull=True, compromised_at__isnull=True)
                | Q(status="retired", not_after__isnull=False, compromised_at__isnull=True)
                | Q(status="compromised", not_after__isnull=False, compromised_at__isnull=False),
                name="audit_signingkey_status",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} · {self.key_id[:19]}"

    @property
    def is_active(self) -> bool:
        """Whether it may sign now."""
        return self.status == KeyStatus.ACTIVE


class Checkpoint(models.Model):
    """A signed statement of how the log stood: its size, root and head."""

    fact_table = True

    size = models.BigIntegerField()
    root = models.BinaryField()
    head = models.BinaryField()
    signed_at = models.DateTimeField()
    note = models.TextField()
    key = models.ForeignKey(SigningKey, models.PROTECT, related_name="checkpoints")
    created_at = models.DateTimeField(db_default=ClockTimestamp(), editable=False)

    class Meta:
        verbose_name = "checkpoint"
        ordering = ["-id"]
        indexes = [models.Index(fields=["-size", "-id"], name="audit_checkpoint_by_size")]
        constraints = [
            models.CheckConstraint(condition=Q(size__gte=0), name="audit_checkpoint_size"),
        ]

    def __str__(self) -> str:
        return f"checkpoint at {self.size}"
