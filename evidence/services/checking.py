"""Verifies the stored files of a package against the keys and records of this installation."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from audit.services import keys
from evidence.files import mapped
from evidence.formats import names
from evidence.formats.fields import MAX_SIDECAR_BYTES
from evidence.formats.report import PackageReport
from evidence.formats.verification import Sidecars, verify_package
from evidence.models import Package
from evidence.services.errors import PackageFileMissing
from evidence.services.locating import file_of
from sealing import digests
from sealing.errors import NotFound, TooLarge
from sealing.files import read_regular
from sealing.results import Finding


@dataclass(frozen=True, slots=True)
class Options:
    """What a caller asks for beyond what the package itself asks for."""

    require_countersign: bool = False
    signing_secret: bytes | None = None


def read_sidecars(
    name: names.PackageName,
    *,
    signature_path: Path | None = None,
    countersign_path: Path | None = None,
) -> Sidecars:
    """The files beside a package, each None where there is none.

    Args:
        name: The package.
        signature_path: Read this instead of the usual ``.signature.json``.
        countersign_path: Read this instead of the usual ``.countersign.json``.
    """
    return Sidecars(
        sig=_read(file_of(name, names.SIG_SUFFIX)),
        signature=_read(signature_path or file_of(name, names.SIGNATURE_SUFFIX)),
        countersign=_read(countersign_path or file_of(name, names.COUNTERSIGN_SUFFIX)),
        timestamp=_read(file_of(name, names.TIMESTAMP_SUFFIX)),
    )


def _read(path: Path) -> bytes | None:
    if not os.path.lexists(path):
        return None
    try:
        return read_regular(path, MAX_SIDECAR_BYTES)
    except (NotFound, TooLarge):
        # Something is there that no sidecar can be: it is not absent, it is wrong.
        return b""


@dataclass(frozen=True, slots=True)
class Stored:
    """What is stored beside a package at one moment: its sidecars, and who countersigned."""

    sidecars: Sidecars
    countersigners: tuple[str, ...]


def stored(
    package: Package,
    *,
    signature_path: Path | None = None,
    countersign_path: Path | None = None,
) -> Stored:
    """The sidecars and the recorded countersigners. Lock the row, or they may not agree."""
    people = package.countersignatures.order_by("number").values_list("person_id", flat=True)
    sidecars = read_sidecars(
        package.name, signature_path=signature_path, countersign_path=countersign_path
    )
    return Stored(sidecars, tuple(str(person) for person in people))


def signature_bytes(package: Package) -> bytes:
    """The raw ``signature.json``, as the record knows it.

    Raises:
        PackageFileMissing: It is not there, or is another one.
    """
    raw = _read(file_of(package.name, names.SIGNATURE_SUFFIX))
    if raw is None or digests.sha256_tag(raw) != package.signature.signature_sha256:
        raise PackageFileMissing("The package's signature.json is not the one that was written.")
    return raw


def check_files(
    package: Package,
    *,
    found: Stored | None = None,
    options: Options = Options(),
) -> PackageReport:
    """Verify a recorded package, and that its files are those of the record.

    Args:
        package: The record.
        found: What is stored beside it, where that was read before.
        options: What else is asked for.

    Raises:
        PackageFileMissing: The zip file is gone.
    """
    found = found or stored(package)
    report = check_name(package.name, sidecars=found.sidecars, options=options)
    return report.with_findings(_against_record(package, found, report))


def check_name(
    name: names.PackageName,
    *,
    sidecars: Sidecars,
    options: Options = Options(),
) -> PackageReport:
    """Verify the package file of that name.

    Raises:
        PackageFileMissing: There is none.
    """
    try:
        with mapped(file_of(name, names.PACKAGE_SUFFIX)) as data:
            return verify_package(
                data,
                sidecars,
                keys.signers(),
                require_countersign=options.require_countersign,
                signing_secret=options.signing_secret,
                own_secret=settings.COMPLIANCE_EVIDENCE_SIGNING_SECRET or None,
            )
    except FileNotFoundError as error:
        raise PackageFileMissing("The package's file is not where it was put.") from error


def _against_record(package: Package, found: Stored, report: PackageReport) -> Iterator[Finding]:
    if report.package_sha256 != package.package_sha256:
        yield Finding(
            "record_digest_differs", False, "This is not the file that the export recorded."
        )
    # One that does not hold has its own finding; here it is about entries that disappeared.
    if found.countersigners != tuple(item.person for item in report.countersigners):
        yield Finding(
            "record_countersignatures_differ",
            False,
            f"{len(found.countersigners)} countersignature(s) are recorded, and the file beside "
            f"the package holds {len(report.countersigners)} that verify.",
        )
