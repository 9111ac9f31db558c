"""How packages look in lists and on their page."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, QuerySet
from django.utils.html import format_html
from django.utils.safestring import SafeString

from access.admin import components
from access.admin.components import Tone
from evidence.models import Package, PackageStatus

_WORDS = ("none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_UNITS = (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10))


def with_counts(packages: QuerySet[Package]) -> QuerySet[Package]:
    """Adds the number of countersignatures to each package, in the same query."""
    return packages.annotate(countersigned=Count("countersignatures"))


def countersigned(package: Any) -> int:
    """How many countersignatures a package has."""
    counted: int | None = getattr(package, "countersigned", None)
    return package.countersignatures.count() if counted is None else counted


def state(package: Package) -> SafeString:
    """Where a package stands, as a pill."""
    if package.status == PackageStatus.WRITING:
        return components.pill("waiting", "Being written")
    if package.status == PackageStatus.FAILED:
        return components.pill("failed")
    if not package.required_signatures:
        return components.pill("unsigned")
    if countersigned(package) < package.required_countersignatures:
        return components.pill("awaiting countersignature")
    return components.pill("countersigned" if package.required_countersignatures else "signed")


def standing(package: Package) -> SafeString:
    """Where a package stands, and how many of its signatures are there."""
    have, needed = _signatures(package)
    if not needed:
        return state(package)
    words = f"{word(have)} of {word(needed)} signatures"
    return format_html('{} <span class="account">{}</span>', state(package), words)


def signatures(package: Package) -> SafeString:
    """How many of the signatures that the package needs are there: "one of two"."""
    have, needed = _signatures(package)
    if not needed:
        return components.NOTHING
    words = f"{word(have)} of {word(needed)}"
    return components.pill(words, words, tone=Tone.VERIFIED if have >= needed else Tone.WAITING)


def _signatures(package: Package) -> tuple[int, int]:
    if not package.is_complete:
        return 0, 0
    needed = package.required_signatures + package.required_countersignatures
    return package.required_signatures + countersigned(package), needed


def word(number: int) -> str:
    """A small number as a word."""
    return _WORDS[number] if number < len(_WORDS) else str(number)


def client(package: Package) -> str:
    """Whose events a package holds."""
    return package.client.name if package.client else "The installation"


def period(package: Package) -> SafeString:
    """The half-open period."""
    return components.period(package.period_start, package.period_end)


def size(size_bytes: int | None) -> str:
    """A size in the unit that suits it."""
    if size_bytes is None:
        return "—"
    for unit, factor in _UNITS:
        if size_bytes >= factor:
            return f"{f'{size_bytes / factor:.1f}'.removesuffix('.0')} {unit}"
    return f"{size_bytes} bytes"
