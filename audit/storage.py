"""Where the archive lies, as the settings say, and for how long its objects are locked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache

from django.conf import settings

from audit.models import Storage
from sealing.errors import Invalid
from sealing.stores.base import LockMode, Retention, Store
from sealing.stores.opening import S3Options, open_store

# No lock ends sooner than this after an object was written, however old its events are.
LEAST_LOCK = timedelta(days=1)


class StorageNotConfigured(Invalid):
    """The settings do not say where the archive lies."""

    code = "storage_not_configured"


def backend() -> Storage:
    """`Storage.LOCAL` or `Storage.S3`. Raises StorageNotConfigured."""
    try:
        return {"local": Storage.LOCAL, "s3": Storage.S3}[settings.AUDIT_STORAGE_BACKEND]
    except KeyError as error:
        raise StorageNotConfigured(
            "AUDIT_STORAGE_BACKEND is neither local nor s3.", field="AUDIT_STORAGE_BACKEND"
        ) from error


def location() -> str:
    """``s3://bucket/prefix`` or the folder's path. Raises StorageNotConfigured."""
    if backend() is Storage.LOCAL:
        if not settings.AUDIT_STORAGE_PATH.name:
            raise StorageNotConfigured("AUDIT_STORAGE_PATH is not set.", field="AUDIT_STORAGE_PATH")
        return str(settings.AUDIT_STORAGE_PATH)
    if not settings.AUDIT_S3_BUCKET:
        raise StorageNotConfigured("AUDIT_S3_BUCKET is not set.", field="AUDIT_S3_BUCKET")
    prefix = settings.AUDIT_S3_PREFIX.strip("/")
    return f"s3://{settings.AUDIT_S3_BUCKET}/{prefix}".rstrip("/")


def archive_store() -> Store:
    """The archive. Raises StorageNotConfigured."""
    return open_location(location())


def forensic_store() -> Store:
    """Where objects in question are copied to: AUDIT_FORENSIC_LOCATION, or beside the archive."""
    return open_location(settings.AUDIT_FORENSIC_LOCATION or f"{location()}-forensic")


def open_location(text: str) -> Store:
    """A store by its location, reached as the settings of the archive say."""
    return _opened(text, s3_options())


def s3_options() -> S3Options:
    """How S3 is reached."""
    return S3Options(
        region=settings.AUDIT_S3_REGION or None,
        endpoint_url=settings.AUDIT_S3_ENDPOINT_URL or None,
        force_path_style=settings.AUDIT_S3_FORCE_PATH_STYLE,
        kms_key_id=settings.AUDIT_S3_KMS_KEY_ID or None,
        max_attempts=settings.AWS_MAX_ATTEMPTS,
    )


def lock_mode() -> LockMode:
    """The mode in which objects are locked. Raises StorageNotConfigured."""
    try:
        return LockMode(settings.AUDIT_S3_OBJECT_LOCK_MODE.lower())
    except ValueError as error:
        raise StorageNotConfigured(
            "AUDIT_S3_OBJECT_LOCK_MODE is neither governance nor compliance.",
            field="AUDIT_S3_OBJECT_LOCK_MODE",
        ) from error


def retention_for(newest: datetime, *, now: datetime) -> Retention:
    """The lock of an object whose newest content is of ``newest`` (docs/formats.md §3).

    Until the later of that and the retention, or a day from now, rounded up to a second.
    """
    kept = newest + timedelta(days=settings.AUDIT_S3_OBJECT_LOCK_DAYS)
    until = max(kept, now + LEAST_LOCK).astimezone(UTC)
    if until.microsecond:
        until = until.replace(microsecond=0) + timedelta(seconds=1)
    return Retention(lock_mode(), until)


@lru_cache(maxsize=16)
def _opened(text: str, options: S3Options) -> Store:
    return open_store(text, options)
