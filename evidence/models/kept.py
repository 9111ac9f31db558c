"""What rows about the vault have in common, whatever it is that lies there."""

from __future__ import annotations

import uuid

from django.db import models

from audit.models.log import ClockTimestamp


class KeptFile(models.Model):
    """A file in the vault, as it was read back. Files are added, never changed."""

    fact_table = True

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    sha256 = models.CharField(max_length=71)
    size_bytes = models.BigIntegerField()
    # Of an object store; empty in a folder.
    version_id = models.CharField(max_length=1024, blank=True, default="")
    # What protects it, as read back: ``read-only``, ``read-only, immutable``, ``COMPLIANCE``…
    protection = models.CharField(max_length=200)
    retain_until = models.DateTimeField()
    stored_at = models.DateTimeField(db_default=ClockTimestamp(), editable=False)

    class Meta:
        abstract = True


class LockState(models.Model):
    """One state of a lock. The highest number rules; none is ever shorter than before."""

    fact_table = True

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    number = models.PositiveIntegerField()
    retain_until = models.DateTimeField()
    legal_holds = models.JSONField(default=list)
    locked_at = models.DateTimeField()
    # Who caused it: ``user:…``, or ``service:…`` for what was done by itself.
    actor_id = models.CharField("by", max_length=256)
    created_at = models.DateTimeField(db_default=ClockTimestamp(), editable=False)

    class Meta:
        abstract = True
