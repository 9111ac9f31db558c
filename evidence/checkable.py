"""What else than packages the public page verifies: rooms to the left tell of it at start-up."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from evidence.formats.report import Countersigner
from ops.closed import ClosedList
from sealing.errors import Invalid, NotFound
from sealing.results import Finding, Verdict

# Browsers add " (1)" to the name of what was downloaded twice.
_AGAIN: Final = re.compile(r" ?\(\d+\)(?=\.[a-z]+(\.[a-z]+)*$)")


@dataclass(frozen=True, slots=True)
class Part:
    """One file among those that belong together.

    Attributes:
        field: which one it is, as `Checkable.verify` is given it.
        words: what it is, for people.
        max_bytes: no such file is larger.
    """

    field: str
    words: str
    max_bytes: int


@dataclass(frozen=True, slots=True)
class Card:
    """A verdict as the page shows it.

    Attributes:
        meaning: the verdict in a sentence.
        findings: each check.
        not_checked: what the verdict says nothing about.
        digests: of what was verified, each with what it is.
        says: what the files say of themselves, each with what it is.
        countersigners: whose countersignatures count.
        missing: files that were not sent and could change the verdict, in words.
    """

    verdict: Verdict
    meaning: str
    findings: Sequence[Finding]
    not_checked: Sequence[str]
    digests: Sequence[tuple[str, str]]
    says: Sequence[tuple[str, str]]
    countersigners: Sequence[Countersigner]
    missing: Sequence[str]


@dataclass(frozen=True, slots=True)
class Checkable:
    """A kind of files that can be verified together.

    Attributes:
        name: such as ``packet``.
        words: one of them, for people, such as ``a packet``.
        endings: how names of its files end, for the page.
        door: where the API takes it.
        part_of: tells by a file's name, in lower case, which part it is; None for another's.
        verify: gives the verdict on the files, by their fields. It raises for nothing in them.
    """

    name: str
    words: str
    endings: tuple[str, ...]
    door: str
    part_of: Callable[[str], Part | None]
    verify: Callable[[Mapping[str, bytes]], Card]


class UnknownKind(NotFound):
    """There is no such kind of files."""

    code = "not_found"


class FilesOfTwoKinds(Invalid):
    """Files that don't belong together: it would have to be guessed which are meant."""

    code = "files_mixed"


class NotAPackage(Invalid):
    """What was sent as a package is a file of another kind, which another door takes."""

    code = "not_a_package"


kinds: Final[ClosedList[Checkable]] = ClosedList("Kind of files", unknown=UnknownKind, field="kind")
register = kinds.register
freeze = kinds.freeze


def plain(name: str) -> str:
    """A file's name in lower case, without what browsers add to it."""
    return _AGAIN.sub("", name.lower())


def kind_of(names: Sequence[str], is_of_package: Callable[[str], Any]) -> Checkable | None:
    """The kind that the files are of; None for a package, or where no kind knows any of them.

    Args:
        names: the files' names.
        is_of_package: whether a name is that of a package or of a file beside one.

    Raises:
        FilesOfTwoKinds: some are of one kind and some of another.
    """
    known: dict[str, tuple[str, Checkable | None]] = {}
    for name in names:
        if is_of_package(name):
            known.setdefault("package", (name, None))
            continue
        for kind in kinds.all():
            if kind.part_of(plain(name)) is not None:
                known.setdefault(kind.name, (name, kind))
                break
    if len(known) > 1:
        first, second, *_ = (name for name, _ in known.values())
        raise FilesOfTwoKinds(
            f"{first} and {second} are not of one kind. Choose the files of one package, or of"
            f" {' or of '.join(kind.words for kind in kinds.all()) or 'nothing else'}."
        )
    return next((kind for _, kind in known.values()), None)


def refuse_other(name: str) -> None:
    """Raises NotAPackage for the name of a file that another door takes."""
    for kind in kinds.all():
        if kind.part_of(plain(name)) is not None:
            raise NotAPackage(
                f"This is a file of {kind.words}, not a package: send it to {kind.door}.",
                field="package",
            )
