"""Outside services that fail, over HTTP: what strict and lenient exports make of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest

from evidence.models import Package, PackageStatus
from tests.e2e.installation import PAYLOAD, SECRET, Caller, Installation
from tests.servers.external_faults import Kind

pytestmark = pytest.mark.xdist_group("e2e")
FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "answers 500": ({"kind": Kind.ANSWER, "status": 500}, "http_500"),
    "another digest": ({"kind": Kind.DIGEST}, "digest_differs"),
    "a redirect": ({"kind": Kind.REDIRECT, "location": "/elsewhere"}, "redirect"),
    "a slow drip": ({"kind": Kind.DRIP}, "timeout"),
    "2 GiB": ({"kind": Kind.ENDLESS}, "too_large"),
}


@dataclass(frozen=True)
class Jobs:
    """Whoever runs them, a job that needs the outside services, and one that does not."""

    alice: Caller
    strict: dict[str, Any]
    lenient: dict[str, Any]


@pytest.fixture(scope="module")
def jobs(installation: Installation) -> Jobs:
    alice = installation.caller("alice")
    lenient = {**PAYLOAD, "external_require_success": False}
    return Jobs(alice, alice.register("Strict"), alice.register("Lenient", payload=lenient))


def check(installation: Installation, jobs: Jobs, reason: str) -> None:
    before, files = installation.kept(), installation.working()
    failed = jobs.alice.run(jobs.strict)
    assert failed["status"] == "FAILED"
    assert f"External archive: FAILED: {reason}" in failed["error_message"]
    assert installation.external.token not in str(failed)
    package = Package.objects.get(run_id=failed["run_id"])
    assert (package.status, package.error_message) == (
        PackageStatus.FAILED,
        failed["error_message"],
    )
    assert installation.kept() == before
    assert installation.working() == files

    done = jobs.alice.run(jobs.lenient)
    assert (done["status"], done["error_message"]) == ("SUCCESS", None)
    summary = done["result_summary"]
    assert summary["external_worm_status"].startswith(f"FAILED: {reason}")
    assert (summary["external_worm_receipt"], summary["external_kms_status"]) == (None, "OK")
    added = {name.removeprefix(summary["bundle_id"]) for name in installation.kept() - before}
    assert added == {
        ".zip.enc", ".zip.sig", ".signature.json", ".tsr", ".kms-envelope.json",
        ".worm-lock-0001.json",
    }  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_an_archive_that_fails(installation: Installation, jobs: Jobs, name: str) -> None:
    fault, reason = FAULTS[name]
    installation.external.inject(path="/archive", **fault)
    check(installation, jobs, reason)


def test_both_do_their_part_again(installation: Installation, jobs: Jobs) -> None:
    done = jobs.alice.run(jobs.strict)
    assert done["status"] == "SUCCESS"
    summary = done["result_summary"]
    assert (summary["external_worm_status"], summary["external_kms_status"]) == ("OK", "OK")


def test_a_private_address_and_a_secret_that_was_rotated(
    installation: Installation, jobs: Jobs
) -> None:
    """With a worker of other settings; what waited meanwhile is carried out by it."""
    before = jobs.alice.run(jobs.lenient)["result_summary"]
    installation.stop_worker()
    asked = jobs.alice.post(f"/ops/jobs/{jobs.lenient['id']}/run?wait=1")
    assert (asked.status, asked.json["status"]) == (202, "QUEUED")
    installation.start_worker(
        COMPLIANCE_EVIDENCE_EXTERNAL_WORM_ENDPOINT="https://10.0.0.1/worm",
        COMPLIANCE_EVIDENCE_SIGNING_SECRET="another secret",
    )
    after = jobs.alice.finished(asked.headers["Location"])["result_summary"]
    check(installation, jobs, "address_refused")
    installation.stop_worker()
    stated = []
    for summary, is_new in ((before, False), (after, True)):
        path = summary["package_path"]
        stated.append(statement(installation, path))
        for secret in (installation.environment[SECRET], "another secret"):
            body = {"package_path": path, "signing_secret": secret}
            told = jobs.alice.post("/compliance/evidence/verify", body).json
            assert (told["signature_valid"], told["mac_checked"]) == (True, True)
            assert told["mac_valid"] is (is_new is (secret == "another secret"))
    for name in ("signer", "signing_key_id"):
        assert stated[0][name] == stated[1][name], "the key is what counts"


def statement(installation: Installation, package_path: str) -> dict[str, Any]:
    """The statement of the signature beside a package."""
    path = installation.packages / package_path.replace(".zip", ".signature.json")
    return dict(json.loads(path.read_text(encoding="utf-8")))
