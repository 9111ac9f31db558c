"""What Snowflake needs to load the archive, from the receipts of its segments."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from audit import storage
from audit.formats import snowflake as formats
from audit.formats.snowflake import ArchivedSegment
from audit.models import Segment, SegmentStatus
from sealing import files
from sealing.errors import Invalid


class RangeRefused(Invalid):
    """There is no such event in the archive."""

    code = "range_invalid"


@dataclass(frozen=True, slots=True)
class Definition:
    """The files by name, and how many segments they name."""

    files: dict[str, bytes]
    segments: int


def manifest(*, from_seq: int = 0) -> bytes:
    """The replay manifest of the archived segments that hold event ``from_seq`` or later ones.

    Raises:
        RangeRefused: ``from_seq`` is not archived. SnowflakeRefused: there is a gap.
    """
    return formats.manifest(settings.AUDIT_ORIGIN, storage.location(), _segments(from_seq))


def definition(*, from_seq: int = 0, role_arn: str = formats.ROLE_TO_FILL_IN) -> Definition:
    """Everything that Snowflake needs: set-up, backfill, check, and the manifest.

    Raises:
        SnowflakeRefused: the archive is not in S3. RangeRefused.
    """
    location, segments = storage.location(), _segments(from_seq)
    return Definition(
        files={
            "setup.sql": formats.setup_sql(settings.AUDIT_ORIGIN, location, role_arn).encode(),
            "backfill.sql": formats.backfill_sql(segments).encode(),
            "check.sql": formats.check_sql(settings.AUDIT_ORIGIN).encode(),
            "manifest.json": formats.manifest(settings.AUDIT_ORIGIN, location, segments),
        },
        segments=len(segments),
    )


def write_definition(
    folder: Path, *, from_seq: int = 0, role_arn: str = formats.ROLE_TO_FILL_IN
) -> Definition:
    """Writes the definition's files into a folder, over those of an earlier run.

    Raises:
        SnowflakeRefused, RangeRefused: nothing was written.
    """
    made = definition(from_seq=from_seq, role_arn=role_arn)
    files.ensure_folder(folder)
    for name, data in made.files.items():
        files.replace(folder / name, data)
    return made


def _segments(from_seq: int) -> list[ArchivedSegment]:
    archived = Segment.objects.filter(status=SegmentStatus.ARCHIVED)
    rows = archived.filter(last_seq__gte=from_seq).order_by("first_seq")
    found = [
        ArchivedSegment(
            first_seq=row.first_seq,
            last_seq=row.last_seq,
            name=row.object_name,
            key=row.object_key,
            version_id=row.version_id,
            sha256=row.stored_sha256,
            size_bytes=row.stored_bytes or 0,
            raw_sha256=row.raw_sha256,
        )
        for row in rows
    ]
    if from_seq and not found:
        raise RangeRefused(f"Event {from_seq} is not archived.", field="from_seq")
    return found
