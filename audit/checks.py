"""System checks of the room."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core import checks
from django.db import DatabaseError

from audit import storage
from audit.models import Storage
from audit.services import kafka, loghead
from sealing.stores.base import LockMode


def connect() -> None:
    """Registers the checks with Django."""
    checks.register(check_origin, checks.Tags.database)
    checks.register(check_archive)
    checks.register(check_outside)
    checks.register(check_archive_for_production, checks.Tags.security, deploy=True)


def check_origin(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **kwargs: Any
) -> list[checks.CheckMessage]:
    """The log in the database is the one that AUDIT_ORIGIN names."""
    if not databases or "default" not in databases:
        return []
    try:
        stored = loghead.stored_origin()
    except DatabaseError:
        return []  # not migrated yet, or not reachable, which another check tells
    if stored is None or stored == settings.AUDIT_ORIGIN:
        return []
    return [
        checks.Error(
            f"The log in this database is {stored}, but AUDIT_ORIGIN is"
            f" {settings.AUDIT_ORIGIN or 'not set'}.",
            hint="A log keeps its name for ever: set AUDIT_ORIGIN back, or use the log's database.",
            id="audit.E001",
        )
    ]


def check_archive(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[checks.CheckMessage]:
    """It is said where the archive lies, and how and for how long its objects are locked."""
    found: list[checks.CheckMessage] = []
    try:
        storage.location()
        storage.lock_mode()
    except storage.StorageNotConfigured as error:
        found.append(
            checks.Error(
                error.message,
                hint="docs/operators/configuration.md tells what the archive needs.",
                id="audit.E002",
            )
        )
        return found
    if storage.backend() is Storage.LOCAL and not settings.AUDIT_STORAGE_PATH.is_absolute():
        found.append(checks.Error("AUDIT_STORAGE_PATH is not an absolute path.", id="audit.E003"))
    if settings.AUDIT_S3_OBJECT_LOCK_DAYS < 1:
        found.append(
            checks.Error("AUDIT_S3_OBJECT_LOCK_DAYS is less than one day.", id="audit.E004")
        )
    if settings.AUDIT_VERIFY_LOOKBACK_DAYS < 1:
        found.append(
            checks.Error("AUDIT_VERIFY_LOOKBACK_DAYS is less than one day.", id="audit.E005")
        )
    if settings.AWS_MAX_ATTEMPTS < 1:
        found.append(checks.Error("AWS_MAX_ATTEMPTS is less than one.", id="audit.E006"))
    return found


def check_outside(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[checks.CheckMessage]:
    """What is needed to believe a timestamp authority, and to name a topic, is there."""
    found: list[checks.CheckMessage] = []
    if settings.TSA_URL and not settings.TSA_CERTIFICATES:
        found.append(
            checks.Error(
                "TSA_URL is set, but not TSA_CERTIFICATES.",
                hint="A token is only kept after it was checked against its authority.",
                id="audit.E007",
            )
        )
    try:
        kafka.check_topic(settings.KAFKA_TOPIC)
    except kafka.KafkaRefused as error:
        found.append(checks.Error(f"KAFKA_TOPIC: {error.message}", id="audit.E008"))
    return found


def check_archive_for_production(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[checks.CheckMessage]:
    """What an auditor would ask about an archive that is weaker than it could be."""
    try:
        backend, mode = storage.backend(), storage.lock_mode()
    except storage.StorageNotConfigured:
        return []  # told by check_archive
    if backend is Storage.LOCAL:
        return [
            checks.Warning(
                "The archive is a local folder: whoever is root there can remove it.",
                hint="Use a bucket with Object Lock, or keep the folder on write-once media.",
                id="audit.W010",
            )
        ]
    if mode is LockMode.GOVERNANCE:
        return [
            checks.Warning(
                "Objects are locked in governance mode: whoever has the right can remove them.",
                hint="AUDIT_S3_OBJECT_LOCK_MODE=compliance lets nobody.",
                id="audit.W011",
            )
        ]
    return []
