"""The real worker, its schedule and its queue: what was missed is made up when it starts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from access.models import Client
from ops.models import Job, Run
from reports.formats.period import month_before
from reports.models import Packet
from tests.databases import CommittedDatabase
from tests.factories import World
from tests.faults import workers
from tests.services.reports import packing

pytestmark = pytest.mark.xdist_group("workers")


def test_two_missed_months_are_made_when_a_worker_starts(
    committed_world: World,
    committed_db: CommittedDatabase,
    local_vault: Path,
    settings: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Client.objects.filter(pk="clinic-002").update(is_active=False)
    last = month_before(timezone.now())
    before = month_before(last.start)
    packing.came(packing.LONG_AGO)
    job = packing.monthly_job()
    # 03:00 of the first of last month had its run; the two windows since had none.
    Job.objects.filter(pk=job.pk).update(windows_through=before.end.replace(hour=2))
    monkeypatch.setenv("COMPLIANCE_EVIDENCE_VAULT_DIR", str(local_vault))
    monkeypatch.setenv("EVIDENCE_VAULT_IMMUTABLE", "true")
    with workers.real_worker(committed_db, settings, tmp_path) as worker:
        connection.close()
        workers.wait_for(
            lambda: Run.objects.filter(job=job, status__in=["SUCCESS", "FAILED"]).count() == 2,
            seconds=120,
            what=lambda: worker.log[-4000:],
        )
    runs = Run.objects.filter(job=job).order_by("intended_at")
    assert [run.intended_at for run in runs] == [
        moment.replace(hour=3) for moment in (before.end, last.end)
    ]
    assert [(run.status, run.error_message) for run in runs] == [("SUCCESS", "")] * 2
    found = Packet.objects.values_list("period_start", "client_id")
    assert set(found) == {
        (month.start, client) for month in (before, last) for client in (None, "clinic-001")
    }
    for packet in Packet.objects.all():
        packing.check_complete(packet)
