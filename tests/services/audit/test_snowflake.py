"""What Snowflake is given, from a real archive; the check runs in PostgreSQL, which lacks SHA2.

There is no Snowflake here. Its SHA2 and its `'\\0'` are stood in for by a function; the rest of the
check is run as it is written.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.core.management import CommandError, call_command

from audit import storage
from audit.formats import snowflake as formats
from audit.formats.snowflake import SnowflakeRefused
from audit.models import Segment
from audit.services import archiving, checkpoints, loghead, objects, snowflake
from audit.services.snowflake import RangeRefused
from sealing import canonical
from sealing.digests import sha256_tag, tag
from tests.databases import CommittedDatabase
from tests.services.audit.helpers import seal
from tests.unit.audit_formats.logs import Log, event_bytes

pytestmark = pytest.mark.usefixtures("committed_world")
# Only what PostgreSQL has not: the digest of a text that begins with an escaped NUL.
SHA2 = r"""
CREATE FUNCTION sha2(message text, bits int) RETURNS text LANGUAGE sql AS $$
    SELECT CASE WHEN bits = 256 AND left(message, 2) = '\0'
        THEN encode(sha256('\x00'::bytea || convert_to(substr(message, 3), 'UTF8')), 'hex') END
$$;
CREATE TABLE audit_lines (seq bigint NOT NULL, line text NOT NULL);
"""


@pytest.fixture
def database(committed_db: CommittedDatabase) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(committed_db.superuser_url, autocommit=True) as conn:
        conn.execute(SHA2)
        yield conn


def load(database: psycopg.Connection[Any], lines: list[tuple[int, bytes]]) -> None:
    with database.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO audit_lines VALUES (%s, %s)",
            [(seq, line.decode()) for seq, line in lines],
        )


def check(database: psycopg.Connection[Any], origin: str) -> list[tuple[int, str]]:
    """What the check finds."""
    faults, _ = formats.check_sql(origin).split("LIMIT 100;")
    return database.execute(faults).fetchall()


def reach(database: psycopg.Connection[Any], origin: str) -> tuple[int, str]:
    """How far the check says that it reaches."""
    _, end = formats.check_sql(origin).split("LIMIT 100;")
    found = database.execute(end).fetchone()
    assert found is not None
    return found


def archived_lines() -> list[tuple[int, bytes]]:
    """What COPY INTO would load: the lines of the objects that the manifest names."""
    store, found = storage.archive_store(), []
    for item in canonical.load_document(snowflake.manifest())["segments"]:
        data = store.read(item["name"], version_id=item["version_id"] or None)
        assert sha256_tag(data) == item["sha256"]
        raw = objects.unpack(data) if item["name"].endswith(".gz") else data
        assert sha256_tag(raw) == item["raw_sha256"]
        found += list(enumerate(raw.split(b"\n")[:-1], start=item["first_seq"]))
    return found


class TestCheck:
    def test_the_archive_passes(self, database: psycopg.Connection[Any], settings: Any) -> None:
        seal(20)
        archiving.archive_pending()
        seal(5)
        archiving.archive_pending()
        load(database, archived_lines())
        head = loghead.current()
        assert check(database, settings.AUDIT_ORIGIN) == []
        assert reach(database, settings.AUDIT_ORIGIN) == (head.size, head.hash.hex())
        assert f"head {tag(head.hash)}" in checkpoints.at_size(head.size).note

    def test_letters_of_all_kinds(self, database: psycopg.Connection[Any]) -> None:
        log = Log()
        for number, text in enumerate(["é\u0301", "\U0001f512", "\\0", "'; --", '\\"', "\u2028"]):
            log.add(event_bytes(number, data={"text": text}))
        load(database, list(enumerate(log.lines)))
        assert check(database, log.origin) == []

    def test_loaded_twice_is_no_fault(self, database: psycopg.Connection[Any]) -> None:
        log = of(3)
        load(database, list(enumerate(log.lines)) * 2)
        assert check(database, log.origin) == []

    def test_a_changed_letter(self, database: psycopg.Connection[Any]) -> None:
        log = of(5)
        lines = list(log.lines)
        lines[2] = lines[2].replace(b"user:alice", b"user:malic")
        load(database, list(enumerate(lines)))
        assert check(database, log.origin) == [(2, "its hash is not that of its bytes")]

    def test_a_missing_event(self, database: psycopg.Connection[Any]) -> None:
        log = of(5)
        load(database, [item for item in enumerate(log.lines) if item[0] != 2])
        assert check(database, log.origin) == [(3, "the event before it is missing")]

    def test_a_missing_beginning(self, database: psycopg.Connection[Any]) -> None:
        log = of(5)
        load(database, list(enumerate(log.lines))[1:])
        assert check(database, log.origin) == [(1, "the event before it is missing")]

    def test_other_bytes_for_the_same_event(self, database: psycopg.Connection[Any]) -> None:
        log, other = of(3), of(3, client_id="clinic-001")
        load(database, [*enumerate(log.lines), (1, other.lines[1])])
        assert (1, "loaded twice with different bytes") in check(database, log.origin)

    def test_a_rewritten_tail(self, database: psycopg.Connection[Any]) -> None:
        log, other = of(5), of(5, client_id="clinic-001")
        load(database, list(enumerate(log.lines[:3] + other.lines[3:])))
        assert check(database, log.origin) == [(3, "it does not link to the one before")]

    def test_another_log(self, database: psycopg.Connection[Any]) -> None:
        log = of(3)
        load(database, list(enumerate(log.lines)))
        assert check(database, "elsewhere.example.org/audit") == [
            (0, "it does not link to the one before")
        ]


def of(size: int, **changes: Any) -> Log:
    log = Log()
    for number in range(size):
        log.add(event_bytes(number, **changes))
    return log


class TestCommand:
    def test_the_manifest_of_a_local_archive(self, settings: Any) -> None:
        seal(3)
        archiving.archive_pending()
        out = io.StringIO()
        call_command("snowflake_manifest", stdout=out)
        told = canonical.load_document(out.getvalue().encode())
        row = Segment.objects.get()
        assert told["last_seq"] == row.last_seq
        assert told["location"] == str(settings.AUDIT_STORAGE_PATH)
        assert told["segments"][0]["key"] == row.object_key

    def test_from_an_event_on(self) -> None:
        for _ in range(3):
            seal(3)
            archiving.archive_pending()
        _, second, third = Segment.objects.order_by("first_seq")
        told = canonical.load_document(snowflake.manifest(from_seq=second.last_seq))
        assert [item["first_seq"] for item in told["segments"]] == [
            second.first_seq,
            third.first_seq,
        ]
        with pytest.raises(RangeRefused):
            snowflake.manifest(from_seq=third.last_seq + 1)

    def test_what_is_only_cut_is_not_named(self) -> None:
        seal(3)
        archiving.archive_pending()
        row = Segment.objects.get()
        Segment.objects.create(
            first_seq=row.last_seq + 1,
            last_seq=row.last_seq + 2,
            day=row.day,
            raw_sha256=row.raw_sha256,
            raw_bytes=1,
            newest_event_at=row.newest_event_at,
            object_name="x",
        )
        told = canonical.load_document(snowflake.manifest())
        assert told["last_seq"] == row.last_seq

    def test_no_sql_for_a_local_archive(self, tmp_path: Path) -> None:
        with pytest.raises(SnowflakeRefused):
            snowflake.write_definition(tmp_path / "sql")
        assert not (tmp_path / "sql").exists()
        with pytest.raises(CommandError, match="in S3") as refused:
            call_command("snowflake_manifest", "--out", str(tmp_path / "sql"))
        assert refused.value.returncode == 2

    def test_the_files(self, settings: Any, tmp_path: Path) -> None:
        seal(3)
        archiving.archive_pending()
        settings.AUDIT_STORAGE_BACKEND, settings.AUDIT_S3_BUCKET = "s3", "vault"
        out = io.StringIO()
        for _ in range(2):  # written over, not refused, the second time
            call_command(
                "snowflake_manifest",
                "--out",
                str(tmp_path / "sql"),
                "--role-arn",
                "arn:aws:iam::123456789012:role/snowflake",
                stdout=out,
            )
        found = {path.name: path.read_text() for path in (tmp_path / "sql").iterdir()}
        assert found.keys() == {"setup.sql", "backfill.sql", "check.sql", "manifest.json"}
        assert "s3://vault/audit/" in found["setup.sql"]
        assert "123456789012" in found["setup.sql"]
        assert Segment.objects.get().object_name in found["backfill.sql"]
        assert found["manifest.json"] == snowflake.manifest().decode()
        assert out.getvalue().startswith("1 segments; written to")
