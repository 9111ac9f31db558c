"""The worker as a process: it seals, signs on its heartbeat, and stops when it is told to."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from django.db import connection, transaction

from audit.events import Actor, EventType
from audit.models import AuditEvent, Checkpoint
from audit.services import trail
from tests.databases import CommittedDatabase
from tests.factories import World

PROJECT = Path(__file__).resolve().parents[2]


def wait_for(condition: Any, seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


def test_the_worker_seals_signs_and_stops_cleanly(
    committed_world: World, committed_db: CommittedDatabase, settings: Any, tmp_path: Path
) -> None:
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "DATABASE_URL": committed_db.app_url,
        "AUDIT_SIGNER_STATE": str(settings.AUDIT_SIGNER_STATE),
        "EVIDENCE_PACKAGE_DIR": str(settings.EVIDENCE_PACKAGE_DIR),
    }
    with (tmp_path / "log").open("wb") as log:
        worker = subprocess.Popen(
            [sys.executable, "manage.py", "worker"],
            cwd=PROJECT,
            env=environment,
            stdout=log,
            stderr=log,
        )
        try:
            with transaction.atomic():
                event_id = trail.record(
                    EventType.ACCESS_CLIENT_CREATED, actor=Actor.system("test"), obj=("x", "y")
                )
            wait_for(lambda: AuditEvent.objects.filter(id=event_id).exists())
            wait_for(lambda: Checkpoint.objects.exists())
            worker.send_signal(signal.SIGTERM)
            assert worker.wait(timeout=20) == 0
        finally:
            worker.kill()
            worker.wait()
            connection.close()
    assert b"worker stopped" in (tmp_path / "log").read_bytes()
