"""The last runs of a job as a row of bars: how long each took, and how it ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from access.admin import components
from ops.models import Run, RunStatus

COLUMN, BAR = 8, 5
# Above the bars there is room for the mark of a run that failed or goes on.
MARKS, HEIGHT, LEAST = 9, 32, 3
_WORDS = {
    RunStatus.SUCCESS: "succeeded",
    RunStatus.FAILED: "failed",
    RunStatus.RUNNING: "under way",
    RunStatus.QUEUED: "waiting",
}


def sparkline(runs: Sequence[Run], *, places: int) -> SafeString:
    """An image of the runs, oldest first and ending at the right; it says in words what it shows.

    Args:
        runs: at most ``places`` runs, oldest first.
        places: for how many runs there is room.
    """
    if not runs:
        return components.NOTHING
    # What goes on for long already would make the others flat.
    longest = max((seconds(run) for run in runs if run.is_finished), default=0.0)
    first = places - len(runs)
    columns = format_html_join(
        "",
        '<g class="{}">{}<title>{}</title></g>',
        (
            (run.status.lower(), _column(run, (first + place) * COLUMN, longest), _told(run))
            for place, run in enumerate(runs)
        ),
    )
    return format_html(
        '<svg class="spark" role="img" viewBox="0 0 {0} {1}" width="{0}" height="{1}"'
        ' aria-label="{2}"><title>{2}</title>{3}</svg>',
        places * COLUMN,
        HEIGHT,
        in_short(runs),
        columns,
    )


def in_short(runs: Sequence[Run]) -> str:
    """The runs in a sentence, for those who do not see the bars."""
    counted = Counter(run.status for run in runs)
    parts = [f"{counted[state]} {words}" for state, words in _WORDS.items() if counted[state]]
    head = "The last run" if len(runs) == 1 else f"The last {len(runs)} runs"
    longest = max((run for run in runs if run.is_finished), key=seconds, default=None)
    tail = f"; the longest took {took(longest)}" if longest and seconds(longest) else ""
    return f"{head}: {', '.join(parts)}{tail}."


def seconds(run: Run) -> float:
    """How long it took, or has taken so far."""
    if run.started_at is None:
        return 0.0
    end = run.finished_at or timezone.now()
    return max(0.0, (end - run.started_at).total_seconds())


def took(run: Run) -> str:
    """How long it took, in the unit that suits it; a dash for what never began."""
    if run.started_at is None:
        return "—"
    return f"{in_units(seconds(run))}{'' if run.is_finished else ' so far'}"


def in_units(duration: float) -> str:
    """Seconds as people say them."""
    if duration < 10:
        return f"{duration:.1f} s"
    whole = timedelta(seconds=round(duration))
    hours, rest = divmod(int(whole.total_seconds()), 3600)
    minutes, left = divmod(rest, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {left} s" if minutes else f"{left} s"


def _column(run: Run, left: int, longest: float) -> SafeString:
    room = HEIGHT - MARKS
    share = min(1.0, seconds(run) / longest) if longest else 0.0
    height = max(LEAST, round(room * share))
    is_open = not run.is_finished
    # An outline lies within its bar, so that it is no wider than the others.
    inset = 0.5 if is_open else 0
    bar = format_html(
        '<rect x="{}" y="{}" width="{}" height="{}"/>',
        left + inset,
        HEIGHT - height + inset,
        BAR - 2 * inset,
        height - 2 * inset,
    )
    return format_html("{}{}", bar, _mark(run, left))


def _mark(run: Run, left: int) -> SafeString:
    if run.status == RunStatus.FAILED:
        return format_html('<path d="M{} 2l4 4m0-4l-4 4"/>', left + 0.5)
    if run.status in (RunStatus.RUNNING, RunStatus.QUEUED):
        return format_html('<circle cx="{}" cy="4" r="1.5"/>', left + BAR / 2)
    return SafeString("")


def _told(run: Run) -> str:
    moment: datetime = run.started_at or run.intended_at
    when = f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    words = _WORDS[RunStatus(run.status)]
    return f"{when}: {words}, {took(run)}" if run.started_at else f"{when}: {words}"
