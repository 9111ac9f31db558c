"""SQL by which Snowflake loads the archive and checks the chain, and the manifest of what to load.

Each line is kept as the text that was hashed, beside the same as VARIANT for queries: whoever has
only parsed JSON can't recompute a hash. Snowflake reads an object by its key, not by its version,
so what it loaded is believed only after ``check.sql`` found nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Final

from audit.formats.event import genesis_hash
from sealing import canonical
from sealing.errors import Invalid

FORMAT: Final = "strongroom/replay-manifest/v1"
# COPY INTO takes at most so many names in FILES.
FILES_A_STATEMENT: Final = 1_000
ROLE_TO_FILL_IN: Final = "arn:aws:iam::ACCOUNT:role/ROLE"

_SETUP = r"""
-- Loads the archive of {origin} from {location}.
-- Run it in the database and schema that the events shall live in, with a role that may create
-- integrations; then give the AWS role the trust that DESC INTEGRATION shows.

CREATE STORAGE INTEGRATION IF NOT EXISTS strongroom_archive
  TYPE = EXTERNAL_STAGE
  STORAGE_PROVIDER = 'S3'
  ENABLED = TRUE
  STORAGE_AWS_ROLE_ARN = '{role}'
  STORAGE_ALLOWED_LOCATIONS = ('{location}/');

DESC INTEGRATION strongroom_archive;

-- One field a line and nothing interpreted in it: the text stays what was hashed.
CREATE FILE FORMAT IF NOT EXISTS strongroom_lines
  TYPE = CSV
  COMPRESSION = GZIP
  RECORD_DELIMITER = '\n'
  FIELD_DELIMITER = NONE
  SKIP_HEADER = 0
  SKIP_BLANK_LINES = FALSE
  ESCAPE = NONE
  ESCAPE_UNENCLOSED_FIELD = NONE
  FIELD_OPTIONALLY_ENCLOSED_BY = NONE
  TRIM_SPACE = FALSE
  NULL_IF = ()
  EMPTY_FIELD_AS_NULL = FALSE
  REPLACE_INVALID_CHARACTERS = FALSE
  SKIP_BYTE_ORDER_MARK = FALSE
  ENCODING = 'UTF8';

CREATE STAGE IF NOT EXISTS strongroom_archive
  URL = '{location}/'
  STORAGE_INTEGRATION = strongroom_archive
  FILE_FORMAT = (FORMAT_NAME = 'strongroom_lines');

CREATE TABLE IF NOT EXISTS audit_lines (
  seq NUMBER(16, 0) NOT NULL,
  line VARCHAR NOT NULL,
  event VARIANT NOT NULL,
  object_name VARCHAR NOT NULL,
  object_row NUMBER NOT NULL,
  loaded_at TIMESTAMP_LTZ NOT NULL
);

-- A segment may be loaded twice, by the pipe and by a backfill: each event counts once.
CREATE VIEW IF NOT EXISTS audit_events AS
SELECT
  seq,
  event:sealed_at::TIMESTAMP_NTZ AS sealed_at,
  event:event:id::VARCHAR AS id,
  event:event:type::VARCHAR AS type,
  event:event:occurred_at::TIMESTAMP_NTZ AS occurred_at,
  event:event:actor:id::VARCHAR AS actor_id,
  event:event:client_id::VARCHAR AS client_id,
  event:event:outcome::VARCHAR AS outcome,
  event:event:data AS data,
  event,
  line
FROM audit_lines
QUALIFY ROW_NUMBER() OVER (PARTITION BY seq ORDER BY loaded_at, object_name) = 1;

-- From now on: point the bucket's event notifications (s3:ObjectCreated:*, suffix .jsonl.gz) at the
-- queue that SHOW PIPES names. What lies there already is loaded by backfill.sql.
CREATE PIPE IF NOT EXISTS strongroom_segments
  AUTO_INGEST = TRUE
AS
{copy}
  PATTERN = '.*/[0-9]{{16}}-[0-9]{{16}}[.]jsonl[.]gz';

SHOW PIPES LIKE 'strongroom_segments';
"""
_COPY = """COPY INTO audit_lines (seq, line, event, object_name, object_row, loaded_at)
  FROM (
    SELECT
      PARSE_JSON($1):seq::NUMBER(16, 0),
      $1,
      PARSE_JSON($1),
      METADATA$FILENAME,
      METADATA$FILE_ROW_NUMBER,
      METADATA$START_SCAN_TIME
    FROM @strongroom_archive
  )"""
# `,"prev_hash":"sha256:` has 21 characters; a line ends with 82: `,"hash":"sha256:`, 64 digits and
# `"}`. In Snowflake `'\0'` is the character NUL, whose byte begins every leaf.
_CHECK = r"""
-- Every line gives its hash and links to the one before; an empty answer means that nothing is
-- wrong up to the last row. Compare that row's hash with a checkpoint (the line that begins
-- with "head"), whose signature Snowflake can't check: `python -m audit.verify` can.

