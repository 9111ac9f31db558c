"""How many runs ended, kept beside them: counting millions of rows at each scrape would be slow."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models

# Upper bounds of the durations that are told apart, in seconds; migration 0006 counts by the same.
BOUNDS = (0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)


class RunTally(models.Model):
    """The runs of one type that ended one way, since there are runs.

    A trigger counts a run in the transaction that ends it, so that this is never behind and never
    ahead. The numbers only grow, whatever becomes of the runs (migration 0006).
    """

    job_type = models.CharField("type", max_length=64)
    # ``SUCCESS`` or ``FAILED``.
    status = models.CharField(max_length=8)
    runs = models.BigIntegerField()
    # Of these it is known how long they took: they had begun.
    timed = models.BigIntegerField()
    seconds = models.FloatField("how long these took together")
    # For each of BOUNDS, how many took no longer.
    within = ArrayField(models.BigIntegerField())
    last_ended_at = models.DateTimeField()

    class Meta:
        verbose_name = "tally of runs"
        verbose_name_plural = "tallies of runs"
        constraints = [
            models.UniqueConstraint(fields=["job_type", "status"], name="ops_runtally_once")
        ]

    def __str__(self) -> str:
        return f"{self.job_type} {self.status}"
