"""Each system check of the settings fires on its one fault and is silent otherwise."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings

from config import checks
from sealing.signers.local import LocalSigner

PROJECT = Path(__file__).resolve().parents[2]


def ids(found: list[Any]) -> list[str]:
    return [message.id for message in found]


def test_the_tests_settings_pass_every_check(db: None) -> None:
    assert ids(checks.check_secrets(None)) == []
    assert ids(checks.check_places(None)) == []
    assert ids(checks.check_database_roles(None, databases=["default"])) == []
    assert ids(checks.check_deployment(None)) == []


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("SECRET_KEY_CONFIGURED", False, "strongroom.E001"),
        ("KEY_ENCRYPTION_KEY", b"short", "strongroom.E002"),
        ("SIGNING_PRIVATE_KEY", "", "strongroom.E003"),
        ("SIGNING_PRIVATE_KEY", LocalSigner.generate("ed25519").private_pem(), "strongroom.E003"),
        ("JWT_SIGNING_KEY", "not a key", "strongroom.E004"),
    ],
)
def test_a_faulty_secret_is_named(settings: Any, name: str, value: object, expected: str) -> None:
    setattr(settings, name, value)
    assert ids(checks.check_secrets(None)) == [expected]


def test_a_key_may_serve_one_purpose_only(settings: Any) -> None:
    settings.JWT_SIGNING_KEY = settings.SIGNING_PRIVATE_KEY
    assert ids(checks.check_secrets(None)) == ["strongroom.E005"]


def test_a_key_never_shows_in_a_message(settings: Any) -> None:
    settings.SIGNING_PRIVATE_KEY = settings.SIGNING_PRIVATE_KEY[:-200]
    (found,) = checks.check_secrets(None)
    assert settings.SIGNING_PRIVATE_KEY[100:140] not in str(found)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("DATABASE_URL", "", "strongroom.E010"),
        ("AUDIT_ORIGIN", "", "strongroom.E011"),
        ("EVIDENCE_PACKAGE_DIR", Path("packages"), "strongroom.E012"),
        ("AUDIT_SIGNER_STATE", Path(""), "strongroom.E013"),
        ("OIDC_ISSUER", "https://id.example.org", "strongroom.E014"),
    ],
)
def test_a_missing_place_is_named(settings: Any, name: str, value: object, expected: str) -> None:
    setattr(settings, name, value)
    assert ids(checks.check_places(None)) == [expected]


def test_a_role_that_may_rewrite_the_record_is_refused(
    committed_db: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.db import connections

    connection = connections["default"]
    connection.close()
    monkeypatch.setitem(connection.settings_dict, "USER", "strongroom_owner")
    assert ids(checks.check_database_roles(None, databases=["default"])) == ["strongroom.E016"]


def test_debug_is_refused_in_production(settings: Any) -> None:
    settings.DEBUG = True
    assert "strongroom.E020" in ids(checks.check_deployment(None))


def test_read_only_mode_is_told(settings: Any) -> None:
    settings.AUDIT_ENABLED = False
    assert ids(checks.check_deployment(None)) == ["strongroom.W021"]


def production(tmp_path: Path, **changes: str | None) -> dict[str, str]:
    """The environment of a production installation, complete and safe unless changed."""
    owner = django_settings.DATABASES["owner"]
    tail = f"{owner['NAME']}?host={owner['OPTIONS']['host']}"
    env: dict[str, str | None] = {
        "PATH": os.environ["PATH"],
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "SECRET_KEY": "x7" + base64.b64encode(os.urandom(60)).decode(),
        "KEY_ENCRYPTION_KEY": base64.b64encode(os.urandom(32)).decode(),
        "SIGNING_PRIVATE_KEY": django_settings.SIGNING_PRIVATE_KEY,
        "JWT_SIGNING_KEY": django_settings.JWT_SIGNING_KEY,
        "DATABASE_URL": f"postgresql://strongroom_app@/{tail}",
        "ALLOWED_HOSTS": "strongroom.example.org",
        "PUBLIC_URL": "https://strongroom.example.org",
        "AUDIT_ORIGIN": "strongroom.test/audit",
        "AUDIT_SIGNER_STATE": str(tmp_path / "signer-state.json"),
        "EVIDENCE_PACKAGE_DIR": str(tmp_path / "packages"),
        "AUDIT_STORAGE_BACKEND": "s3",
        "AUDIT_S3_BUCKET": "strongroom-audit",
        "EVIDENCE_VAULT_S3_BUCKET": "strongroom-vault",
    }
    env.update(changes)
    return {name: value for name, value in env.items() if value is not None}


def run(env: dict[str, str], *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command],
        cwd=PROJECT,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )


def test_check_deploy_is_clean_in_production(committed_db: Any, tmp_path: Path) -> None:
    done = run(
        production(tmp_path),
        *("manage.py", "check", "--deploy", "--database", "default", "--fail-level", "WARNING"),
    )
    assert done.returncode == 0, done.stderr
    assert "no issues (0 silenced)" in done.stdout


def test_the_server_refuses_to_start_without_a_key(committed_db: Any, tmp_path: Path) -> None:
    env = production(tmp_path, SIGNING_PRIVATE_KEY=None)
    done = run(env, "-c", "import config.wsgi")
    assert done.returncode != 0
    assert "strongroom.E003" in done.stderr


@pytest.mark.parametrize(
    "command", [("-c", "import config.wsgi"), ("manage.py", "worker")], ids=["web", "worker"]
)
def test_a_log_of_another_name_is_refused_at_start_up(
    committed_world: Any, tmp_path: Path, command: tuple[str, ...]
) -> None:
    from audit.services import sealing

    sealing.seal_pending()
    done = run(production(tmp_path, AUDIT_ORIGIN="somewhere.else/audit"), *command)
    assert done.returncode != 0
    assert "audit.E001" in done.stderr
