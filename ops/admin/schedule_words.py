"""Schedules in words, for people who do not read cron."""

from __future__ import annotations

from collections.abc import Sequence

from croniter import CroniterError, croniter

DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip
ON_DEMAND = "Only when somebody asks"
UNREADABLE = "Not a schedule that can be read"
# More times of a day than these are told by hours and minutes instead.
MOST_TIMES = 4

# An expanded field: every value that it allows; ``["*"]`` where it allows all.
_Field = Sequence[int | str]


def in_words(cron: str) -> str:
    """A schedule of five fields as a sentence: ``0 3 1 * *`` → "On day 1 of every month at …"."""
    if not cron.strip():
        return ON_DEMAND
    fields = _expanded(cron)
    if fields is None:
        return UNREADABLE
    minutes, hours, days, months, weekdays = fields
    day = _day(days, months, weekdays)
    clock, is_repeating = _clock(minutes, hours)
    if not is_repeating:
        return f"{day or 'Every day'} {clock}"
    return f"{day}, {clock}" if day else clock[0].upper() + clock[1:]


def _expanded(cron: str) -> list[_Field] | None:
    """The five fields; None where it can't be read. Raises nothing."""
    try:
        fields, counted = croniter.expand(cron)
    except (CroniterError, ValueError, TypeError):
        return None
    # "The second Monday" and the like: a form that other readers of cron do not know.
    return None if counted or len(fields) != 5 else list(fields)


def _is_any(field: _Field) -> bool:
    return list(field) == ["*"]


def _numbers(field: _Field) -> list[int]:
    return [value for value in field if isinstance(value, int)]


def _clock(minutes: _Field, hours: _Field) -> tuple[str, bool]:
    """The time of the day, and whether it is several times in an hour or day by a step."""
    if _is_any(minutes):
        return f"every minute{_within(hours)}", True
    some = _numbers(minutes)
    step = _step(some, 60)
    if step:
        return f"every {step} minutes{_within(hours)}", True
    if _is_any(hours):
        return f"every hour at {_listed([f':{minute:02}' for minute in some])}", True
    every = _numbers(hours)
    step = _step(every, 24)
    if step and len(some) == 1 and len(every) > MOST_TIMES:
        return f"every {step} hours, from {every[0]:02}:{some[0]:02} UTC on", True
    if len(some) * len(every) <= MOST_TIMES:
        times = [f"{hour:02}:{minute:02}" for hour in every for minute in some]
        return f"at {_listed(times)} UTC", False
    past = _listed([f":{minute:02}" for minute in some])
    return f"at {past}{_within(hours)}", False


def _within(hours: _Field) -> str:
    if _is_any(hours):
        return ""
    return f" in the hours {_listed(_runs([f'{hour:02}' for hour in _numbers(hours)]))} UTC"


def _day(days: _Field, months: _Field, weekdays: _Field) -> str:
    """Which days; empty for every day."""
    in_months = ""
    if not _is_any(months):
        in_months = f" in {_listed([MONTHS[month - 1] for month in _numbers(months)])}"
    weekday = _weekdays(weekdays)
    if _is_any(days):
        if weekday:
            return weekday + in_months
        return f"Every day{in_months}" if in_months else ""
    numbers = [f"{day}" for day in _numbers(days)]
    parts = [f"day {_listed(_runs(numbers))}"] if numbers else []
    parts += ["the last day"] if "l" in days else []
    named = f"On {_listed(parts)}{in_months or ' of every month'}"
    # Cron runs on either where both are given.
    return f"{named}, and {weekday[0].lower()}{weekday[1:]}" if weekday else named


def _weekdays(field: _Field) -> str:
    chosen = sorted(_numbers(field))
    if _is_any(field) or not chosen or len(chosen) == len(DAYS):
        return ""
    if chosen == [1, 2, 3, 4, 5]:
        return "Monday to Friday"
    # The week begins on Monday here, whatever cron counts from.
    ordered = sorted(chosen, key=lambda day: (day - 1) % 7)
    return f"Every {_listed([DAYS[day] for day in ordered])}"


def _step(values: Sequence[int], size: int) -> int | None:
    """The step between values that fill the whole range evenly; None where they do not."""
    if len(values) < 3 or values[0] != 0:
        return None
    step = values[1] - values[0]
    return step if list(values) == list(range(0, size, step)) and size % step == 0 else None


def _runs(values: Sequence[str]) -> Sequence[str]:
    """Several values in a row as a range."""
    numbers = [int(value) for value in values]
    if len(numbers) > 2 and numbers == list(range(numbers[0], numbers[-1] + 1)):
        return [f"{values[0]} to {values[-1]}"]
    return values


def _listed(values: Sequence[str]) -> str:
    if len(values) < 2:
        return "".join(values)
    return f"{', '.join(values[:-1])} and {values[-1]}"
