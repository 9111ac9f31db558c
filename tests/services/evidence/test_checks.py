"""The room's system checks: each names the one setting that is wrong."""

from __future__ import annotations

from typing import Any

import pytest

from evidence import checks

GOOD = {
    "COMPLIANCE_EVIDENCE_VAULT_DIR": "/srv/vault",
    "EVIDENCE_VAULT_ENCRYPTION": "local",
    "KEY_ENCRYPTION_KEYS_FORMER": (b"k" * 32,),
    "COMPLIANCE_EVIDENCE_EXTERNAL_WORM_ENDPOINT": "https://worm.example.org/archive",
    "COMPLIANCE_EVIDENCE_EXTERNAL_KMS_WRAP_ENDPOINT": "https://kms.example.org/wrap",
    "COMPLIANCE_EVIDENCE_EXTERNAL_KMS_UNWRAP_ENDPOINT": "https://kms.example.org/unwrap",
    "COMPLIANCE_EVIDENCE_EXTERNAL_AUTH_TOKEN": "a-token-of-some-length",
    "COMPLIANCE_EVIDENCE_EXTERNAL_ALLOWED_NETWORKS": ["10.1.0.0/16", "fd00::/8"],
}


def found(settings: Any, **changed: Any) -> list[str]:
    for name, value in {**GOOD, **changed}.items():
        setattr(settings, name, value)
    messages = checks.check_vault(None) + checks.check_endpoints(None)
    assert all("a-token-of-some-length" not in str(message) for message in messages)
    return [str(message.id) for message in messages]


def test_a_good_configuration(settings: Any) -> None:
    assert found(settings) == []
    assert checks.check_vault_for_production(None) == []


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"COMPLIANCE_EVIDENCE_VAULT_DIR": "vault"}, "E001"),
        ({"KEY_ENCRYPTION_KEYS_FORMER": (b"short",)}, "E002"),
        ({"EVIDENCE_VAULT_ENCRYPTION": "rot13"}, "E003"),
        ({"EVIDENCE_VAULT_ENCRYPTION": "aws_kms"}, "E003"),
        ({"EVIDENCE_VAULT_ENCRYPTION": "pkcs11"}, "E003"),
        ({"COMPLIANCE_EVIDENCE_EXTERNAL_WORM_ENDPOINT": "ftp://worm.example.org"}, "E004"),
        ({"COMPLIANCE_EVIDENCE_EXTERNAL_AUTH_TOKEN": "with space"}, "E004"),
        ({"COMPLIANCE_EVIDENCE_EXTERNAL_TIMEOUT_SECONDS": 0}, "E004"),
        ({"COMPLIANCE_EVIDENCE_EXTERNAL_ALLOWED_NETWORKS": ["10.0.0.1/8"]}, "E005"),
        ({"COMPLIANCE_EVIDENCE_EXTERNAL_KMS_WRAP_ENDPOINT": ""}, "E006"),
    ],
)
def test_what_is_wrong_is_named(settings: Any, changed: dict[str, Any], expected: str) -> None:
    assert set(found(settings, **changed)) == {f"evidence.{expected}"}


def test_an_external_key_needs_somebody_who_unwraps(settings: Any) -> None:
    changed = {"COMPLIANCE_EVIDENCE_EXTERNAL_KMS_UNWRAP_ENDPOINT": ""}
    assert found(settings, EVIDENCE_VAULT_ENCRYPTION="external_kms", **changed) == ["evidence.E003"]


def test_no_vault_at_all_is_told_to_production(settings: Any) -> None:
    settings.COMPLIANCE_EVIDENCE_VAULT_DIR = settings.EVIDENCE_VAULT_S3_BUCKET = ""
    assert [message.id for message in checks.check_vault_for_production(None)] == ["evidence.W001"]
