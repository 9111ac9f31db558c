"""The SQL and the manifest for Snowflake: what they name, and what is never written into SQL."""

from __future__ import annotations

import re
from itertools import chain
from typing import Any

import pytest

from audit.formats import snowflake
from audit.formats.event import genesis_hash
from audit.formats.snowflake import ArchivedSegment, SnowflakeRefused
from sealing import canonical

ORIGIN, LOCATION = "strongroom.example.org/audit", "s3://vault/audit"


def segments(count: int, size: int = 10) -> list[ArchivedSegment]:
    return [segment(first * size, (first + 1) * size - 1) for first in range(count)]


def segment(first: int, last: int, **changes: Any) -> ArchivedSegment:
    name = f"2026/03/01/{first:016d}-{last:016d}.jsonl.gz"
    fields: dict[str, Any] = {
        "first_seq": first,
        "last_seq": last,
        "name": name,
        "key": f"audit/{name}",
        "version_id": f"v{first}",
        "sha256": "sha256:" + "0" * 64,
        "size_bytes": 100,
        "raw_sha256": "sha256:" + "1" * 64,
    }
    return ArchivedSegment(**(fields | changes))


class TestManifest:
    def test_it_names_every_segment_in_order(self) -> None:
        document = snowflake.manifest(ORIGIN, LOCATION, segments(3))
        told = canonical.load_document(document)
        assert (told["format"], told["origin"], told["location"]) == (
            "strongroom/replay-manifest/v1",
            ORIGIN,
            LOCATION,
        )
        assert (told["first_seq"], told["last_seq"]) == (0, 29)
        assert [item["first_seq"] for item in told["segments"]] == [0, 10, 20]
        assert told["segments"][1] == {
            "first_seq": 10,
            "last_seq": 19,
            "name": "2026/03/01/0000000000000010-0000000000000019.jsonl.gz",
            "key": "audit/2026/03/01/0000000000000010-0000000000000019.jsonl.gz",
            "version_id": "v10",
            "sha256": "sha256:" + "0" * 64,
            "size_bytes": 100,
            "raw_sha256": "sha256:" + "1" * 64,
        }

    def test_of_nothing(self) -> None:
        told = canonical.load_document(snowflake.manifest(ORIGIN, LOCATION, []))
        assert (told["first_seq"], told["last_seq"], told["segments"]) == (None, None, [])

    @pytest.mark.parametrize(("first", "second"), [(0, 20), (0, 5)], ids=["gap", "overlap"])
    def test_a_gap_is_no_manifest(self, first: int, second: int) -> None:
        with pytest.raises(SnowflakeRefused, match="gap"):
            snowflake.manifest(
                ORIGIN, LOCATION, [segment(first, first + 9), segment(second, second + 9)]
            )


class TestSetup:
    def test_it_names_the_archive(self) -> None:
        sql = snowflake.setup_sql(ORIGIN, LOCATION, "arn:aws:iam::123456789012:role/snowflake")
        assert sql.count("'s3://vault/audit/'") == 2
        assert "STORAGE_AWS_ROLE_ARN = 'arn:aws:iam::123456789012:role/snowflake'" in sql

    def test_nothing_in_a_line_is_interpreted(self) -> None:
        sql = snowflake.setup_sql(ORIGIN, LOCATION)
        for option in (
            "FIELD_DELIMITER = NONE",
            r"RECORD_DELIMITER = '\n'",
            "ESCAPE = NONE",
            "ESCAPE_UNENCLOSED_FIELD = NONE",
            "FIELD_OPTIONALLY_ENCLOSED_BY = NONE",
            "TRIM_SPACE = FALSE",
            "NULL_IF = ()",
            "REPLACE_INVALID_CHARACTERS = FALSE",
        ):
            assert f"  {option}\n" in sql

    def test_the_pipe_takes_segments_and_nothing_else(self) -> None:
        sql = snowflake.setup_sql(ORIGIN, LOCATION)
        found = re.search(r"PATTERN = '([^']+)'", sql)
        assert found is not None
        pattern = re.compile(found.group(1))
        assert pattern.fullmatch(f"audit/{segment(0, 9).name}")
        for name in (
            "audit/2026/03/01/0000000000000000-0000000000000009.checkpoint",
            "audit/2026/03/01/0000000000000000-0000000000000009.jsonl",
            "audit/heartbeat/2026/03/01/120000.000000.checkpoint",
            "audit/verifications/2026/03/01/120000.000000.json",
        ):
            assert not pattern.fullmatch(name)

    @pytest.mark.parametrize("location", ["/var/archive", "memory", "s3:/x", "https://x"])
    def test_only_archives_in_s3(self, location: str) -> None:
        with pytest.raises(SnowflakeRefused):
            snowflake.setup_sql(ORIGIN, location)

    @pytest.mark.parametrize("text", ["a'b", 'a"b', "a\\b", "a;b", "a\nb", "ä", "a\x00"])
    def test_what_could_end_a_string_is_refused(self, text: str) -> None:
        for arguments in ((text, LOCATION, "r"), (ORIGIN, f"s3://{text}", "r")):
            with pytest.raises(SnowflakeRefused):
                snowflake.setup_sql(*arguments)
        with pytest.raises(SnowflakeRefused):
            snowflake.setup_sql(ORIGIN, LOCATION, text)
        with pytest.raises(SnowflakeRefused):
            snowflake.backfill_sql([segment(0, 9, name=text)])


class TestBackfill:
    def test_segments_in_order_and_a_thousand_a_statement(self) -> None:
        sql = snowflake.backfill_sql(segments(2_001))
        statements = sql.split(";\n")[:-1]
        assert len(statements) == 3
        names = [re.findall(r"^    '(.+)',?$", statement, re.M) for statement in statements]
        assert [len(found) for found in names] == [1_000, 1_000, 1]
        assert list(chain(*names)) == [item.name for item in segments(2_001)]
        assert statements[2].startswith("\n-- Events 20000 to 20009.")
        assert all("ON_ERROR = ABORT_STATEMENT" in statement for statement in statements)

    def test_of_nothing(self) -> None:
        assert snowflake.backfill_sql([]) == "-- There is nothing to load.\n"

    def test_pipe_and_backfill_load_alike(self) -> None:
        setup, backfill = snowflake.setup_sql(ORIGIN, LOCATION), snowflake.backfill_sql(segments(1))
        copy = backfill[backfill.index("COPY INTO") : backfill.index("\n  FILES")]
        assert copy in setup


def test_the_check_begins_with_the_genesis_hash() -> None:
    assert f"'{genesis_hash(ORIGIN).hex()}'" in snowflake.check_sql(ORIGIN)
