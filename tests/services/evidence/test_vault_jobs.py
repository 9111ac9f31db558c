"""The vault's jobs, as runs: what ends well, what fails, and what there is to do at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from audit.services import holds
from evidence import vault_jobs
from evidence.models import VaultLock
from ops import registry
from ops.models import Run
from ops.services.runs import request_once
from tests.carrying import carry_out
from tests.factories import World
from tests.services.evidence import helpers, vaults

pytestmark = pytest.mark.django_db


def run(world: World, job_type: str) -> Run:
    """A run of that type after its first attempt."""
    asked = request_once(actor=world.actor("alice"), job_type=job_type, payload={})
    return carry_out(asked.pk)


def test_an_audit_that_finds_all_in_order(world: World, local_vault: Path) -> None:
    helpers.export(world, vault_mode="local")
    done = run(world, vault_jobs.AUDIT)
    assert done.status == "SUCCESS", done.error_message
    assert (done.result_summary["verdict"], done.result_summary["copies"]) == ("VALID", 1)
    assert (done.progress_done, done.progress_total) == (1, 1)


def test_an_audit_that_finds_a_difference_fails(world: World, local_vault: Path) -> None:
    package = helpers.export(world, vault_mode="local")
    folder = vaults.folder(package)
    vaults.loosen(folder)
    (folder / f"{package.bundle_id}.zip").write_bytes(b"")
    done = run(world, vault_jobs.AUDIT)
    assert (done.status, done.error_code) == ("FAILED", "vault_differs")
    assert "vault_file_changed × 1" in done.error_message


def test_an_audit_that_could_not_check_is_tried_again(
    world: World, local_vault: Path, settings: Any
) -> None:
    helpers.export(world, vault_mode="local")
    settings.COMPLIANCE_EVIDENCE_VAULT_DIR = ""
    assert run(world, vault_jobs.AUDIT).status == "QUEUED"


def test_holds_are_applied_by_a_job(world: World, local_vault: Path) -> None:
    helpers.export(world, vault_mode="local")
    holds.place(actor=world.actor("olivia"), case_id="case 7", reason="Asked for")
    done = run(world, vault_jobs.HOLDS)
    assert (done.status, done.result_summary) == ("SUCCESS", {"changed": 1, "finished": 0})
    assert VaultLock.objects.order_by("-number")[0].legal_holds == ["case 7"]


def test_without_a_vault_there_is_nothing_to_do(
    world: World, local_vault: Path, settings: Any
) -> None:
    types = [registry.get(name) for name in (vault_jobs.AUDIT, vault_jobs.HOLDS)]
    assert [each.is_wanted() for each in types] == [True, True]
    settings.COMPLIANCE_EVIDENCE_VAULT_DIR = ""
    assert [each.is_wanted() for each in types] == [False, False]
    settings.COMPLIANCE_EVIDENCE_VAULT_DIR = str(local_vault)
    helpers.export(world, vault_mode="local")
    settings.COMPLIANCE_EVIDENCE_VAULT_DIR = ""
    assert [each.is_wanted() for each in types] == [True, True]
