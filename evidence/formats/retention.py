"""How long a package has to be kept: named policies, and days of one's own above a floor."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sealing.errors import Invalid

# Years are counted with their leap days, rounded up: 6 × 365.25, 7 × 365.25.
SIX_YEARS, SEVEN_YEARS = 2192, 2557
MAX_DAYS: Final = 36_525
NAMED: Final[Mapping[str, int]] = {
    "hipaa_6y": SIX_YEARS,  # 45 CFR 164.316(b)(2)(i)
    "regulatory_7y": SEVEN_YEARS,
}
# The least number of days that a policy of one's own may have, by what the evidence is for.
FLOORS: Final[Mapping[str, int]] = {
    "hipaa": SIX_YEARS,
    "regulatory": SEVEN_YEARS,
    "soc2": 366,  # an audit looks back over a period of up to a year
}
_CUSTOM: Final = re.compile(r"custom_([a-z0-9]+)_([1-9][0-9]{0,4})d\Z")


class RetentionRefused(Invalid):
    """The policy is none that there is, or shorter than its framework allows."""

    code = "retention_refused"


@dataclass(frozen=True, slots=True)
class Retention:
    """A policy: its name as packages carry it, and its length."""

    name: str
    days: int

    def until(self, moment: datetime) -> datetime:
        """The end of the retention of what was made at ``moment``, rounded up to a second."""
        end = moment + timedelta(days=self.days)
        return end if not end.microsecond else end.replace(microsecond=0) + timedelta(seconds=1)


def parse(name: str) -> Retention:
    """The policy ``hipaa_6y``, ``regulatory_7y`` or ``custom_<framework>_<days>d``.

    Raises:
        RetentionRefused: there is none such, or it is shorter than the framework's floor.
    """
    if name in NAMED:
        return Retention(name, NAMED[name])
    found = _CUSTOM.match(name)
    if found is None or found[1] not in FLOORS:
        raise RetentionRefused(
            f"Possible here: {', '.join(NAMED)}, or custom_<framework>_<days>d with "
            f"{', '.join(FLOORS)}.",
            field="retention_policy",
        )
    days = int(found[2])
    if not FLOORS[found[1]] <= days <= MAX_DAYS:
        raise RetentionRefused(
            f"Evidence for {found[1]} is kept for {FLOORS[found[1]]} to {MAX_DAYS} days.",
            field="retention_policy",
        )
    return Retention(name, days)
