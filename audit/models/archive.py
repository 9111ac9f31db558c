"""The archive: segments with their receipts, its switches, holds, custody, and the relay."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from audit.models.log import ClockTimestamp
from audit.models.signing import Checkpoint


class SegmentStatus(models.TextChoices):
    """A segment is cut once, and archived once its receipt was read back."""

    CUT = "cut", "To be archived"
    ARCHIVED = "archived", "Archived"


class Segment(models.Model):
    """Neighbouring events that lie in one object of the archive, with the store's receipt.

    The cut is stored before anything is written, so that a retry writes the same bytes; the
    receipt is what reading the object back showed. ``companions`` are the objects beside it, as
    ``[{"name", "version_id", "sha256", "retain_until", "mode"}]``. A replay that put a lost object
    back adds the new receipt there, under the segment's own name.
    """

    first_seq = models.BigIntegerField("first number", unique=True)
    last_seq = models.BigIntegerField("last number", unique=True)
    day = models.DateField("sealed on")
    raw_sha256 = models.CharField("digest of the lines", max_length=71)
    raw_bytes = models.BigIntegerField("size of the lines")
    newest_event_at = models.DateTimeField("newest event sealed at")
    status = models.CharField(
        max_length=16, choices=SegmentStatus.choices, default=SegmentStatus.CUT
    )
    created_at = models.DateTimeField(db_default=ClockTimestamp(), editable=False)
    attempts = models.PositiveIntegerField(default=0)
    last_error = models.TextField(blank=True, default="")
    last_attempt_at = models.DateTimeField(null=True, blank=True)
    # The receipt.
    location = models.CharField(max_length=1024, blank=True, default="")
    object_name = models.CharField("object", max_length=256)
    object_key = models.CharField("key", max_length=1024, blank=True, default="")
    version_id = models.CharField("version", max_length=1024, blank=True, default="")
    stored_sha256 = models.CharField("digest of the object", max_length=71, blank=True, default="")
    stored_bytes = models.BigIntegerField("size of the object", null=True, blank=True)
    lock_mode = models.CharField(max_length=16, blank=True, default="")
    retain_until = models.DateTimeField(null=True, blank=True)
    legal_hold = models.BooleanField(default=False)
    replication_status = models.CharField(max_length=32, blank=True, default="")
    kms_key_id = models.CharField("KMS key", max_length=2048, blank=True, default="")
    checkpoint = models.ForeignKey(
        Checkpoint, models.PROTECT, null=True, blank=True, related_name="segments"
    )
    companions = models.JSONField(default=list)
    archived_at = models.DateTimeField(null=True, blank=True)
    # A local copy is removed after its lock's end, never under a hold.
    released_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-first_seq"]
        indexes = [
            models.Index(fields=["day"], name="audit_segment_by_day"),
            models.Index(
                fields=["first_seq"], name="audit_segment_to_do", condition=Q(status="cut")
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(first_seq__gte=0, last_seq__gte=F("first_seq")),
                name="audit_segment_range",
            ),
            models.CheckConstraint(
                condition=Q(status="cut", archived_at__isnull=True)
                | Q(
                    status="archived",
                    archived_at__isnull=False,
                    checkpoint__isnull=False,
                    stored_bytes__isnull=False,
                ),
                name="audit_segment_receipt",
            ),
        ]

    def __str__(self) -> str:
        return f"segment {self.first_seq} to {self.last_seq}"

    @property
    def kept_version(self) -> str | None:
        """The version of its object that is kept: another one than first, if it was replayed."""
        for companion in self.companions:
            if companion["name"] == self.object_name:
                return companion["version_id"] or None
        return self.version_id or None


class Timestamp(models.Model):
    """A token of a timestamp authority (RFC 3161) over a checkpoint's note."""

    fact_table = True

    checkpoint = models.OneToOneField(Checkpoint, models.PROTECT, related_name="timestamp")
    token = models.BinaryField()
    authority = models.CharField(max_length=512)
    stamped_at = models.DateTimeField()
    created_at = models.DateTimeField(db_default=ClockTimestamp(), editable=False)

    def __str__(self) -> str:
        return f"timestamp of {self.checkpoint}"


