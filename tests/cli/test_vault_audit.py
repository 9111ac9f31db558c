"""`manage.py vault_audit` and `vault_fetch`: thin doors to the vault's services."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError

from audit.events import EventType
from evidence.models import Package
from evidence.services.vault import auditing
from tests.api.artifacts import RAW, keep
from tests.factories import PASSWORD, World
from tests.services.evidence import helpers, vaults
from tests.services.evidence.vaults import local_vault  # noqa: F401

pytestmark = pytest.mark.django_db


def run(*arguments: str) -> tuple[int, str]:
    """The exit code, and all that was printed."""
    out, err = io.StringIO(), io.StringIO()
    code = 0
    try:
        call_command(*arguments, stdout=out, stderr=err)
    except CommandError as error:
        code = error.returncode
        err.write(str(error))
    except SystemExit as ended:
        code = int(str(ended.code))
    return code, out.getvalue() + err.getvalue()


@pytest.fixture
def package(world: World, local_vault: Path) -> Package:  # noqa: F811
    """A package in a local vault."""
    made: Package = helpers.export(world, vault_mode="local")
    return made


def test_in_order(package: Package) -> None:
    assert run("vault_audit") == (
        0,
        "VALID: 1 copies, 5 files: all are as they were put there.\n",
    )
    code, text = run("vault_audit", "--json")
    told = json.loads(text)
    assert (code, told["verdict"], told["copies"], told["findings"]) == (0, "VALID", 1, [])


def test_something_differs(package: Package) -> None:
    folder = vaults.folder(package)
    vaults.loosen(folder)
    (folder / f"{package.bundle_id}.zip").write_bytes(b"")
    vaults.close(folder)
    code, text = run("vault_audit")
    assert code == 1
    assert f"{package.vault_copy.folder}/{package.bundle_id}.zip: Its bytes" in text
    assert "INVALID: 1 copies: vault_file_changed × 1." in text
    code, text = run("vault_audit", "--json")
    assert (code, json.loads(text)["counts"]) == (1, {"vault_file_changed": 1})


def test_nothing_to_compare(world: World) -> None:
    code, text = run("vault_audit")
    assert code == 3
    assert text.startswith("INCONCLUSIVE: There is no copy")


def test_a_database_that_does_not_answer(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**options: Any) -> None:
        raise DatabaseError("gone")

    monkeypatch.setattr(auditing.locks, "apply_holds", fail)
    code, text = run("vault_audit")
    assert code == 3
    assert text.startswith("Could not check: gone")


# --- taking a package out -----------------------------------------------------------------------


@pytest.fixture
def password(tmp_path: Path) -> str:
    """A file with the password of everybody."""
    path = tmp_path / "password"
    path.write_text(f"{PASSWORD}\n")
    return str(path)


def fetch(package: Package, by: str, password: str, target: Path) -> tuple[int, str]:
    who = ("--as", by, "--password-file", password)
    return run("vault_fetch", package.bundle_id, "--to", str(target), *who)


def test_fetching(package: Package, password: str, tmp_path: Path) -> None:
    target = tmp_path / "out.zip"
    code, text = fetch(package, "audrey", password, target)
    assert (code, text.split()[1]) == (0, package.package_sha256)
    assert target.read_bytes() == helpers.file(package).read_bytes()
    assert fetch(package, "audrey", password, target)[0] == 2
    assert fetch(package, "ben", password, tmp_path / "other.zip")[0] == 1


def test_fetching_needs_the_password(package: Package, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("not the password\n")
    code, _ = fetch(package, "audrey", str(wrong), tmp_path / "out.zip")
    assert code == 1
    assert not (tmp_path / "out.zip").exists()


def test_a_vault_that_is_gone(
    package: Package, password: str, tmp_path: Path, settings: Any
) -> None:
    settings.COMPLIANCE_EVIDENCE_VAULT_DIR = ""
    assert fetch(package, "audrey", password, tmp_path / "out.zip")[0] == 2


def test_fetching_an_artefact(
    world: World,
    local_vault: Path,  # noqa: F811
    password: str,
    tmp_path: Path,
) -> None:
    artifact = keep(world, content=RAW)
    name, who = artifact.deposit.name, ("--password-file", password)
    code, text = run("vault_fetch", name, "--to", str(tmp_path / "out"), "--as", "audrey", *who)
    assert (code, text.split()[1]) == (0, artifact.sha256)
    assert (tmp_path / "out").read_bytes() == RAW
    (event,) = helpers.events_of(EventType.EVIDENCE_ARTIFACT_DOWNLOADED, str(artifact.pk))
    assert event["actor"]["id"] == "user:audrey"
    again = run("vault_fetch", name, "--to", str(tmp_path / "out"), "--as", "audrey", *who)
    assert again[0] == 2
    for username in ("ben", "omar"):
        other = run("vault_fetch", name, "--to", str(tmp_path / "b"), "--as", username, *who)
        assert other[0] == 1 and not (tmp_path / "b").exists()
