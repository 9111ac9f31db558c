"""``completeness.json``: what was expected beside what was there, as far as records tell."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from evidence.formats.contents import MAX_CONTENT_BYTES
from evidence.formats.fields import Fields, document, refuse
from sealing.canonical import document as encode
from sealing.errors import Invalid
from sealing.times import parse_time

LATE_AFTER_SECONDS: Final = 86_400
# How many missing windows or hours are named; all of them are counted.
MAX_NAMED: Final = 100


@dataclass(frozen=True, slots=True)
class JobRuns:
    """The windows of one job's schedule that fall into the period, and what became of them.

    Attributes:
        expected: windows between the job's registration and the moment of the export, times at
            which the job was disabled included.
        succeeded, failed, open: runs of those windows by how they stand.
        missing: windows without any run, the first hundred by time.
        missing_count: how many there are.
    """

    name: str
    job_type: str
    schedule_cron: str
    expected: int
    succeeded: int
    failed: int
    open: int
    missing: tuple[str, ...]
    missing_count: int


@dataclass(frozen=True, slots=True)
class Archived:
    """Sealed against archived events of the whole log."""

    log_size: int
    archived_through_seq: int | None
    unarchived: int


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Hours of the period, as far as it is over, in which no checkpoint was signed."""

    hours: int
    missing: tuple[str, ...]
    missing_count: int


@dataclass(frozen=True, slots=True)
class Observed:
    """What the installation's records said when the export was planned."""

    jobs: tuple[JobRuns, ...]
    archive: Archived
    heartbeat: Heartbeat

    def as_dict(self) -> dict[str, Any]:
        """As it is stored and written."""
        return {
            "jobs": [_listed(asdict(job)) for job in self.jobs],
            "archive": asdict(self.archive),
            "checkpoints": _listed(asdict(self.heartbeat)),
        }

    @classmethod
    def from_dict(cls, value: Any) -> Observed:
        """The same from what was stored or written.

        Raises:
            Invalid: it has not this form, or contradicts itself.
        """
        top = Fields(value, required=("jobs", "archive", "checkpoints"))
        archive = top.object("archive", required=("log_size", "archived_through_seq", "unarchived"))
        heartbeat = top.object("checkpoints", required=("hours", "missing", "missing_count"))
        missing, count = _missing(heartbeat, heartbeat.integer("hours"))
        return cls(
            jobs=tuple(
                _job(Fields(item, required=_JOB, where=f"/jobs/{index}"))
                for index, item in enumerate(top.items("jobs"))
            ),
            archive=Archived(
                archive.integer("log_size"),
                archive.optional_integer("archived_through_seq"),
                archive.integer("unarchived"),
            ),
            heartbeat=Heartbeat(heartbeat.integer("hours"), missing, count),
        )


_JOB: Final = tuple(JobRuns.__dataclass_fields__)


def _listed(value: dict[str, Any]) -> dict[str, Any]:
    return value | {"missing": list(value["missing"])}


def _job(found: Fields) -> JobRuns:
    counts = {key: found.integer(key) for key in ("succeeded", "failed", "open")}
    expected = found.integer("expected")
    missing, missing_count = _missing(found, expected)
    if sum(counts.values()) + missing_count != expected:
        raise refuse(found.where, "the runs and the missing windows are not those expected.")
    return JobRuns(
        name=found.text("name"),
        job_type=found.text("job_type"),
        schedule_cron=found.text("schedule_cron"),
        expected=expected,
        missing=missing,
        missing_count=missing_count,
        **counts,
    )


def _missing(found: Fields, at_most: int) -> tuple[tuple[str, ...], int]:
    named, count = found.items("missing"), found.integer("missing_count")
    if len(named) != min(count, MAX_NAMED) or count > at_most:
        raise refuse(found.at("missing"), "there are not as many as are counted.")
    for index, item in enumerate(named):
        try:
            parse_time(item)
        except (Invalid, TypeError, AttributeError) as error:
            raise refuse(f"{found.at('missing')}/{index}", "a time is expected.") from error
    return tuple(named), count


@dataclass(frozen=True, slots=True)
class Completeness:
    """The document.

    Attributes:
        log_size: Events in the whole log when the package was made.
        pending: Events acknowledged but without a place in the log at that moment, all clients.
        set_aside: Events that could not be given a place, all clients.
        included: Events in this package.
        late: The numbers of included events sealed more than a day after they occurred, as
            ranges with both ends included.
        period_over: Whether the period had ended.
        observed: Expected against finished runs, archive and checkpoints; None in packages from
            before this was recorded.
    """

    log_size: int
    pending: int
    set_aside: int
    included: int
    late: tuple[tuple[int, int], ...]
    period_over: bool
    observed: Observed | None = None

    def build(self) -> bytes:
        """The bytes of the member."""
        return encode(
            {
                "log_size_at_export": self.log_size,
                "pending_at_export": self.pending,
                "set_aside": self.set_aside,
                "events_included": self.included,
                "late_arrivals": {
                    "later_than_seconds": LATE_AFTER_SECONDS,
                    "count": sum(last - first + 1 for first, last in self.late),
                    "ranges": [list(pair) for pair in self.late],
                },
                "period_over_at_export": self.period_over,
            }
            | ({} if self.observed is None else {"observed": self.observed.as_dict()})
        )

    @classmethod
    def parse(cls, raw: bytes) -> Completeness:
        """Read the member.

        Raises:
            Invalid: When it is not canonical or not of this form.
        """
        keys = (
            "log_size_at_export", "pending_at_export", "set_aside", "events_included",
            "late_arrivals", "period_over_at_export",
        )  # fmt: skip
        top = Fields(
            document(raw, max_bytes=MAX_CONTENT_BYTES), required=keys, optional=("observed",)
        )
        late = top.object("late_arrivals", required=("later_than_seconds", "count", "ranges"))
        result = cls(
            log_size=top.integer("log_size_at_export"),
            pending=top.integer("pending_at_export"),
            set_aside=top.integer("set_aside"),
            included=top.integer("events_included"),
            late=tuple(_pairs(late.items("ranges"))),
            period_over=top.flag("period_over_at_export"),
            observed=Observed.from_dict(top.get("observed")) if "observed" in top else None,
        )
        # Whatever was said twice must agree: the bytes follow from the values.
        if result.build() != raw:
            raise refuse("/late_arrivals", "the count is not that of the ranges.")
        return result


def _pairs(items: Sequence[Any]) -> Iterable[tuple[int, int]]:
    floor = -2
    for index, item in enumerate(items):
        fine = isinstance(item, list) and len(item) == 2 and all(type(n) is int for n in item)
        if not fine or not floor + 1 < item[0] <= item[1]:
            raise refuse(f"/late_arrivals/ranges/{index}", "an ascending range is expected.")
        floor = item[1]
        yield item[0], item[1]
