"""A job that fails in a worker is told to those concerned by a real Prometheus and Alertmanager."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.db import transaction

from ops import queue
from ops.models import Job, Run
from reports.metrics import JOB_TYPE
from tests.databases import CommittedDatabase
from tests.e2e.installation import serving
from tests.factories import World
from tests.faults.workers import real_worker, wait_for
from tests.servers.monitoring import monitoring

pytestmark = pytest.mark.real

TOKEN = "a token for Prometheus"
COUNTER = 'intelgraph_soc2_job_runs_total{status="failure"}'
# One packet rather than one for each client.
PAYLOAD = {
    "client_id": None,
    "period_start": "2026-01-01T00:00:00Z",
    "period_end": "2026-02-01T00:00:00Z",
    "revise": False,
    "reason": "",
}
# The worker of `manage.py worker`, which does not wait for minutes between attempts.
PROGRAM = """
from datetime import timedelta
import django
django.setup()
from ops import worker
from ops.services import claims
claims.BACK_OFF = (timedelta(seconds=1),)
worker.SWEEP_SECONDS = 0.5
worker.Worker().run()
"""


def test_a_packet_that_fails_in_a_worker_is_told_to_compliance(
    committed_world: World,
    committed_db: CommittedDatabase,
    settings: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "DATABASE_URL": committed_db.app_url,
        "AUDIT_SIGNER_STATE": str(settings.AUDIT_SIGNER_STATE),
        "AUDIT_STORAGE_PATH": str(settings.AUDIT_STORAGE_PATH),
        "EVIDENCE_PACKAGE_DIR": str(settings.EVIDENCE_PACKAGE_DIR),
        "METRICS_TOKEN": TOKEN,
        "ALLOWED_HOSTS": "127.0.0.1",
    }
    (tmp_path / "no folder").write_text("in the way of the vault")
    monkeypatch.setenv("COMPLIANCE_EVIDENCE_VAULT_DIR", str(tmp_path / "no folder" / "vault"))
    with (
        serving(tmp_path, environment) as url,
        monitoring(tmp_path, urlsplit(url).netloc, TOKEN) as watched,
        real_worker(committed_db, settings, tmp_path, PROGRAM) as worker,
    ):
        worker.wait_until_ready()
        wait_for(lambda: watched.value(COUNTER) == 0, what=watched.logs)
        assert watched.told.alerts("SOC2EvidenceJobFailed") == []

        with transaction.atomic():
            run = _asked(Job.objects.get(name=JOB_TYPE))
            queue.enqueue(run.pk)
        wait_for(lambda: watched.value(COUNTER) == 1, 240, what=lambda: worker.log)
        wait_for(lambda: bool(watched.told.alerts("SOC2EvidenceJobFailed")), what=watched.logs)

        [(receiver, alert)] = watched.told.alerts("SOC2EvidenceJobFailed")[:1]
        assert receiver == "#compliance"
        assert alert["status"] == "firing"
        assert alert["labels"]["severity"] == "critical"
        assert alert["annotations"]["runbook_url"].endswith("alerts.md#soc2evidencejobfailed")
        assert watched.value('intelgraph_soc2_job_runs_total{status="success"}') == 0
        assert watched.value("intelgraph_soc2_job_duration_seconds_count") == 1
        run.refresh_from_db()
        assert (run.status, run.packets.filter(status="complete").count()) == ("FAILED", 0)
        assert "COMPLIANCE_EVIDENCE_VAULT_DIR" in run.error_message
        assert f"[JOB: {JOB_TYPE}]" in worker.log

        # What concerns the trail goes to the others: nothing was ever verified or archived here.
        told = {receiver for receiver, _ in watched.told.alerts("audit_not_valid")}
        assert told <= {"#audit-trust"}


def _asked(job: Job) -> Run:
    return Run.objects.create(
        job=job,
        job_type=job.job_type,
        payload=PAYLOAD,
        triggered_by="user:alice",
        intended_at=job.created_at,
        max_attempts=2,
    )
