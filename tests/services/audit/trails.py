"""Logs of several days, archived or not, for tests of what reads them."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import Any

import psycopg
import pytest
from django.db import connections

from audit.events import Actor
from audit.services import archiving, clock, keys
from tests.databases import CommittedDatabase
from tests.servers.buckets import Bucket
from tests.services.audit.helpers import seal

ACTOR = Actor.system("test")


def seal_on(day: date, count: int = 1, hour: int = 12, **options: Any) -> list[str]:
    """Seals events as if it were noon, or another hour, of that day."""
    moment = datetime.combine(day, time(hour), UTC)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clock, "host_clock", lambda: moment)
        patch.setattr(clock, "database_clock", lambda: moment)
        return seal(count, **options)


def archive() -> archiving.Archived:
    """Archives everything that is sealed."""
    keys.ensure_service_keys(actor=ACTOR)
    return archiving.archive_pending()


def in_s3(settings: Any, bucket: Bucket) -> None:
    """Points the settings at a bucket."""
    settings.AUDIT_STORAGE_BACKEND = "s3"
    settings.AUDIT_S3_BUCKET = bucket.name
    settings.AUDIT_S3_PREFIX = bucket.prefix
    settings.AUDIT_S3_REGION = "us-east-1"
    settings.AUDIT_S3_ENDPOINT_URL = bucket.endpoint_url
    settings.AUDIT_S3_FORCE_PATH_STYLE = True
    settings.AUDIT_S3_OBJECT_LOCK_MODE = "compliance"
    settings.AUDIT_S3_OBJECT_LOCK_DAYS = 30


def tamper(database: CommittedDatabase, *statements: str) -> None:
    """What somebody with every right can do to the events, triggers or not."""
    connections.close_all()
    with psycopg.connect(database.superuser_url) as connection:
        connection.execute(b"ALTER TABLE audit_events DISABLE TRIGGER USER")
        for statement in statements:
            connection.execute(statement.encode())
        connection.execute(b"ALTER TABLE audit_events ENABLE TRIGGER USER")
        for trigger in (b"audit_events_append_only", b"audit_events_no_truncate"):
            connection.execute(b"ALTER TABLE audit_events ENABLE ALWAYS TRIGGER " + trigger)
