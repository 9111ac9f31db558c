"""Each system check of the archive fires on its one fault."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from audit import checks


def ids(found: list[Any]) -> list[str]:
    return [message.id for message in found]


def test_the_tests_settings_pass() -> None:
    assert ids(checks.check_archive(None)) == []


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("AUDIT_STORAGE_BACKEND", "tape", "audit.E002"),
        ("AUDIT_STORAGE_PATH", Path(), "audit.E002"),
        ("AUDIT_S3_OBJECT_LOCK_MODE", "loose", "audit.E002"),
        ("AUDIT_STORAGE_PATH", Path("var/audit"), "audit.E003"),
        ("AUDIT_S3_OBJECT_LOCK_DAYS", 0, "audit.E004"),
        ("AUDIT_VERIFY_LOOKBACK_DAYS", 0, "audit.E005"),
        ("AWS_MAX_ATTEMPTS", 0, "audit.E006"),
    ],
)
def test_a_fault_is_named(settings: Any, name: str, value: object, expected: str) -> None:
    setattr(settings, name, value)
    assert ids(checks.check_archive(None)) == [expected]


def test_a_bucket_must_be_named(settings: Any) -> None:
    settings.AUDIT_STORAGE_BACKEND = "s3"
    assert ids(checks.check_archive(None)) == ["audit.E002"]
    settings.AUDIT_S3_BUCKET = "evidence"
    assert ids(checks.check_archive(None)) == []


def test_production_is_warned_of_what_is_weaker(settings: Any) -> None:
    assert ids(checks.check_archive_for_production(None)) == ["audit.W010"]
    settings.AUDIT_STORAGE_BACKEND = "s3"
    settings.AUDIT_S3_BUCKET = "evidence"
    assert ids(checks.check_archive_for_production(None)) == []
    settings.AUDIT_S3_OBJECT_LOCK_MODE = "governance"
    assert ids(checks.check_archive_for_production(None)) == ["audit.W011"]


def test_an_authority_needs_its_certificates(settings: Any) -> None:
    assert ids(checks.check_outside(None)) == []
    settings.TSA_URL = "https://tsa.example.org"
    assert ids(checks.check_outside(None)) == ["audit.E007"]


def test_a_topic_must_have_a_name(settings: Any) -> None:
    settings.KAFKA_TOPIC = "no topic"
    assert ids(checks.check_outside(None)) == ["audit.E008"]
