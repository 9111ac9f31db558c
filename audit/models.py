"""The outbox, the log, its tree and checkpoints, the keys, and the runs that verified it."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Func, Q

from access.models import Person
from sealing import keys


class ClockTimestamp(Func):
    """PostgreSQL's clock at this very moment, not at the start of the transaction."""

    function = "clock_timestamp"
    template = "%(function)s()"
    output_field = models.DateTimeField()


class PendingEvent(models.Model):
    """The outbox: an event recorded by a transaction, until the sealer gives it its place.

    A row that can't be sealed can only have got here past our code. It is set aside, with the
    reason, and stays for whoever looks into it.
    """

    event = models.TextField()
    created_at = models.DateTimeField(db_default=ClockTimestamp(), editable=False)
    set_aside_at = models.DateTimeField(null=True, blank=True)
    set_aside_reason = models.TextField(blank=True, db_default="")

    class Meta:
        verbose_name = "recorded event"
        indexes = [
            models.Index(
                fields=["id"],
                name="audit_pending_set_aside",
                condition=Q(set_aside_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"recorded event {self.pk}"


class AuditEvent(models.Model):
    """One line of the log. ``event`` is what was hashed; the other columns repeat it for queries.

    A CHECK holds the columns to the event and triggers refuse every change (migration 0002).
    """

    fact_table = True

    seq = models.BigIntegerField("number", primary_key=True)
    id = models.UUIDField("id", unique=True)
    created_at = models.DateTimeField("sealed at")
    prev_hash = models.BinaryField()
    hash = models.BinaryField()
    # Compared byte by byte: that is what these words mean, whatever the database's language.
    type = models.CharField(max_length=128, db_collation="C")
    occurred_at = models.DateTimeField("occurred at")
    actor_id = models.CharField("actor", max_length=256, db_collation="C")
    recorder = models.CharField(max_length=256, db_collation="C")
    # Empty text is not the same as none: the columns say exactly what the event says.
    client_id = models.CharField("client", max_length=64, null=True, db_collation="C")  # noqa: DJ001
    object_type = models.CharField(  # noqa: DJ001
        "kind of object", max_length=64, null=True, db_collation="C"
    )
    object_id = models.CharField(  # noqa: DJ001
        "object", max_length=512, null=True, db_collation="C"
    )
    outcome = models.CharField(max_length=16, db_collation="C")
    event = models.TextField()

    class Meta:
        db_table = "audit_events"
        verbose_name = "event"
        indexes = [
            models.Index(fields=["occurred_at", "id"], name="audit_events_by_time"),
            models.Index(fields=["client_id", "occurred_at", "id"], name="audit_events_by_client"),
            models.Index(fields=["type", "occurred_at", "id"], name="audit_events_by_type"),
            models.Index(fields=["actor_id", "occurred_at", "id"], name="audit_events_by_actor"),
            models.Index(
                fields=["object_id"],
                name="audit_events_by_object",
                condition=Q(object_id__isnull=False),
            ),
            # Refusals and failures are few, and the first thing that somebody looks for.
            models.Index(
                fields=["outcome", "occurred_at", "id"],
                name="audit_events_not_success",
                condition=~Q(outcome="success"),
            ),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(seq__gte=0), name="audit_events_seq_from_zero"),
        ]

    def __str__(self) -> str:
        return f"{self.type} · {self.seq}"


class LogHead(models.Model):
    """Where the log ends: the one row whose lock makes a writer the only one.

    ``frontier`` is the compact range of the tree at ``size``, its 32-byte hashes one after another.
    """

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    origin = models.CharField(max_length=256)
    size = models.BigIntegerField()
    head = models.BinaryField()
    frontier = models.BinaryField()
    last_sealed_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = "head of the log"
        constraints = [
            models.CheckConstraint(condition=Q(id=1), name="audit_loghead_single"),
        ]

    def __str__(self) -> str:
        return f"{self.origin} at {self.size}"


class MerkleTile(models.Model):
    """Up to 256 neighbouring hashes of one level of the tree (height 8, as C2SP tlog-tiles).

    Level n holds roots of complete subtrees over 256^n events, so a proof reads a few rows,
    however long the log is. Tiles can be computed again from the events.
    """

    pk = models.CompositePrimaryKey("level", "index")
    level = models.PositiveSmallIntegerField()
    index = models.BigIntegerField()
    hashes = models.BinaryField()

    class Meta:
        verbose_name = "tile of the tree"

    def __str__(self) -> str:
        return f"tile {self.level}/{self.index}"


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


class VerificationRun(models.Model):
    """A verification of the stored log, and what it came to."""

    fact_table = True

    started_at = models.DateTimeField()
    finished_at = models.DateTimeField()
    actor_id = models.CharField("started by", max_length=256)
    start_seq = models.BigIntegerField("first number")
    end_seq = models.BigIntegerField("up to number")
    checked_events = models.BigIntegerField()
    verdict = models.CharField(max_length=16)
    first_bad_seq = models.BigIntegerField("first bad number", null=True)
    message = models.TextField()
    findings = models.JSONField()

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
