"""A database and a folder of the benchmarks' own, and realistic events."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from config.development import cluster_folder, ensure_database


@contextlib.contextmanager
def prepared() -> Iterator[Path]:
    """Sets Django up over an own database; yields a scratch folder."""
    with tempfile.TemporaryDirectory(prefix="strongroom-bench-") as folder:
        urls = ensure_database(cluster_folder(Path(__file__).parent.parent, "bench"), "bench")
        os.environ.update(
            DEBUG="true",
            STRONGROOM_DATA_DIR=folder,
            DATABASE_URL=urls.application,
            DATABASE_OWNER_URL=urls.owner,
            AUDIT_ORIGIN="bench.test/audit",
            DJANGO_SETTINGS_MODULE="config.settings",
        )
        import django

        django.setup()
        from django.core.management import call_command

        call_command("migrate", database="owner", verbosity=0, interactive=False)
        yield Path(folder)


def data_of(number: int) -> dict[str, object]:
    """What an event of ordinary size says: about 300 bytes."""
    digest = hashlib.sha256(b"%d" % number).hexdigest()
    return {
        "runbook": "RB-BACKUP-001",
        "mttr_seconds": number % 900,
        "sla_met": number % 50 != 0,
        "changes": {"status": ["open", "resolved"], "owner": [None, f"operator-{number % 2000}"]},
        "log_sha256": digest,
        "note": "Backup failure – clinic node",
    }
