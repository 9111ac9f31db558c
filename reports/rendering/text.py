"""Texts as pages show them: every character is seen, and none does anything."""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import Final

from reports.rendering import fonts

MAX_LINE: Final = 120
LINE_BREAK: Final = "↵ "
# Other, separators and combining marks: what can't be seen by itself, or moves its neighbours.
_UNSEEN: Final = ("C", "Z", "M")
# Those that run from right to left, and those that change the direction of others.
_RIGHT_TO_LEFT: Final = frozenset({"R", "AL", "AN", "RLE", "LRE", "RLO", "LRO", "PDF"})
_NO_BREAK: Final = "\u00a0"


def legible(value: object) -> str:
    """A text in which everything can be read off the page, and nothing is lost.

    A line break is ``↵``. What no shipped font can draw, what can't be seen, and what runs from
    right to left is written as its code point, ``[U+202E]``: on paper the order and the presence
    of such characters could otherwise not be told. Runs of spaces keep their length.
    """
    text = value if isinstance(value, str) else plain(value)
    text = text.replace("\r\n", "\n")
    if not text.isascii() or not text.isprintable():
        text = "".join(map(_shown, text))
    if "  " in text or text[:1] == " " or text[-1:] == " ":
        text = _kept_spaces(text)
    return text


def cut(text: str) -> str:
    """A title or name with so many characters, as pages show them, and an ellipsis."""
    length = 0
    for place, character in enumerate(text):
        length += len(_shown(character))
        if length > MAX_LINE:
            return f"{text[:place]}…"
    return text


def plain(value: object) -> str:
    """A number as people read it; nothing as a dash."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.2f}".rstrip("0").rstrip(".")
    return str(value)


def short_digest(digest: str) -> str:
    """The first 12 and the last 6 characters of a digest, with its algorithm."""
    algorithm, colon, rest = digest.rpartition(":")
    if len(rest) <= 18:
        return digest
    return f"{algorithm}{colon}{rest[:12]}…{rest[-6:]}"


@lru_cache(maxsize=8192)
def _shown(character: str) -> str:
    if character in (" ", _NO_BREAK):
        return character
    if character == "\n":
        return LINE_BREAK
    is_unseen = unicodedata.category(character)[0] in _UNSEEN
    is_reversed = unicodedata.bidirectional(character) in _RIGHT_TO_LEFT
    if is_unseen or is_reversed or not fonts.has_glyph(character):
        return f"[U+{ord(character):04X}]"
    return character


def _kept_spaces(text: str) -> str:
    """Spaces at the edges and after another space as such that no layout takes away."""
    kept = text.replace("  ", f" {_NO_BREAK}")
    if kept[:1] == " ":
        kept = _NO_BREAK + kept[1:]
    if kept[-1:] == " ":
        kept = kept[:-1] + _NO_BREAK
    return kept
