"""The small pieces every page is made of: state pills, digests, times, people.

Each function returns safe markup, so that list columns, detail fields and template tags
(`access.templatetags.strongroom`) show the same thing in the same way.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time
from enum import StrEnum
from typing import Any

from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.timesince import timesince

_BREAK = mark_safe("<wbr>")
# Beyond this many characters a pill may take two lines in a list.
LONG_WORD = 18
NOTHING = format_html('<span class="none">{}</span>', "—")


class Tone(StrEnum):
    """What a colour says, and nothing else does."""

    VERIFIED = "verified"
    ATTENTION = "attention"
    REFUSED = "refused"
    WAITING = "waiting"
    NEUTRAL = "neutral"


ICONS: Mapping[Tone, str] = {
    Tone.VERIFIED: "check",
    Tone.ATTENTION: "alert",
    Tone.REFUSED: "cross",
    Tone.WAITING: "clock",
    Tone.NEUTRAL: "dash",
}

# State, as services and columns name it -> tone and the word shown. One table for every page.
STATES: Mapping[str, tuple[Tone, str]] = {
    "valid": (Tone.VERIFIED, "Valid"),
    "verified": (Tone.VERIFIED, "Verified"),
    "success": (Tone.VERIFIED, "Done"),
    "succeeded": (Tone.VERIFIED, "Done"),
    "active": (Tone.VERIFIED, "Active"),
    "sealed": (Tone.VERIFIED, "Sealed"),
    "signed": (Tone.VERIFIED, "Signed"),
    "countersigned": (Tone.VERIFIED, "Countersigned"),
    "complete": (Tone.VERIFIED, "Complete"),
    "archived": (Tone.VERIFIED, "Archived"),
    "done": (Tone.VERIFIED, "Done"),
    "in order": (Tone.VERIFIED, "In order"),
    "inconclusive": (Tone.ATTENTION, "Could not check"),
    "overdue": (Tone.ATTENTION, "Overdue"),
    "paused": (Tone.ATTENTION, "Paused"),
    "expiring": (Tone.ATTENTION, "Expires soon"),
    "stale": (Tone.ATTENTION, "Out of date"),
    "unsigned": (Tone.ATTENTION, "Unsigned"),
    "invalid": (Tone.REFUSED, "Invalid"),
    "refused": (Tone.REFUSED, "Refused"),
    "denied": (Tone.REFUSED, "Denied"),
    "failed": (Tone.REFUSED, "Failed"),
    "failure": (Tone.REFUSED, "Failed"),
    "error": (Tone.REFUSED, "Failed"),
    "compromised": (Tone.REFUSED, "Compromised"),
    "waiting": (Tone.WAITING, "Waiting"),
    "pending": (Tone.WAITING, "Waiting"),
    "awaiting countersignature": (Tone.WAITING, "Awaiting countersignature"),
    "cut": (Tone.WAITING, "To be archived"),
    "queued": (Tone.WAITING, "Waiting"),
    "running": (Tone.WAITING, "Under way"),
    "due": (Tone.NEUTRAL, "Due"),
    "released": (Tone.NEUTRAL, "Released"),
    "retired": (Tone.NEUTRAL, "Retired"),
    "revoked": (Tone.NEUTRAL, "Revoked"),
    "inactive": (Tone.NEUTRAL, "Inactive"),
    "not assessed": (Tone.NEUTRAL, "Not assessed"),
    "unknown": (Tone.NEUTRAL, "Unknown"),
}


def icon(name: str) -> SafeString:
    """An icon of the page's sprite; it says nothing to a screen reader."""
    return format_html(
        '<svg class="icon" aria-hidden="true" focusable="false"><use href="#i-{}"/></svg>', name
    )


def pill(state: object, word: str | None = None, *, tone: Tone | str | None = None) -> SafeString:
    """A state as an icon and a word.

    Args:
        state: a state of `STATES`, in any case; an unknown one is shown grey, as it is written.
        word: another word for it.
        tone: another tone, for words that are not in the table ("one of two").
    """
    if state is None or state == "":
        return NOTHING
    name = str(state).replace("_", " ")
    known_tone, known_word = STATES.get(name.lower(), (Tone.NEUTRAL, name))
    shown = Tone(tone) if tone else known_tone
    text = word or known_word
    return format_html(
        '<span class="pill {}{}">{}<span>{}</span></span>',
        shown,
        " long" if len(text) > LONG_WORD else "",
        icon(ICONS[shown]),
        text,
    )


def digest(value: object, *, full: bool = False) -> SafeString:
    """A digest or key id: its first 12 and last 6 characters, the whole on hover and on copy.

    Args:
        value: ``sha256:<hex>``, bare hex, or the 32 bytes themselves.
        full: show all of it (a page about this one thing).
    """
    if value is None or value in ("", b""):
        return NOTHING
    text = _digest_text(value)
    algorithm, _, hexadecimal = text.rpartition(":")
    short = hexadecimal
    if not full and len(hexadecimal) > 20:
        short = f"{hexadecimal[:12]}…{hexadecimal[-6:]}"
    return format_html(
        '<span class="digest{}" title="{}"><span class="algorithm">{}</span><code>{}</code>'
        '<button type="button" class="copy" data-copy="{}" hidden>'
        '{}<span class="visually-hidden">Copy the whole value</span></button></span>',
        " full" if full else "",
        text,
        algorithm,
        short,
        text,
        icon("copy"),
    )


