"""How long `POST /compliance/evidence/export` waits, and what it says when that was not enough."""

from __future__ import annotations

from typing import Any

import pytest

from evidence.services import exporting
from ops.models import Run
from tests.api.evidence import Caller, helpers
from tests.carrying import carry_out
from tests.factories import World

pytestmark = pytest.mark.django_db


def test_what_takes_longer_goes_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []

    def too_short(run: Run, seconds: float) -> Run:
        waited.append(seconds)
        return run

    monkeypatch.setattr(exporting, "wait_for", too_short)
    helpers.some_events()
    olivia = Caller(world, "olivia")
    answer = olivia.export()
    assert (answer.status_code, waited) == (202, [30.0])
    run = Run.objects.get()
    assert answer.json() == {"run_id": str(run.pk), "status": "QUEUED"}

    address = f"/ops/jobs/runs/{run.pk}"
    assert olivia.get(address).json()["status"] == "QUEUED"
    carry_out(run.pk)
    told: dict[str, Any] = olivia.get(address).json()
    assert (told["status"], told["job_id"]) == ("SUCCESS", None)
    found = olivia.get(f"/compliance/evidence/packages/{told['result_summary']['bundle_id']}")
    assert found.json()["events"] == 3
