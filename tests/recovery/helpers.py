"""What the tests of recovery share."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
from django.conf import settings
from django.db import connection

from audit.events import Actor
from audit.models import AuditEvent, Checkpoint, Segment
from audit.services import archiving, loghead
from audit.services.recovery import console, restoring, swapping
from audit.services.verification import verify_database
from audit.verify import load_signers
from sealing.results import Verdict
from tests import databases
from tests.services.audit.helpers import seal

PROJECT = Path(__file__).resolve().parents[2]


def archived_log(events: int = 50) -> dict[str, Any]:
    """Seals and archives events; says how the log then stands."""
    seal(events)
    archiving.archive_pending()
    return standing()


def standing() -> dict[str, Any]:
    """Head, root, notes, lines and pointers of the log that is in use."""
    head = loghead.current()
    return {
        "size": head.size,
        "head": head.hash,
        "root": head.root,
        "notes": set(Checkpoint.objects.values_list("note", flat=True)),
        "events": list(
            AuditEvent.objects.order_by("seq").values_list(
                "seq", "id", "created_at", "event", "s3_object_key"
            )
        ),
        "segments": list(
            Segment.objects.order_by("first_seq").values_list(
                "first_seq", "last_seq", "raw_sha256", "object_key", "stored_sha256", "status"
            )
        ),
    }


def assert_holds() -> None:
    found = verify_database(actor=Actor.system("test"))
    assert found.verdict is Verdict.VALID, found.report.issues


def sql(statement: str, *values: Any) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return list(cursor.fetchall()) if cursor.description else []


def flip(path: Path, at: int) -> None:
    """Changes one bit of a file that is read-only."""
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.chmod(0o640)
    path.write_bytes(bytes(data))


def segments_below(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.jsonl"))


def manage(
    *arguments: str, urls: databases.DatabaseUrls | databases.CommittedDatabase, owner: bool = True
) -> subprocess.CompletedProcess[str]:
    """Runs `manage.py` as an operator would, against that database."""
    application = getattr(urls, "application", None) or getattr(urls, "app_url", "")
    owner_url = getattr(urls, "owner", None) or getattr(urls, "owner_url", "")
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "DATABASE_URL": application,
        "DATABASE_OWNER_URL": owner_url if owner else "",
        "AUDIT_SIGNER_STATE": str(settings.AUDIT_SIGNER_STATE),
        "AUDIT_STORAGE_BACKEND": settings.AUDIT_STORAGE_BACKEND,
        "AUDIT_STORAGE_PATH": str(settings.AUDIT_STORAGE_PATH),
        "AUDIT_S3_BUCKET": settings.AUDIT_S3_BUCKET,
        "AUDIT_S3_PREFIX": settings.AUDIT_S3_PREFIX,
        "AUDIT_S3_REGION": settings.AUDIT_S3_REGION,
        "AUDIT_S3_ENDPOINT_URL": settings.AUDIT_S3_ENDPOINT_URL,
        "AUDIT_S3_FORCE_PATH_STYLE": str(settings.AUDIT_S3_FORCE_PATH_STYLE).lower(),
        "EVIDENCE_PACKAGE_DIR": str(settings.EVIDENCE_PACKAGE_DIR),
    }
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=PROJECT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def document(path: Path) -> Any:
    return json.loads(path.read_bytes())


def below(folder: Path) -> dict[str, bytes]:
    """The objects in a local store, without its records of locks."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and ".locks" not in path.parts
    }


def restore(location: object, signers: Path, **options: Any) -> restoring.Restored:
    return restoring.restore(
        actor=console.operator(),
        location=str(location),
        signers=load_signers(signers),
        **options,
    )


def lost_host() -> None:
    """The disaster took the signer's memory, too."""
    settings.AUDIT_SIGNER_STATE.unlink()


def as_owner(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as owner:
        for statement in statements:
            owner.execute(statement)


def damage(url: str, seq: int, table: str = "audit_events") -> None:
    """What somebody with the owner's rights could do, who puts the guard back afterwards."""
    as_owner(
        url,
        f"ALTER TABLE {table} DISABLE TRIGGER audit_events_append_only",
        f"UPDATE {table} SET event = replace(event, '\"data\":', '\"data\" :') WHERE seq = {seq}",
        f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER audit_events_append_only",
    )


SCHEMA = "restored_log"


def beside(signers: Path, **options: Any) -> restoring.Restored:
    """Restores the archive beside the log in use."""
    return restore(settings.AUDIT_STORAGE_PATH, signers, schema=SCHEMA, **options)


def swap() -> swapping.Swapped:
    return swapping.swap(actor=console.operator(), schema=SCHEMA)
