"""`manage.py export_evidence` and `verify_package`: thin doors to the services."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from audit.models import PendingEvent
from evidence.models import Package
from tests.factories import PASSWORD, World
from tests.services.evidence import helpers

pytestmark = pytest.mark.django_db
NOWHERE = "clinic-001/evidence_20000101T000000Z_00000000.zip"
PERIOD = ("--start", "2026-01-01T00:00:00Z", "--end", "2026-02-01T00:00:00Z")


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The password lies where the commands are run."""
    monkeypatch.chdir(tmp_path)
    Path("password").write_text(f"{PASSWORD}\n")


def run(*arguments: str) -> str:
    out = io.StringIO()
    proof = ["--password-file", "password"] if arguments[0] == "export_evidence" else []
    call_command(*arguments, *proof, stdout=out)
    return out.getvalue()


def code_of(*arguments: str) -> int:
    with pytest.raises((CommandError, SystemExit)) as caught:
        run(*arguments)
    error = caught.value
    return error.returncode if isinstance(error, CommandError) else int(error.code or 0)


def test_export_and_verify(world: World) -> None:
    helpers.some_events()
    told = json.loads(
        run("export_evidence", "--as", "olivia", "--client", "clinic-001", *PERIOD, "--json")
    )
    package = Package.objects.get()
    assert told["package_sha256"] == package.package_sha256
    assert told["events"] == 3
    path = package.package_path
    assert code_of("verify_package", path, "--as", "audrey") == 1
    helpers.countersign(world, package)
    assert run("verify_package", path, "--as", "audrey").startswith("VALID: ")
    told = json.loads(run("verify_package", path, "--as", "audrey", "--json"))
    assert told["countersign_count"] == 1


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("export_evidence", "--as", "nemo", *PERIOD), 1),
        (("export_evidence", "--as", "olivia"), 2),
        (("export_evidence", "--as", "olivia", "--start", "x", "--end", "y"), 2),
        (("export_evidence", "--as", "olivia", *PERIOD, "--prefix", "../x"), 2),
        (("export_evidence", "--as", "audrey", "--client", "clinic-001", *PERIOD), 1),
        (("export_evidence", "--as", "ben", "--client", "clinic-001", *PERIOD), 1),
        (("verify_package", "clinic-001/x.zip", "--as", "nemo"), 2),
        (("verify_package", "clinic-001/x.zip", "--as", "audrey"), 3),
        (("verify_package", NOWHERE, "--as", "audrey"), 3),
    ],
)  # fmt: skip
def test_exit_codes(world: World, arguments: tuple[str, ...], code: int) -> None:
    assert code_of(*arguments) == code
    assert not Package.objects.exists()


def test_nobody_exports_in_somebody_elses_name(world: World) -> None:
    Path("password").write_text("not the password")
    assert code_of("export_evidence", "--as", "olivia", *PERIOD) == 1
    told = json.loads(PendingEvent.objects.latest("id").event)
    assert (told["type"], told["object"]["id"]) == ("access.login.failed", "olivia")
    assert "not the password" not in json.dumps(told)
    Path("password").unlink()
    assert code_of("export_evidence", "--as", "olivia", *PERIOD) == 2
    assert not Package.objects.exists()
