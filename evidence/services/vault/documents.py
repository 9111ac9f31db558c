"""The documents that are made when a copy lies in its place: the receipt and the first lock.

Also the names of all files that there should be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from evidence.formats import names
from evidence.formats.contents import VaultMode
from evidence.formats.names import Numbered, numbered_name
from evidence.formats.vault import Checked, Copy, CopyKind, WormLock, WormReceipt
from evidence.models import Package, PackageTimestamp, ReceiptKind
from evidence.services.vault.base import Document, Kept, Vault
from sealing.errors import Invalid
from sealing.external import OK
from sealing.stores.opening import split_s3
from sealing.times import format_time, parse_time

T = TypeVar("T")


def lock_document(name: str, lock: WormLock) -> Document:
    """The first state of the lock. One that an earlier attempt left says the same, but for its
    moment and for the holds of that moment."""

    def accepts(raw: bytes) -> bool:
        left = _parsed(WormLock.parse, raw)
        return left is not None and lock == replace(
            left, locked_at=lock.locked_at, legal_holds=lock.legal_holds
        )

    return Document(name, lambda kept: lock.build(), accepts)


def receipt_document(
    package: Package,
    digest: str,
    package_name: str,
    vault: Vault,
    external: Mapping[str, Any] | None,
) -> Document:
    """What an external archive answered and what reading back from S3 showed, if any did."""

    def build(kept: Mapping[str, Kept]) -> bytes | None:
        copies = []
        if external is not None:
            copies.append(_external(external, digest))
        if vault.mode is VaultMode.S3:
            copies.append(_in_s3(package, kept[package_name], digest, vault))
        if not copies:
            return None
        now = format_time(datetime.now(UTC))
        return WormReceipt(package.bundle_id, now, digest, tuple(copies)).build()

    def accepts(raw: bytes) -> bool:
        left = _parsed(WormReceipt.parse, raw)
        return left is not None and (left.bundle_id, left.package_sha256) == (
            package.bundle_id,
            digest,
        )

    return Document(f"{package.bundle_id}{names.WORM_RECEIPT_SUFFIX}", build, accepts)


def expected_names(package: Package) -> set[str]:
    """The files that a copy has as far as other records tell; locks have records of their own."""
    copy, suffixes = package.vault_copy, [names.KMS_ENVELOPE_SUFFIX]
    if package.required_signatures:
        suffixes += [names.SIG_SUFFIX, names.SIGNATURE_SUFFIX]
    if PackageTimestamp.objects.filter(package=package).exists():
        suffixes.append(names.TIMESTAMP_SUFFIX)
    archived = package.receipts.filter(kind=ReceiptKind.EXTERNAL_WORM, outcome=OK)
    if copy.mode == VaultMode.S3 or archived.exists():
        suffixes.append(names.WORM_RECEIPT_SUFFIX)
    states = range(1, package.countersignatures.count() + 1)
    return {
        copy.package_name,
        *(f"{package.bundle_id}{suffix}" for suffix in suffixes),
        *(numbered_name(package.bundle_id, Numbered.COUNTERSIGN, number) for number in states),
    }


def _external(receipt: Mapping[str, Any], digest: str) -> Copy:
    # Whole seconds are written here, and never a later end than the archive confirmed.
    until = parse_time(receipt["lock_until"]).replace(microsecond=0)
    return Copy(
        kind=CopyKind.EXTERNAL,
        provider=receipt["provider"],
        archive_id=receipt["archive_id"],
        object_key=receipt["object_key"],
        version_id=None,
        mode=None,
        lock_until=format_time(until),
        request_id=receipt["request_id"],
        package_sha256=digest,
        object_sha256=receipt["package_sha256"],
        checked=None,
    )


def _in_s3(package: Package, kept: Kept, digest: str, vault: Vault) -> Copy:
    bucket, key = split_s3(vault.path(package.name.vault_folder, kept.name))
    assert kept.retention is not None  # what was put without a lock was refused
    until, mode = format_time(kept.retention.until), kept.retention.mode
    checked = Checked(
        at=format_time(datetime.now(UTC)),
        sha256=kept.sha256,
        size_bytes=kept.size_bytes,
        version_id=kept.version_id,
        mode=mode,
        lock_until=until,
        legal_hold=kept.is_held,
        replication=kept.replication,
    )
    return Copy(
        kind=CopyKind.S3,
        provider="s3",
        archive_id=bucket,
        object_key=key,
        version_id=kept.version_id,
        mode=mode,
        lock_until=until,
        request_id=None,
        package_sha256=digest,
        object_sha256=kept.sha256,
        checked=checked,
    )


def _parsed(parse: Callable[[bytes], T], raw: bytes) -> T | None:
    try:
        return parse(raw)
    except Invalid:
        return None
