"""`manage.py export_evidence` with vault and outside services: what is asked for, what is said."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from evidence.models import Package
from ops.models import Run
from tests.factories import PASSWORD, World
from tests.servers.external import ExternalServer
from tests.servers.external_faults import Kind
from tests.services.evidence import helpers, vaults

pytestmark = pytest.mark.django_db
WHO = ("export_evidence", "--as", "olivia", "--client", "clinic-001")
WHAT = ("--start", "2026-01-01T00:00:00Z", "--end", "2026-02-01T00:00:00Z")


@pytest.fixture(autouse=True)
def vault(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A vault, and the password where the command is run."""
    monkeypatch.chdir(tmp_path)
    Path("password").write_text(f"{PASSWORD}\n")
    root = tmp_path / "vault"
    settings.COMPLIANCE_EVIDENCE_VAULT_DIR = str(root)
    yield root
    vaults.loosen(root)


@pytest.fixture
def services(tmp_path: Path, settings: Any) -> Iterator[ExternalServer]:
    with ExternalServer(tmp_path / "external").serving() as external:
        settings.COMPLIANCE_EVIDENCE_EXTERNAL_WORM_ENDPOINT = external.archive_url
        settings.COMPLIANCE_EVIDENCE_EXTERNAL_KMS_WRAP_ENDPOINT = external.wrap_url
        settings.COMPLIANCE_EVIDENCE_EXTERNAL_KMS_UNWRAP_ENDPOINT = external.unwrap_url
        settings.COMPLIANCE_EVIDENCE_EXTERNAL_AUTH_TOKEN = external.token
        settings.COMPLIANCE_EVIDENCE_EXTERNAL_ALLOWED_NETWORKS = ["127.0.0.0/8"]
        yield external


def run(*options: str) -> str:
    out = io.StringIO()
    call_command(*WHO, *WHAT, "--password-file", "password", *options, stdout=out)
    return out.getvalue()


def refused(*options: str) -> CommandError:
    with pytest.raises(CommandError) as caught:
        run(*options)
    return caught.value


def test_a_package_goes_to_the_vault_unless_it_is_said_otherwise(world: World, vault: Path) -> None:
    helpers.some_events()
    told = json.loads(run("--json"))
    package = Package.objects.get()
    assert (
        told.items()
        >= {
            "bundle_id": package.bundle_id,
            "package_path": package.package_path,
            "package_sha256": package.package_sha256,
            "events": 3,
        }.items()
    )
    assert package.vault_mode == "local"
    assert list(vault.rglob(f"{package.bundle_id}.zip"))
    run("--vault-mode", "none")
    assert len(list(vault.rglob("*.zip"))) == 1


def test_what_is_asked_for_is_what_is_made(world: World) -> None:
    run("--prefix", "quarter", "--retention-policy", "regulatory_7y", "--countersignatures", "2",
        "--type", "access.denied", "--type", "access.user.created",
        "--note", "For the board")  # fmt: skip
    package = Package.objects.get()
    assert package.bundle_id.startswith("quarter_")
    assert package.retention_policy == "regulatory_7y"
    assert (package.required_signatures, package.required_countersignatures) == (1, 2)
    assert package.event_types == ["access.denied", "access.user.created"]
    assert package.note == "For the board"
    assert package.maker == world.person("olivia")
    assert (package.run.triggered_by, package.run.status) == ("user:olivia", "SUCCESS")


def test_without_a_signature(world: World) -> None:
    run("--unsigned")
    package = Package.objects.get()
    assert (package.required_signatures, package.required_countersignatures) == (0, 0)


def test_outside_services_are_asked_when_it_is_said(world: World, services: ExternalServer) -> None:
    run("--vault-mode", "none")
    assert services.seen == []
    run("--external-worm", "--external-kms", "--strict")
    package = Package.objects.latest("created_at")
    assert (package.external_worm_status, package.external_kms_status) == ("OK", "OK")


def test_strict_fails_with_the_reason_and_otherwise_it_is_kept_in_the_record(
    world: World, services: ExternalServer, vault: Path
) -> None:
    services.inject(Kind.ANSWER, path="/archive", status=403)
    error = refused("--external-worm", "--strict")
    assert error.returncode == 1
    assert "External archive: FAILED: http_403" in str(error)
    assert str(error).endswith("[external_service_failed]")
    assert list(vault.rglob("*.zip")) == []
    run("--external-worm")
    package = Package.objects.latest("created_at")
    assert package.external_worm_status.startswith("FAILED: http_403")


def test_what_may_pass_is_left_to_the_worker(world: World, vault: Path) -> None:
    vault.write_bytes(b"no folder")
    error = refused()
    assert error.returncode == 1
    waiting = Run.objects.get()
    assert f"The worker goes on with run {waiting.pk}" in str(error)
    assert "COMPLIANCE_EVIDENCE_VAULT_DIR" in str(error)
    assert (waiting.status, waiting.attempts) == ("QUEUED", 1)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--vault-mode", "s3"), "vault_mode"),
        (("--external-worm", "--strict"), "external_worm"),
        (("--external-kms", "--strict"), "external_kms"),
        (("--retention-policy", "for ever"), "retention_policy"),
        (("--unsigned", "--countersignatures", "1"), "required_countersignatures"),
        (("--note", "a\x00b"), "note"),
    ],
)
def test_what_can_not_be_done_is_refused_by_name(
    world: World, options: tuple[str, ...], said: str
) -> None:
    error = refused(*options)
    assert error.returncode == 2
    assert str(error).startswith(f"{said}: ")
    assert not Run.objects.exists()