def _digest_text(value: object) -> str:
    if isinstance(value, (bytes, bytearray, memoryview)):
        raw = bytes(value)
        return f"sha256:{raw.hex()}" if len(raw) == 32 else raw.hex()
    text = str(value)
    is_sha256 = len(text) == 64 and all(c in "0123456789abcdef" for c in text)
    return f"sha256:{text}" if is_sha256 else text


def when(
    value: datetime | str | None, *, relative: bool = False, seconds: bool = False
) -> SafeString:
    """A time in the viewer's zone, with UTC beside it where that differs.

    Args:
        value: an aware time, or RFC 3339 text.
        relative: add how long ago it was.
        seconds: show seconds.
    """
    if not value:
        return NOTHING
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    utc, local = moment.astimezone(UTC), timezone.localtime(moment)
    pattern = "%H:%M:%S" if seconds else "%H:%M"
    if local.utcoffset() == utc.utcoffset():
        day, clock = f"{utc:%Y-%m-%d}", f"{utc:{pattern}} UTC"
    else:
        beside = f"{utc:{pattern}}" if utc.date() == local.date() else f"{utc:%Y-%m-%d {pattern}}"
        day, clock = f"{local:%Y-%m-%d}", f"{local:{pattern}} ({beside} UTC)"
    exact = utc.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    beside_it = format_html(' <span class="ago">{}</span>', ago(moment)) if relative else ""
    return format_html(
        '<time datetime="{}" title="{}"><span>{}</span> <span>{}</span></time>{}',
        exact,
        exact,
        day,
        clock,
        beside_it,
    )


def period(start: datetime, end: datetime) -> SafeString:
    """A half-open period; whole days of UTC as days."""
    bounds = [moment.astimezone(UTC) for moment in (start, end)]
    if any(bound.time() != time.min for bound in bounds):
        return format_html("{} up to {}", when(start), when(end))
    days = (f"{bound:%Y-%m-%d}" for bound in bounds)
    return format_html(
        '<time datetime="{0}T00:00:00Z" title="{0}, 00:00 UTC"><span>{0}</span></time> up to '
        '<time datetime="{1}T00:00:00Z" title="{1}, 00:00 UTC"><span>{1}</span></time>',
        *days,
    )


def ago(moment: datetime) -> str:
    """How long ago ``moment`` was, in one unit and words ("3 hours ago")."""
    now = timezone.now()
    if moment > now:
        is_close = (moment - now).total_seconds() < 60
        return "in a moment" if is_close else f"in {timesince(now, moment, depth=1)}"
    if (now - moment).total_seconds() < 60:
        return "just now"
    return f"{timesince(moment, now, depth=1)} ago"


def person(subject: Any, *, role: str | None = None) -> SafeString:
    """A person by name, with the role held at that time and the account; never an account alone.

    Args:
        subject: a `User`, a `Person` or a name.
        role: the role in which the person acted.
    """
    if not subject:
        return NOTHING
    username = getattr(subject, "username", None)
    human = getattr(subject, "person", None) if username else subject
    if username and human is None:
        return format_html(
            '<span class="person"><span class="name">{}</span> <span class="account">'
            "service account</span></span>",
            username,
        )
    name = getattr(human, "display_name", None) or str(human)
    beside = " · ".join(part for part in (_role_words(role), username) if part)
    return format_html(
        '<span class="person"><span class="name">{}</span>{}</span>',
        name,
        format_html(' <span class="account">{}</span>', beside) if beside else "",
    )


def _role_words(role: str | None) -> str:
    return str(role).replace("-", " ") if role else ""


def identifier(value: object) -> SafeString:
    """An id in the monospace stack, which may be broken after its separators."""
    if value is None or value == "":
        return NOTHING
    parts = re.split(r"(?<=[.:/_])", str(value))
    broken = format_html_join(_BREAK, "{}", ((part,) for part in parts))
    return format_html('<code title="{}">{}</code>', value, broken)


@dataclass(frozen=True, slots=True, kw_only=True)
class CustodyStep:
    """One step of a custody line: who did what, when, and to which bytes.

    Attributes:
        what: the act, in words ("Package made and signed").
        who: a `User`, a `Person` or a name.
        at: when.
        state: a state of `STATES`.
        role: the role in which the person acted.
        digest: the digest of what the step made or looked at.
        detail: a sentence more.
    """

    what: str
    who: Any = None
    at: datetime | str | None = None
    state: str = "verified"
    role: str | None = None
    digest: str | bytes | None = None
    detail: str = ""
    facts: Sequence[tuple[str, Any]] = ()
