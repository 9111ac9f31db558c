"""Names of packages, of their sidecars and of their folders in the vault (docs/formats.md)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Final

from evidence.formats.errors import FormatRefused

PLATFORM: Final = "platform"
PACKAGE_SUFFIX: Final = ".zip"
SIG_SUFFIX: Final = ".zip.sig"
SIGNATURE_SUFFIX: Final = ".signature.json"
COUNTERSIGN_SUFFIX: Final = ".countersign.json"
TIMESTAMP_SUFFIX: Final = ".tsr"
ENCRYPTED_SUFFIX: Final = ".zip.enc"
KMS_ENVELOPE_SUFFIX: Final = ".kms-envelope.json"
WORM_RECEIPT_SUFFIX: Final = ".worm-receipt.json"
ARTIFACT_PREFIX: Final = "artifact_"

_STAMP_CHARACTERS = len("20260202T093005Z_0a1b2c3d")
_PREFIX = r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,38}[A-Za-z0-9])?"
_PREFIX_ONLY = re.compile(_PREFIX)
_BUNDLE = re.compile(_PREFIX + r"_[0-9]{8}T[0-9]{6}Z_[0-9a-f]{8}")
_FOLDER = re.compile(r"[A-Za-z0-9_-]{1,64}")
_NUMBERED = re.compile(
    rf"(?P<bundle>{_BUNDLE.pattern})\.(?P<kind>countersign|worm-lock)"
    r"-(?P<number>[0-9]{4}|[1-9][0-9]{4,8})\.json"
)


_DAY = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
# What folders of the vault that are no packages are called, by what lies in them.
_DEPOSITS: Final = {
    "artifact": re.compile(rf"{ARTIFACT_PREFIX}{_UUID}"),
    "packet": re.compile(
        rf"[A-Z][A-Z0-9]{{1,15}}_Evidence_[a-z0-9-]{{2,64}}_{_DAY}_{_DAY}[A-Za-z0-9_-]{{0,24}}"
    ),
}


class Numbered(StrEnum):
    """Files of which the vault keeps every state, each under the next number."""

    COUNTERSIGN = "countersign"
    WORM_LOCK = "worm-lock"


@dataclass(frozen=True, slots=True)
class PackageName:
    """Where a package lies: its client (None for the platform) and its bundle id."""

    client_id: str | None
    bundle_id: str

    @property
    def folder(self) -> str:
        """The folder of the client below the package root."""
        return self.client_id or PLATFORM

    @property
    def path(self) -> str:
        """``<client or platform>/<bundle_id>.zip``."""
        return f"{self.folder}/{self.bundle_id}{PACKAGE_SUFFIX}"

    def sidecar(self, suffix: str) -> str:
        """The path of a file that stands beside the package."""
        return f"{self.folder}/{self.bundle_id}{suffix}"

    @property
    def vault_folder(self) -> str:
        """``<client or platform>/YYYY/MM/DD/<bundle_id>``, by the day that the bundle id names.

        Raises:
            FormatRefused: For a bundle id with a day that no calendar has.
        """
        stamp = self.bundle_id[-_STAMP_CHARACTERS:]
        year, month, day = stamp[:4], stamp[4:6], stamp[6:8]
        try:
            date.fromisoformat(f"{year}-{month}-{day}")
        except ValueError as error:
            raise FormatRefused("There is no such day.", field="bundle_id") from error
        return f"{self.folder}/{year}/{month}/{day}/{self.bundle_id}"


def make_bundle_id(prefix: str, at: datetime, random_hex: str) -> str:
    """``<prefix>_<YYYYMMDD>T<HHMMSS>Z_<8 hex>``.

    Raises:
        FormatRefused: For a prefix that cannot stand in a file name everywhere.
    """
    if not _PREFIX_ONLY.fullmatch(prefix):
        raise FormatRefused(
            "A prefix is 1 to 40 letters, digits, '-' or '_', and begins and ends with a letter "
            "or digit.",
            field="package_prefix",
        )
    bundle_id = f"{prefix}_{at.astimezone(UTC):%Y%m%dT%H%M%SZ}_{random_hex}"
    if not is_bundle_id(bundle_id):
        raise FormatRefused("The random part of a bundle id is eight hex digits.")
    return bundle_id


def is_bundle_id(text: str) -> bool:
    """Whether the text could be the id of a package."""
    return _BUNDLE.fullmatch(text) is not None


def is_client_folder(text: str) -> bool:
    """Whether the text could be a client's id and thereby the name of its folder."""
    return _FOLDER.fullmatch(text) is not None


