"""The outbox, the log, its head and its tree."""

from __future__ import annotations

from django.db import models
from django.db.models import Func, Q


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
    # The archive pointer: set once, by the stored procedure `audit_mark_archived` alone.
    s3_object_key = models.TextField("archived as", null=True, editable=False)  # noqa: DJ001
    s3_archived_at = models.DateTimeField("archived at", null=True, editable=False)

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
            # What the archive still lacks: small, so the oldest is found at once.
            models.Index(
                fields=["created_at", "seq"],
                name="audit_events_unarchived",
                condition=Q(s3_archived_at__isnull=True),
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
