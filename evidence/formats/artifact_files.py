"""Names and media types of artefacts: what others call their files, made harmless."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

MAX_NAME: Final = 120
OPAQUE: Final = "application/octet-stream"
# What a browser may be told a file is. All else leaves as bytes that mean nothing.
SERVED: Final = frozenset(
    {
        "application/json",
        "application/pdf",
        "application/zip",
        "image/jpeg",
        "image/png",
        "text/csv",
        "text/plain",
    }
)
_MAX_ENDING: Final = 16
_NAMELESS: Final = "artefact"
_UNFIT: Final = re.compile(r"[^A-Za-z0-9-]+")
_MEDIA_TYPE: Final = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]*/[a-z0-9][a-z0-9!#$&^_.+-]*\Z")
# Names that some systems keep for devices, whatever their ending.
_DEVICE: Final = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])\Z", re.IGNORECASE)


def safe_name(given: str) -> str:
    """A name of up to 120 letters, digits, ``-``, ``_`` and one dot, without a folder.

    Marks are taken off letters; what has no ASCII letter of its own becomes ``_``. The ending stays
    where it is one. A name of which nothing is left becomes ``artefact``.
    """
    last = re.split(r"[/\\]", given)[-1]
    stem, dot, ending = last.rpartition(".")
    if not dot:
        stem, ending = last, ""
    ending = _fit(ending).replace("_", "")[:_MAX_ENDING]
    stem = _fit(stem)[: MAX_NAME - _MAX_ENDING - 1].strip("_-") or _NAMELESS
    if _DEVICE.match(stem):
        stem = f"{_NAMELESS}_{stem}"
    return f"{stem}.{ending}" if ending else stem


def media_type(given: str) -> str:
    """``type/subtype`` in small letters, as the sender has it without parameters; or else bytes."""
    found = given.partition(";")[0].strip().lower()
    return found if len(found) <= 100 and _MEDIA_TYPE.match(found) else OPAQUE


def served_type(kept: str) -> str:
    """As what a file leaves: few types that browsers don't run, and bytes for all others."""
    return kept if kept in SERVED else OPAQUE


def _fit(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return _UNFIT.sub("_", plain).strip("_-")
