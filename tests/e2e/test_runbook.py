"""The runbook that asked for the product, followed as it is written: over HTTP, everything real."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.installation import PAYLOAD, SECRET, Caller, Installation
from tests.e2e.runbook import Runbook, text
from tests.factories import PASSWORD
from tests.servers.external_faults import Kind
from tests.services.evidence import helpers

pytestmark = pytest.mark.xdist_group("e2e")


@pytest.fixture(scope="module")
def runbook() -> Runbook:
    return Runbook.parse(text())


def test_the_runbook_from_its_text(runbook: Runbook, installation: Installation) -> None:
    helpers.some_events()
    alice, oscar = installation.caller("alice"), installation.caller("oscar")
    job = pre_check(runbook, installation, alice)
    summary = execute(runbook, alice, job)
    check_outside(runbook, installation, summary)
    verify(runbook, installation, summary, countersigned=False)
    countersign(runbook, installation, oscar, summary)
    verify(runbook, installation, summary, countersigned=True)
    incidents(runbook, installation, alice, job)
    assert runbook.taken == runbook.routes


def pre_check(runbook: Runbook, installation: Installation, alice: Caller) -> dict[str, Any]:
    named = [code for line in runbook.sections["Pre-check"] for code in line.codes]
    variables = [name for name in named if name.startswith("COMPLIANCE_EVIDENCE_")]
    assert len(variables) == 5
    assert all(installation.environment.get(name) for name in variables)
    made = alice.register("By the runbook", owner="alice")
    listed = alice.get(runbook.take("GET", "/ops/jobs")).json
    (condition,) = runbook.conditions("Pre-check")
    active = {item["id"]: item for item in listed if condition.holds(item)}
    assert active[made["id"]]["status"] == "ACTIVE"
    return dict(active[made["id"]])


def execute(runbook: Runbook, alice: Caller, job: dict[str, Any]) -> dict[str, Any]:
    asked = alice.post(runbook.take("POST", "/ops/jobs/{}/run").format(job_id=job["id"]))
    assert asked.status == 202, asked.body
    address = runbook.take("GET", "/ops/jobs/runs/{}").format(run_id=asked.json["run_id"])
    run = alice.finished(address)
    assert (run["status"], run["error_message"], run["job_id"]) == ("SUCCESS", None, job["id"])
    named = runbook.line("Execute manually", "check").codes
    assert len(named) == 8
    summary = dict(run["result_summary"])
    assert [name for name in named if not summary[name]] == []
    return summary


def check_outside(runbook: Runbook, installation: Installation, summary: dict[str, Any]) -> None:
    section = "External archive integration check"
    strict, *expected = sorted(runbook.conditions(section), key=lambda item: item.value is not True)
    assert strict.holds(PAYLOAD)
    assert [item.name for item in expected] == ["external_worm_status", "external_kms_status"]
    assert all(item.holds(summary) for item in expected)
    (receipt,) = runbook.line(section, "Keep external receipts").codes
    assert summary[receipt]["package_sha256"] == summary["package_sha256"]
    kept = installation.kept()
    for suffix in (".worm-receipt.json", ".kms-envelope.json", ".worm-lock-0001.json", ".zip.enc"):
        assert f"{summary['bundle_id']}{suffix}" in kept
    for name in ("vault_copy_path", "vault_worm_lock_path", "vault_envelope_path"):
        assert summary[name].rsplit("/", 1)[1] in kept
    assert (installation.packages / summary["package_path"]).is_file()


def countersign(
    runbook: Runbook, installation: Installation, oscar: Caller, summary: dict[str, Any]
) -> None:
    section, path = "Dual-control countersign", summary["package_path"]
    given = {
        "package_path": path,
        "signer": "oscar",
        "signing_key_id": installation.world.key("oscar").key_id,
        "countersign_path": path.replace(".zip", ".countersign.json"),
        "signing_secret": installation.environment[SECRET],
    }
    assert list(given) == runbook.line(section, "payload").codes
    # Whoever countersigns proves that it is he: the one field that the text does not have.
    address = runbook.take("POST", "/compliance/evidence/countersign")
    answer = oscar.post(address, {**given, "password": PASSWORD})
    assert answer.status == 200, answer.body
    (condition,) = runbook.conditions(section)
    assert condition.holds(answer.json)
    assert (installation.packages / given["countersign_path"]).is_file()
    assert f"{summary['bundle_id']}.countersign-0001.json" in installation.kept()


def verify(
    runbook: Runbook, installation: Installation, summary: dict[str, Any], *, countersigned: bool
) -> None:
    section, path = "Verify package", summary["package_path"]
    given = {
        "package_path": path,
        "signature_path": path.replace(".zip", ".signature.json"),
        "countersign_path": path.replace(".zip", ".countersign.json"),
        "require_countersign": True,
        "signing_secret": installation.environment[SECRET],
    }
    assert list(given) == runbook.line(section, "payload").codes
    address, audrey = (
        runbook.take("POST", "/compliance/evidence/verify"),
        installation.caller("audrey"),
    )
    if_required = runbook.line(section, "if countersign required").conditions
    always = [item for item in runbook.conditions(section) if item not in if_required]
    assert (len(always), len(if_required)) == (4, 3)
    if not countersigned:
        del given["countersign_path"]
    for required in (False, True):
        told = audrey.post(address, {**given, "require_countersign": required}).json
        assert all(item.holds(told) for item in always), told
        assert all(item.holds(told) for item in if_required) is countersigned, told
        assert (told["mac_valid"], told["timestamp_valid"], told["proofs_valid"]) == (True,) * 3
        assert (told["verdict"] == "VALID") is countersigned


def incidents(
    runbook: Runbook, installation: Installation, alice: Caller, job: dict[str, Any]
) -> None:
    """A failed job tells why; the same is then exported without it."""
    section = "Incident handling"
    (message,) = runbook.line(section, "inspect job run").codes[:1]
    installation.external.inject(Kind.ANSWER, path="/archive", status=403)
    run = alice.run(job)
    assert run["status"] == "FAILED"
    assert "403" in run[message]
    installation.external.heal()
    answer = alice.post(runbook.take("POST", "/compliance/evidence/export"), PAYLOAD)
    assert answer.status == 201, answer.body
    assert answer.json["external_worm_status"] == "OK"