class ArchiverState(models.Model):
    """The one row that says how the archive and its upkeep stand, and whether they are paused."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    paused_at = models.DateTimeField(null=True, blank=True)
    paused_by = models.CharField(max_length=256, blank=True, default="")
    pause_reason = models.TextField(blank=True, default="")
    sweep_paused_at = models.DateTimeField(null=True, blank=True)
    sweep_paused_by = models.CharField(max_length=256, blank=True, default="")
    sweep_pause_reason = models.TextField(blank=True, default="")
    jobs_total = models.BigIntegerField(default=0)
    failed_total = models.BigIntegerField(default=0)
    last_started_at = models.DateTimeField(null=True, blank=True)
    last_succeeded_at = models.DateTimeField(null=True, blank=True)
    last_failed_at = models.DateTimeField(null=True, blank=True)
    last_error = models.TextField(blank=True, default="")
    is_failing = models.BooleanField(default=False)
    last_sweep_at = models.DateTimeField(null=True, blank=True)
    # Segments whose lock the last sweep or verification found short, weak or absent.
    lock_mismatches = models.BigIntegerField(default=0)
    stamp_failing_since = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "state of the archive"
        constraints = [models.CheckConstraint(condition=Q(id=1), name="audit_archiverstate_single")]

    def __str__(self) -> str:
        return "paused" if self.paused_at else "running"


class LegalHold(models.Model):
    """A case for which objects must stay, whatever their retention says.

    It covers what was sealed from ``start_day`` to ``end_day`` (open where null).
    """

    case_id = models.CharField("case", max_length=128)
    reason = models.TextField()
    start_day = models.DateField("first day", null=True, blank=True)
    end_day = models.DateField("last day", null=True, blank=True)
    placed_at = models.DateTimeField(db_default=ClockTimestamp(), editable=False)
    placed_by = models.CharField(max_length=256)
    released_at = models.DateTimeField(null=True, blank=True)
    released_by = models.CharField(max_length=256, blank=True, default="")
    release_reason = models.TextField(blank=True, default="")

    class Meta:
        verbose_name = "legal hold"
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["case_id"],
                name="audit_legalhold_one_active",
                condition=Q(released_at__isnull=True),
            ),
            models.CheckConstraint(
                condition=Q(start_day__isnull=True)
                | Q(end_day__isnull=True)
                | Q(start_day__lte=F("end_day")),
                name="audit_legalhold_days",
            ),
        ]

    def __str__(self) -> str:
        return self.case_id


class CustodyRecord(models.Model):
    """A copy that was taken of objects in question: what, from where, to where, by whom, why.

    ``items`` is ``[{"name", "version_id", "sha256", "size_bytes", "stored_at", "copied_to"}]``.
    """

    fact_table = True

    case_id = models.CharField("case", max_length=128)
    reason = models.TextField()
    source = models.CharField(max_length=1024)
    target = models.CharField(max_length=1024)
    items = models.JSONField("objects")
    document = models.CharField("record in the forensic store", max_length=1024)
    document_sha256 = models.CharField(max_length=71)
    actor_id = models.CharField("taken by", max_length=256)
    created_at = models.DateTimeField(db_default=ClockTimestamp(), editable=False)

    class Meta:
        verbose_name = "custody record"
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.case_id} · {self.document}"


class RelayState(models.Model):
    """How far the stream of sealed events has come, for each topic."""

    topic = models.CharField(primary_key=True, max_length=249)
    next_seq = models.BigIntegerField(default=0)
    # The hash of the event before ``next_seq``: the relay goes on only in the same log.
    head = models.BinaryField()
    sent_at = models.DateTimeField(null=True, blank=True)
    is_failing = models.BooleanField(default=False)
    last_error = models.TextField(blank=True, default="")
    last_failed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "stream"
        constraints = [
            models.CheckConstraint(condition=Q(next_seq__gte=0), name="audit_relaystate_seq")
        ]

    def __str__(self) -> str:
        return f"{self.topic} at {self.next_seq}"
