"""The row that is saved in the benchmarks of recording: the same for us and for every peer."""

from django.db import models


class Saved(models.Model):
    """Seven columns, one of them written by itself."""

    code = models.CharField(max_length=40)
    status = models.CharField(max_length=20)
    owner = models.CharField(max_length=40)
    severity = models.IntegerField(default=1)
    mttr = models.IntegerField(default=0)
    note = models.TextField(default="")
    updated = models.DateTimeField(auto_now=True)

    class Meta:
        abstract = True

    def change(self, number: int) -> None:
        """Changes most columns, another way for every number."""
        self.status = "open" if number % 2 else "resolved"
        self.owner = f"operator-{number % 2000}"
        self.severity = number % 5
        self.mttr = number % 900


class Plain(Saved):
    """Saved without anything around it."""

    class Meta:
        db_table = "bench_plain"

    def __str__(self) -> str:
        return self.code


class Copied(models.Model):
    """A row like those of the log, for those who add them by the ORM."""

    seq = models.BigIntegerField(primary_key=True)
    id = models.UUIDField()
    created_at = models.DateTimeField()
    prev_hash = models.BinaryField()
    hash = models.BinaryField()
    type = models.TextField()
    occurred_at = models.DateTimeField()
    actor_id = models.TextField()
    recorder = models.TextField()
    client_id = models.TextField()
    object_type = models.TextField()
    object_id = models.TextField()
    outcome = models.TextField()
    event = models.TextField()

    class Meta:
        managed = False
        db_table = "bench_copy"

    def __str__(self) -> str:
        return str(self.seq)
