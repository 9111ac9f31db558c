"""Saves a second under each peer, by processes in turns; prints JSON. Runs among the peers.

Every save is in `atomic()`, ours and theirs, so that each commits once.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Callable

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.peers.settings")
django.setup()

from auditlog.models import LogEntry  # noqa: E402
from django.apps import apps  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connection, connections, transaction  # noqa: E402

from benchmarks.events import data_of  # noqa: E402
from benchmarks.peers import models  # noqa: E402
from benchmarks.running import Step, by_writers  # noqa: E402
from benchmarks.saving.models import Plain  # noqa: E402

MODELS = {
    "limit": Plain,
    "django-pghistory (no chain)": models.Tracked,
    "django-simple-history": models.Simple,
    "django-auditlog": models.Audited,
}
CHAIN = "an ORM chain by hand"


def saver(model: type) -> Callable[[int], Step]:
    """Makes writers that save a row of ``model``."""

    def make(index: int) -> Step:
        row = model.objects.create(code=f"INC-{index}", status="open", owner="x", note="n" * 200)
        numbers = iter(range(1 << 60))

        def step() -> None:
            row.change(next(numbers))
            with transaction.atomic():
                row.save()

        return step

    return make


def chainer(index: int) -> Step:
    """Makes a writer that saves a row, locks the chain's head and adds an event."""
    save = saver(Plain)(index)
    numbers = iter(range(1 << 60))

    def step() -> None:
        number = next(numbers)
        body = json.dumps(data_of(number), sort_keys=True, ensure_ascii=False)
        with transaction.atomic():
            save()
            head = models.ChainHead.objects.select_for_update().get(pk=1)
            before = bytes(head.hash)
            head.hash = hashlib.sha256(before + body.encode()).digest()
            head.seq += 1
            models.Chained.objects.create(
                seq=head.seq,
                actor=f"operator-{number % 2000}",
                action="incident.resolved",
                body=body,
                prev_hash=before,
                hash=head.hash,
            )
            head.save()

    return step


def main() -> None:
    """``python -m benchmarks.peers.measure WRITERS SECONDS ROUNDS``"""
    writers, seconds, rounds = int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
    call_command("migrate", verbosity=0, interactive=False)
    call_command("migrate", verbosity=0, interactive=False, run_syncdb=True)
    call_command("pgtrigger", "install", verbosity=0)
    models.ChainHead.objects.update_or_create(pk=1, defaults={"seq": 0, "hash": bytes(32)})
    connections.close_all()
    connection.close_pool()
    makers = {name: saver(model) for name, model in MODELS.items()} | {CHAIN: chainer}
    found = by_writers(makers, writers=writers, seconds=seconds, rounds=rounds)
    written = (
        LogEntry.objects,
        models.Simple.history,
        apps.get_model("peers", "TrackedEvent").objects,
        models.Chained.objects,
    )
    if not all(records.exists() for records in written):
        raise SystemExit("a peer recorded nothing")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
