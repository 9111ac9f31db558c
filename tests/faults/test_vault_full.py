"""A vault that is full, or read-only: the run fails and says why, and nothing is left of it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from evidence.models import Package, PackageStatus
from ops.models import Run
from sealing.results import Verdict
from tests.carrying import carry_out
from tests.factories import World
from tests.services.evidence import helpers, vaults

pytestmark = [pytest.mark.django_db, pytest.mark.xdist_group("faults")]
SIZE = 4 << 20


def mount(folder: Path, *options: str) -> None:
    """Mounts, or skips the test and names what it needs."""
    done = subprocess.run(["mount", *options, str(folder)], capture_output=True, text=True)
    if done.returncode:
        reason = f"needs the right to mount a tmpfs: {done.stderr.strip()}"
        if os.environ.get("STRONGROOM_REQUIRE") == "all":
            pytest.fail(reason)
        pytest.skip(reason)


@pytest.fixture
def small_vault(tmp_path: Path, settings: Any) -> Iterator[Path]:
    """A vault on a file system of its own, of 4 MiB."""
    root = tmp_path / "small"
    root.mkdir()
    mount(root, "-t", "tmpfs", "-o", f"size={SIZE},mode=0750", "tmpfs")
    settings.COMPLIANCE_EVIDENCE_VAULT_DIR = str(root)
    try:
        yield root
    finally:
        subprocess.run(["umount", str(root)], check=True)


def attempted(world: World) -> Run:
    """An export into the local vault, tried as often as a worker would; its run."""
    from ops.services.runs import request_once

    payload = {
        "client_id": "clinic-001",
        "period_start": helpers.START.isoformat(),
        "period_end": helpers.END.isoformat(),
        "vault_mode": "local",
    }
    run = request_once(
        actor=world.actor("olivia"), job_type="compliance_evidence_export", payload=payload
    )
    while run.status == "QUEUED":
        Run.objects.filter(pk=run.pk).update(not_before=None)
        run = carry_out(run.pk)
    return run


def assert_failed(run: Run, root: Path, words: str) -> None:
    """The run says why, and nothing of the package lies anywhere under any name."""
    assert run.status == "FAILED"
    assert words in run.error_message
    assert "COMPLIANCE_EVIDENCE_VAULT_DIR" in run.error_message
    assert str(root) not in run.error_message
    package = Package.objects.get(run=run)
    assert package.status == PackageStatus.FAILED
    assert not hasattr(package, "vault_copy")
    left = [path.name for path in root.rglob("*") if package.bundle_id in path.name]
    assert left == []
    assert not list(helpers.file(package).parent.iterdir())


def fill(root: Path, *, leave: int) -> Path:
    """Takes up space until so many bytes are left."""
    free = os.statvfs(root).f_bavail * os.statvfs(root).f_frsize
    path = root / "ballast"
    path.write_bytes(bytes(free - leave))
    return path


@pytest.mark.parametrize("leave", [0, 4096, 16384], ids=["nothing", "a-page", "not-enough"])
def test_a_full_vault(world: World, small_vault: Path, leave: int) -> None:
    helpers.some_events(count=60)
    ballast = fill(small_vault, leave=leave)
    run = attempted(world)
    assert_failed(run, small_vault, "The vault is full: free or add space")
    ballast.unlink()
    after = attempted(world)
    assert after.status == "SUCCESS", after.error_message
    package = Package.objects.get(run=after)
    assert (vaults.folder(package) / f"{package.bundle_id}.zip").read_bytes() == (
        helpers.file(package).read_bytes()
    )


def test_a_read_only_vault(world: World, small_vault: Path) -> None:
    mount(small_vault, "-o", "remount,ro")
    run = attempted(world)
    assert_failed(run, small_vault, "check storage permission")
    assert list(small_vault.iterdir()) == []
    mount(small_vault, "-o", "remount,rw")
    assert attempted(world).status == "SUCCESS"


def test_a_vault_that_is_no_folder(world: World, tmp_path: Path, settings: Any) -> None:
    root = tmp_path / "vault"
    root.write_bytes(b"a file")
    settings.COMPLIANCE_EVIDENCE_VAULT_DIR = str(root)
    run = attempted(world)
    assert run.status == "FAILED"
    assert "check COMPLIANCE_EVIDENCE_VAULT_DIR" in run.error_message
    assert root.read_bytes() == b"a file"


def test_a_full_vault_fails_a_file_more_and_takes_it_later(world: World, small_vault: Path) -> None:
    from audit.events import Actor
    from evidence.services.vault.auditing import audit_vault

    package = Package.objects.get(run=attempted(world))
    ballast = fill(small_vault, leave=0)
    helpers.countersign(world, package)
    assert ".countersign-0001.json" not in vaults.names(package)
    ballast.chmod(0o600)
    ballast.unlink()
    audit = audit_vault(actor=Actor.system("tests"))
    assert (audit.verdict, audit.findings) == (Verdict.VALID, [])
    assert audit.repaired == [f"{package.bundle_id}: 1 of its countersign states"]
    assert vaults.read(package, ".countersign-0001.json") == (
        helpers.file(package, ".countersign.json").read_bytes()
    )
