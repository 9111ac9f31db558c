"""Hands out the files of a package; that somebody took one is recorded first."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import BinaryIO, Final

from django.db import transaction

from access.roles import Action
from audit.events import Actor, EventType
from audit.services import trail
from evidence.formats import names
from evidence.models import Package
from evidence.services import countersign_file, locating
from evidence.services.errors import PackageFileMissing, PackageNotFound, PackageUnfinished
from sealing import digests
from sealing.files import PathRefused

MEDIA_TYPES: Final = {
    names.PACKAGE_SUFFIX: "application/zip",
    names.SIG_SUFFIX: "text/plain; charset=us-ascii",
    names.SIGNATURE_SUFFIX: "application/json",
    names.TIMESTAMP_SUFFIX: "application/timestamp-reply",
    names.COUNTERSIGN_SUFFIX: "application/json",
}
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Download:
    """An opened file that may leave, and what to say of it."""

    name: str
    media_type: str
    size_bytes: int
    sha256: str
    file: BinaryIO


def file_names(package: Package) -> list[str]:
    """The names under which the files of a finished package can be fetched."""
    if not package.is_complete:
        return []
    suffixes = [names.PACKAGE_SUFFIX]
    if package.required_signatures:
        suffixes += [names.SIG_SUFFIX, names.SIGNATURE_SUFFIX]
    if hasattr(package, "timestamp"):
        suffixes.append(names.TIMESTAMP_SUFFIX)
    if package.countersign_file_entries or package.countersignatures.exists():
        suffixes.append(names.COUNTERSIGN_SUFFIX)
    return [f"{package.bundle_id}{suffix}" for suffix in suffixes]


def download(*, actor: Actor, bundle_id: str, name: str) -> Download:
    """Open one file of a package for whoever asks, and record that it leaves.

    Args:
        actor: Who takes it.
        bundle_id: The package.
        name: The file's name, without a folder.

    Raises:
        NotFound: There is no such package or file that the actor may see.
        Forbidden: The actor may look at packages, but not take them away.
        PackageUnfinished: The export did not succeed.
        PackageFileMissing: The file should be there and is not.
    """
    trail.ensure_enabled()
    package = locating.by_bundle_id(actor=actor, bundle_id=bundle_id, action=Action.DOWNLOAD)
    suffix = name.removeprefix(package.bundle_id)
    if suffix == name or suffix not in MEDIA_TYPES:
        raise PackageNotFound("The package has no file of that name.")
    if not package.is_complete:
        raise PackageUnfinished("The package was not written to its end.")
    if name not in file_names(package):
        raise PackageNotFound("The package has no file of that name.")
    if suffix == names.COUNTERSIGN_SUFFIX and countersign_file.needs_repair(package):
        countersign_file.publish(package)
    file = _opened(package, suffix)
    try:
        digest, size = _digest_of(file)
        with transaction.atomic():
            trail.record(
                EventType.EVIDENCE_PACKAGE_DOWNLOADED,
                actor=actor,
                client=package.client,
                obj=("package", package.bundle_id),
                data={"file": name, "sha256": digest, "size_bytes": size},
            )
    except BaseException:
        file.close()
        raise
    return Download(name, MEDIA_TYPES[suffix], size, digest, file)


def _opened(package: Package, suffix: str) -> BinaryIO:
    try:
        path = locating.file_of(package.name, suffix)
        flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        return os.fdopen(os.open(path, flags), "rb")
    except (OSError, PathRefused) as error:
        raise PackageFileMissing("The file is not where it was put.") from error


def _digest_of(file: BinaryIO) -> tuple[str, int]:
    """What leaves is what is recorded: the digest is of these bytes, not of a remembered file."""
    digest, size = hashlib.sha256(), 0
    while block := file.read(_BLOCK):
        digest.update(block)
        size += len(block)
    file.seek(0)
    return digests.tag(digest.digest()), size
