"""Verifies the stored files of a package against the keys and records of this installation."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import structlog
from django.conf import settings

from access import policy
from audit.services import keys, tokens
from evidence.files import opened
from evidence.formats import names
from evidence.formats.fields import MAX_SIDECAR_BYTES
from evidence.formats.package import PackageBytes
from evidence.formats.report import PackageReport
from evidence.formats.verification import Sidecars, verify_package
from evidence.models import Package, PackageTimestamp, Signature
from evidence.services import anchoring
from evidence.services.errors import PackageFileMissing
from evidence.services.locating import file_of
from sealing import digests
from sealing.errors import NotFound, TooLarge
from sealing.files import read_regular
from sealing.results import Finding
from sealing.timestamps import CertificatesRefused

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Options:
    """What a caller asks for beyond what the package itself asks for.

    Attributes:
        only_if_signed: read the log lines only if a trusted key has signed the bytes: for files
            that anybody may send.
    """

    require_countersign: bool = False
    signing_secret: bytes | None = None
    only_if_signed: bool = False


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
    """What is stored of a package at one moment: its sidecars, and its countersignatures.

    Attributes:
        entries: the digest of each recorded countersignature, in their order.
        recorded_timestamp: the digest of the recorded timestamp; None where there is none.
    """

    sidecars: Sidecars
    entries: tuple[str, ...]
    recorded_timestamp: str | None


def stored(
    package: Package,
    *,
    signature_path: Path | None = None,
    countersign_path: Path | None = None,
) -> Stored:
    """The sidecars and the recorded entries. Lock the row, or they may not agree."""
    entries = package.countersignatures.order_by("number").values_list("entry", flat=True)
    # Before the files: each file is written before its record.
    stamps = PackageTimestamp.objects.filter(package=package).values_list("token_sha256", flat=True)
    stamp = stamps.first()
    sidecars = read_sidecars(
        package.name, signature_path=signature_path, countersign_path=countersign_path
    )
    recorded = tuple(digests.sha256_tag(entry.encode()) for entry in entries)
    return Stored(sidecars, recorded, stamp)


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
        with opened(file_of(name, names.PACKAGE_SUFFIX)) as data:
            return check_bytes(data, sidecars=sidecars, options=options)
    except FileNotFoundError as error:
        raise PackageFileMissing("The package's file is not where it was put.") from error


def check_bytes(
    data: PackageBytes, *, sidecars: Sidecars, options: Options = Options()
) -> PackageReport:
    """Verify bytes against the keys, the log and the timestamp authority of this installation."""
    signers = keys.signers()
    known = anchoring.known(sidecars, signers)
    verify = partial(
        verify_package,
        data,
        sidecars,
        signers,
        require_countersign=options.require_countersign,
        signing_secret=options.signing_secret,
        own_secret=settings.COMPLIANCE_EVIDENCE_SIGNING_SECRET or None,
        anchors=known.anchors,
        recorded=known.recorded,
        only_if_signed=options.only_if_signed,
        human=human,
    )
    if sidecars.timestamp is None or not settings.TSA_CERTIFICATES:
        return verify()
    try:
        return verify(tsa_certificates=tokens.certificates())
    except CertificatesRefused as error:
        # Everything else can be checked; the report notes that the timestamp was not.
        log.error("timestamps can't be checked", reason=error.message)
        return verify()


def human(person: str) -> str:
    """Whom a person's id stands for: two that were merged are one human."""
    try:
        found = policy.root_person(uuid.UUID(person))
    except ValueError:
        # A package of elsewhere may say anything.
        return person
    return str(found)


def _against_record(package: Package, found: Stored, report: PackageReport) -> Iterator[Finding]:
    if report.package_sha256 != package.package_sha256:
        yield Finding(
            "record_digest_differs", False, "This is not the file that the export recorded."
        )
    if not _is_recorded_signature(package, found):
        yield Finding(
            "record_signature_differs", False, "This is not the signature that was recorded."
        )
    # Entries that don't hold have their own findings: this is about others than those recorded.
    if found.entries != report.entry_digests:
        yield Finding(
            "record_countersignatures_differ",
            False,
            f"{len(found.entries)} countersignature(s) are recorded, and the file beside the"
            f" package holds {len(report.entry_digests)}, which are not the same.",
        )
    if found.recorded_timestamp is not None and found.recorded_timestamp != _digest(
        found.sidecars.timestamp
    ):
        yield Finding(
            "record_timestamp_differs",
            False,
            "A timestamp was recorded, and the file .tsr is missing or another one.",
            names.TIMESTAMP_SUFFIX,
        )


def _digest(raw: bytes | None) -> str | None:
    return None if raw is None else digests.sha256_tag(raw)


def _is_recorded_signature(package: Package, found: Stored) -> bool:
    recorded = Signature.objects.filter(package=package).first()
    raw = found.sidecars.signature
    # A missing file has its own finding; one beside an unsigned package proves nothing anyway.
    if recorded is None or raw is None:
        return True
    return digests.sha256_tag(raw) == recorded.signature_sha256
