"""The other ways to an export: by API key, by schedule, without a job, and often at once."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.db import transaction
from django.utils import timezone
from django_q.models import OrmQ

from evidence.models import Package
from ops import queue
from ops.models import Job, Run
from ops.services import runs
from tests.e2e.installation import PAYLOAD, Caller, Installation
from tests.factories import PASSWORD
from tests.faults.processes import wait_until

pytestmark = pytest.mark.xdist_group("e2e")
EXPORT, VERIFY = "/compliance/evidence/export", "/compliance/evidence/verify"
SUMMARY = (
    "bundle_id", "package_path", "package_sha256", "signature_enabled", "vault_copy_path",
    "vault_worm_lock_path", "vault_envelope_path", "external_worm_status",
    "external_worm_receipt", "external_kms_status", "archive_receipt",
)  # fmt: skip


@pytest.fixture(scope="module")
def alice(installation: Installation) -> Caller:
    return installation.caller("alice")


def test_an_export_without_a_job_is_waited_for(installation: Installation, alice: Caller) -> None:
    answer = alice.post(EXPORT, PAYLOAD, Idempotency_Key="once")
    assert answer.status == 201, answer.body
    told = answer.json
    assert [name for name in SUMMARY if not told[name]] == []
    assert {item["relative_path"] for item in told["files"]} >= {"audit_events.jsonl", "checkpoint"}
    assert told["signature"]["digest"] == told["package_sha256"]
    assert told["generated_at"].endswith("Z")
    assert told["verify_url"] == f"{installation.url}{VERIFY}"
    assert told["timestamp_status"] == "OK"
    run = alice.get(f"/ops/jobs/runs/{told['run_id']}").json
    assert (run["status"], run["job_id"]) == ("SUCCESS", None)
    assert {name: run["result_summary"][name] for name in SUMMARY} == {
        name: told[name] for name in SUMMARY
    }
    assert alice.post(EXPORT, PAYLOAD, Idempotency_Key="once").json == told


def test_a_service_account_runs_a_job_by_its_key_and_sees_its_own_runs(
    installation: Installation, alice: Caller
) -> None:
    job = alice.register("By key")
    service = installation.caller("svc-clinic-001")
    listed = service.get("/ops/jobs?active_only=true&job_type=compliance_evidence_export").json
    assert job["id"] in [item["id"] for item in listed]
    run = service.run(job)
    assert (run["status"], run["triggered_by"]) == ("SUCCESS", "service:svc-clinic-001")
    summary = run["result_summary"]
    assert [name for name in SUMMARY if not summary[name]] == []
    package = alice.get(f"/compliance/evidence/packages/{summary['bundle_id']}").json
    assert package["maker"]["name"] == "Alice Admin", "the person who owns the job"

    others = alice.run(job)["run_id"]
    assert service.get(f"/ops/jobs/runs/{others}").status == 404
    stranger = installation.caller("svc-clinic-002")
    assert stranger.post(f"/ops/jobs/{job['id']}/run").status == 404
    assert stranger.get(f"/ops/jobs/runs/{run['run_id']}").status == 404
    assert service.post(EXPORT, PAYLOAD).status == 403, "what is exported was fixed by a person"
    body = {"package_path": summary["package_path"], "signer": "svc-clinic-001",
            "signing_key_id": "sha256:" + "0" * 64, "password": PASSWORD}  # fmt: skip
    assert service.post("/compliance/evidence/countersign", body).status == 403


def test_a_schedule_makes_a_package_for_each_window_that_passed(
    installation: Installation, alice: Caller
) -> None:
    today = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
    windows = {today - timedelta(days=1), today}
    payload = {"client_id": "clinic-001", "period": "previous_day"}
    job = alice.register("Each night", schedule_cron="0 0 * * *", payload=payload)
    assert datetime.fromisoformat(job["next_run_at"]) > timezone.now()
    # As if no worker had run for two days.
    Job.objects.filter(pk=job["id"]).update(windows_through=today - timedelta(days=2))
    with transaction.atomic():
        queue.enqueue(Job.objects.get(pk=job["id"]).pk)
    address = f"/ops/jobs/{job['id']}/runs"

    def done() -> bool:
        found = alice.get(address).json["results"]
        return len(found) >= 2 and all(run["status"] == "SUCCESS" for run in found)

    wait_until(done, 60)
    found = alice.get(address).json["results"]
    made = {datetime.fromisoformat(run["intended_at"]): run for run in found}
    assert windows <= made.keys()
    for window in windows:
        run = made[window]
        assert run["triggered_by"] == "schedule"
        bundle = run["result_summary"]["bundle_id"]
        period = alice.get(f"/compliance/evidence/packages/{bundle}").json["period"]
        assert datetime.fromisoformat(period["end"]) == window
        assert datetime.fromisoformat(period["start"]) == window - timedelta(days=1)
    listed = alice.get("/ops/jobs").json
    (line,) = [item for item in listed if item["id"] == job["id"]]
    assert line["last_run"]["status"] == "SUCCESS"
    breaches = alice.get("/ops/jobs/sla").json["breaches"]
    assert [item for item in breaches if item["job_id"] == job["id"]] == []


def test_a_run_that_the_queue_hands_out_fifty_times_makes_one_package(
    installation: Installation, alice: Caller
) -> None:
    job = Job.objects.get(pk=alice.register("Often")["id"])
    with transaction.atomic():
        run = runs.request_run(actor=installation.world.actor("alice"), job=job)
        for _ in range(49):
            queue.enqueue(run.pk)
    told = alice.finished(f"/ops/jobs/runs/{run.pk}")
    wait_until(lambda: not OrmQ.objects.filter(payload=str(run.pk)).exists(), 60)
    assert told["status"] == "SUCCESS"
    assert Run.objects.get(pk=run.pk).attempts == 1
    assert [item.bundle_id for item in Package.objects.filter(run=run)] == [
        told["result_summary"]["bundle_id"]
    ]
