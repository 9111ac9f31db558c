"""The same row under each peer's audit; only for the environment that holds the peers."""

import pghistory
from auditlog.registry import auditlog
from django.db import models
from simple_history.models import HistoricalRecords

from benchmarks.saving.models import Saved


class Audited(Saved):
    """django-auditlog."""


auditlog.register(Audited)


class Simple(Saved):
    """django-simple-history."""

    history = HistoricalRecords()


@pghistory.track(pghistory.InsertEvent(), pghistory.UpdateEvent())
class Tracked(Saved):
    """django-pghistory, whose triggers copy the row."""


class ChainHead(models.Model):
    """Where a chain by hand ends."""

    seq = models.BigIntegerField()
    hash = models.BinaryField()

    def __str__(self) -> str:
        return str(self.seq)


class Chained(models.Model):
    """An event of a chain by hand."""

    seq = models.BigIntegerField(unique=True)
    actor = models.CharField(max_length=40, db_index=True)
    action = models.CharField(max_length=60)
    body = models.TextField()
    prev_hash = models.BinaryField()
    hash = models.BinaryField()

    def __str__(self) -> str:
        return str(self.seq)