def parse_package_path(path: str) -> PackageName:
    """Read ``<client or platform>/<bundle_id>.zip``; nothing else is a package's path.

    Raises:
        FormatRefused: For absolute paths, parents, other folders and other endings alike.
    """
    folder, slash, name = path.partition("/")
    bundle_id = name.removesuffix(PACKAGE_SUFFIX)
    if slash and name != bundle_id and is_client_folder(folder) and is_bundle_id(bundle_id):
        return PackageName(None if folder == PLATFORM else folder, bundle_id)
    raise FormatRefused(
        "A package's path is its client (or 'platform'), '/', and its bundle id with '.zip'.",
        field="package_path",
    )


def parse_vault_folder(path: str) -> PackageName:
    """Read what :attr:`PackageName.vault_folder` gives; nothing else is a folder of the vault.

    Raises:
        FormatRefused: For any other path.
    """
    folder, _, rest = path.partition("/")
    bundle_id = rest.rpartition("/")[2]
    if is_client_folder(folder) and is_bundle_id(bundle_id):
        name = PackageName(None if folder == PLATFORM else folder, bundle_id)
        if name.vault_folder == path:
            return name
    raise FormatRefused(
        "A package's folder is its client (or 'platform'), year, month, day and bundle id."
    )


@dataclass(frozen=True, slots=True)
class DepositFolder:
    """A folder of the vault that holds no package: its client (None for the platform), what kind
    of thing lies in it, and its last part."""

    client_id: str | None
    kind: str
    name: str


def parse_deposit_folder(path: str) -> DepositFolder:
    """Read ``<client or platform>/YYYY/MM/DD/<name>``; the name is of a packet or an artefact.

    Raises:
        FormatRefused: For any other path, and for a day that no calendar has.
    """
    folder, _, rest = path.partition("/")
    day, _, name = rest.rpartition("/")
    kinds = [kind for kind, pattern in _DEPOSITS.items() if pattern.fullmatch(name)]
    if is_client_folder(folder) and kinds and _is_day(day):
        return DepositFolder(None if folder == PLATFORM else folder, kinds[0], name)
    raise FormatRefused(
        "A deposit's folder is its client (or 'platform'), year, month, day and its name."
    )


def is_artifact_name(text: str) -> bool:
    """Whether the text could be the name of an artefact's folder."""
    return _DEPOSITS["artifact"].fullmatch(text) is not None


def _is_day(path: str) -> bool:
    """Whether the text is a day as folders have it, ``2026/02/28``."""
    try:
        return re.fullmatch(r"[0-9]{4}/[0-9]{2}/[0-9]{2}", path) is not None and bool(
            date.fromisoformat(path.replace("/", "-"))
        )
    except ValueError:
        return False


def numbered_name(bundle_id: str, kind: Numbered, number: int) -> str:
    """``<bundle_id>.countersign-0001.json`` and its like; four digits, more from 10000 on.

    Raises:
        FormatRefused: For a number that can't be written so.
    """
    name = f"{bundle_id}.{kind}-{number:04d}.json"
    if parse_numbered(name) != (bundle_id, kind, number):
        raise FormatRefused("Files are numbered from 1.")
    return name


def parse_numbered(name: str) -> tuple[str, Numbered, int] | None:
    """The bundle id, kind and number of a numbered file; None if the name is of no such file."""
    match = _NUMBERED.fullmatch(name)
    if match is None or int(match["number"]) == 0:
        return None
    return match["bundle"], Numbered(match["kind"]), int(match["number"])