SELECT seq, fault
FROM (
  SELECT
    seq,
    CASE
      WHEN variants > 1 THEN 'loaded twice with different bytes'
      WHEN SHA2('\0' || leaf, 256) <> own_hash THEN 'its hash is not that of its bytes'
      WHEN seq <> COALESCE(seq_before + 1, 0) THEN 'the event before it is missing'
      WHEN prev_hash <> COALESCE(hash_before, '{genesis}')
        THEN 'it does not link to the one before'
    END AS fault
  FROM (
    SELECT
      seq,
      variants,
      leaf,
      own_hash,
      prev_hash,
      LAG(seq) OVER (ORDER BY seq) AS seq_before,
      LAG(own_hash) OVER (ORDER BY seq) AS hash_before
    FROM (
      SELECT
        seq,
        COUNT(DISTINCT line) AS variants,
        LEFT(MIN(line), LENGTH(MIN(line)) - 82) AS leaf,
        SUBSTR(MIN(line), LENGTH(MIN(line)) - 65, 64) AS own_hash,
        SUBSTR(
          MIN(line), POSITION(',"prev_hash":"sha256:' IN MIN(line)) + 21, 64
        ) AS prev_hash
      FROM audit_lines
      GROUP BY seq
    ) AS each_once
  ) AS linked
) AS judged
WHERE fault IS NOT NULL
ORDER BY seq
LIMIT 100;

-- How far it reaches, and the hash to compare.
SELECT seq + 1 AS events, SUBSTR(line, LENGTH(line) - 65, 64) AS head
FROM audit_lines
ORDER BY seq DESC
LIMIT 1;
"""


class SnowflakeRefused(Invalid):
    """Snowflake can't be told to load this archive."""

    code = "snowflake_refused"


@dataclass(frozen=True, slots=True)
class ArchivedSegment:
    """A segment as its receipt tells of it.

    Attributes:
        first_seq, last_seq: the events in it, both inclusive.
        name: of the object, below the archive's root.
        key: of the object, with the prefix.
        version_id: the version that was written; empty where the store keeps none.
        sha256: digest of the object as it is stored.
        size_bytes: its size.
        raw_sha256: digest of the lines in it, unpacked.
    """

    first_seq: int
    last_seq: int
    name: str
    key: str
    version_id: str
    sha256: str
    size_bytes: int
    raw_sha256: str


def manifest(origin: str, location: str, segments: Sequence[ArchivedSegment]) -> bytes:
    """The replay manifest: which segments there are, in order, as a canonical document.

    Raises:
        SnowflakeRefused: they do not follow one another.
    """
    for before, after in pairwise(segments):
        if after.first_seq != before.last_seq + 1:
            raise SnowflakeRefused(
                f"Between the segments that end with {before.last_seq} and begin with"
                f" {after.first_seq} there is a gap: verify the archive first."
            )
    return canonical.document(
        {
            "format": FORMAT,
            "origin": origin,
            "location": location,
            "first_seq": segments[0].first_seq if segments else None,
            "last_seq": segments[-1].last_seq if segments else None,
            "segments": [asdict(segment) for segment in segments],
        }
    )


def setup_sql(origin: str, location: str, role_arn: str = ROLE_TO_FILL_IN) -> str:
    """Integration, stage, table, view and pipe.

    Args:
        origin: the log's name.
        location: the archive, ``s3://bucket/prefix``.
        role_arn: the AWS role by which Snowflake reads it.

    Raises:
        SnowflakeRefused: the archive is not in S3, or a value has characters that it can't have.
    """
    if not location.startswith("s3://"):
        raise SnowflakeRefused(f"Snowflake can't read {location}: it loads archives in S3.")
    return _SETUP.lstrip().format(
        origin=_plain(origin), location=_plain(location), role=_plain(role_arn), copy=_COPY
    )


def backfill_sql(segments: Sequence[ArchivedSegment]) -> str:
    """Loads these segments in order; those that were loaded by COPY before are passed over."""
    return "\n".join(_backfill(segments)) or "-- There is nothing to load.\n"


def check_sql(origin: str) -> str:
    """Recomputes the chain of everything that was loaded."""
    return _CHECK.lstrip().format(genesis=genesis_hash(origin).hex())


def _backfill(segments: Sequence[ArchivedSegment]) -> Iterator[str]:
    for start in range(0, len(segments), FILES_A_STATEMENT):
        chunk = segments[start : start + FILES_A_STATEMENT]
        names = ",\n    ".join(f"'{_plain(segment.name)}'" for segment in chunk)
        yield (
            f"-- Events {chunk[0].first_seq} to {chunk[-1].last_seq}.\n"
            f"{_COPY}\n  FILES = (\n    {names}\n  )\n  ON_ERROR = ABORT_STATEMENT;\n"
        )


def _plain(text: str) -> str:
    """Text as it may stand in a string or a comment. Raises SnowflakeRefused."""
    if not text.isascii() or not text.isprintable() or set(text) & set("'\"\\;"):
        raise SnowflakeRefused(f"Not to be written into SQL: {text[:200]!r}.")
    return text
