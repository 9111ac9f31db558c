"""Names of packages and their sidecars (docs/formats.md, "Evidence package")."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from evidence.formats.errors import FormatRefused

PLATFORM: Final = "platform"
PACKAGE_SUFFIX: Final = ".zip"
SIG_SUFFIX: Final = ".zip.sig"
SIGNATURE_SUFFIX: Final = ".signature.json"
COUNTERSIGN_SUFFIX: Final = ".countersign.json"
TIMESTAMP_SUFFIX: Final = ".tsr"

_PREFIX = r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,38}[A-Za-z0-9])?"
_PREFIX_ONLY = re.compile(_PREFIX)
_BUNDLE = re.compile(_PREFIX + r"_[0-9]{8}T[0-9]{6}Z_[0-9a-f]{8}")
_FOLDER = re.compile(r"[A-Za-z0-9_-]{1,64}")


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
