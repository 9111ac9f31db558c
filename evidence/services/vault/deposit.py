"""Puts a package into its vault in three steps, so that what fails leaves nothing behind.

``stage`` prepares the files where nobody looks for them, ``commit`` puts them in their place,
locks them and reads them back, and ``record`` stores that they are there, in the transaction that
ends the export. An attempt that was killed anywhere is taken up by the next one, which ends in
the same files: what lies there already is adopted if it is the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db import transaction

from audit import failpoints
from evidence.formats import names
from evidence.formats.contents import VaultMode
from evidence.formats.names import Numbered, numbered_name
from evidence.formats.vault import KmsEnvelope, WormLock
from evidence.formats.verification import Sidecars
from evidence.models import Package, VaultCopy, VaultLock, VaultObject
from evidence.services.errors import VaultNotConfigured
from evidence.services.locating import file_of
from evidence.services.vault import envelope as envelopes
from evidence.services.vault import holding, opening
from evidence.services.vault.base import (
    Kept,
    Lock,
    Preparation,
    Source,
    Vault,
    of_bytes,
    of_encrypted,
    of_file,
    refuse_other,
)
from evidence.services.vault.documents import lock_document, receipt_document
from evidence.services.vault.opening import vault_of
from sealing import digests
from sealing.stores.base import LockMode
from sealing.times import format_time, parse_time


@dataclass(frozen=True, slots=True)
class Staged:
    """A copy that is prepared and has no place yet."""

    package: Package
    digest: str
    vault: Vault
    preparation: Preparation
    package_name: str
    encryption: str
    is_signed: bool


@dataclass(frozen=True, slots=True)
class Committed:
    """A copy in its place, locked and read back.

    Attributes:
        folder: below the vault's root.
        package_name: of the zip, or of the encrypted copy in its stead.
        encryption: the mode in which the data key is wrapped; empty where it is in clear.
        objects: every file.
        lock: the first state of the lock, as it lies there under ``lock_name``.
    """

    mode: VaultMode
    folder: str
    package_name: str
    encryption: str
    objects: tuple[Kept, ...]
    lock: WormLock
    lock_name: str


def stage(
    package: Package,
    *,
    digest: str,
    sidecars: Sidecars,
    token: bytes | None,
    envelope: bytes,
    data_key: bytes | None,
) -> Staged:
    """Prepares the copy of a package that lies complete in the working folder.

    Args:
        digest: of the zip.
        token: the timestamp over it, if there is one.
        envelope: ``<bundle_id>.kms-envelope.json``.
        data_key: encrypts the copy; None leaves it in clear.

    Raises:
        VaultNotConfigured. VaultUnavailable: it is full, read-only, or can't be reached.
        PackageDiffers: what lies in the working folder has another digest.
    """
    if package.retain_until is None:
        raise VaultNotConfigured("The package has no retention: it is not meant for a vault.")
    vault = vault_of(package.vault_mode)
    preparation = vault.prepare(package.name.vault_folder)
    try:
        raw, key = envelopes.taken_over(package, digest, vault, envelope, data_key)
        sources = list(_sources(package, digest, sidecars, token, raw, key))
        for source in sources:
            preparation.add(source)
    except BaseException:
        preparation.discard()
        raise
    return Staged(
        package=package,
        digest=digest,
        vault=vault,
        preparation=preparation,
        package_name=sources[0].name,
        encryption=str(KmsEnvelope.parse(raw).mode) if key is not None else "",
        is_signed=sidecars.sig is not None,
    )


def commit(staged: Staged, *, external: Mapping[str, Any] | None = None) -> Committed:
    """Gives the copy its place, its lock and its receipt, and reads everything back.

    Args:
        external: the receipt of an external archive, if it has the package too.

    Raises:
        VaultUnavailable. VaultDiffers: something else lies there. PackageDiffers: as for `stage`.
    """
    package, vault, folder = staged.package, staged.vault, staged.package.name.vault_folder
    lock = _first_lock(staged)
    lock_name = numbered_name(package.bundle_id, Numbered.WORM_LOCK, 1)
    documents = (
        receipt_document(package, staged.digest, staged.package_name, vault, external),
        lock_document(lock_name, lock),
    )
    kept = vault.commit(staged.preparation, Lock(lock.retention, bool(lock.legal_holds)), documents)
    failpoints.reach("vault-8")
    by_name = {item.name: item for item in kept}
    if not staged.encryption:  # else it was compared while it was encrypted
        refuse_other(by_name[staged.package_name].sha256, staged.digest)
    found = WormLock.parse(vault.read(folder, lock_name, by_name[lock_name].version_id))
    return Committed(
        vault.mode, folder, staged.package_name, staged.encryption, kept, found, lock_name
    )


def record(package: Package, committed: Committed, *, actor_id: str) -> VaultCopy:
    """Stores that the copy is there, within the transaction that completes the package."""
    lock = committed.lock
    until = parse_time(lock.retain_until)
    copy = VaultCopy.objects.create(
        package=package,
        mode=committed.mode,
        folder=committed.folder,
        package_name=committed.package_name,
        encryption=committed.encryption,
    )
    VaultObject.objects.bulk_create(
        object_row(package, kept, until=until) for kept in committed.objects
    )
    VaultLock.objects.create(
        package=package,
        number=1,
        retention_policy=lock.retention_policy,
        retain_until=until,
        legal_holds=list(lock.legal_holds),
        name=committed.lock_name,
        sha256=digests.sha256_tag(lock.build()),
        locked_at=parse_time(lock.locked_at),
        actor_id=actor_id,
    )
    transaction.on_commit(lambda: envelopes.forget(package))
    return copy


def discard(staged: Staged) -> None:
    """Takes away what was prepared. What was committed stays."""
    staged.preparation.discard()


def discard_staged(package: Package) -> None:
    """Takes away what attempts of an export that failed for good have left."""
    envelopes.forget(package)
    if package.vault_mode in opening.configured():
        vault_of(package.vault_mode).sweep()


def add_file(*, package: Package, name: str, raw: bytes) -> VaultObject | None:
    """Puts one file more beside a copy, such as a state of the countersign file.

    Asking twice does no harm. No transaction may be open: files and the network take their time.

    Returns:
        Its record; None where the package has no copy in a vault.

    Raises:
        VaultUnavailable. VaultDiffers: there is another file of that name.
    """
    copy = VaultCopy.objects.filter(package=package).first()
    if copy is None:
        return None
    rules, vault = holding.current(package), vault_of(copy.mode)
    kept = vault.add(copy.folder, of_bytes(name, raw), holding.lock_of(rules))
    failpoints.reach("vault-9")
    row, _ = VaultObject.objects.get_or_create(
        package=package, name=name, defaults=_facts(kept, until=rules.retain_until)
    )
    # Whoever changed the lock before the row was there did not see this file.
    while (latest := holding.current(package)).number != rules.number:
        rules = latest
        vault.protect(copy.folder, [(kept.name, kept.version_id)], holding.lock_of(rules))
    return row


def object_row(package: Package, kept: Kept, *, until: datetime) -> VaultObject:
    """What is stored of a file that was read back."""
    return VaultObject(package=package, name=kept.name, **_facts(kept, until=until))


def _facts(kept: Kept, *, until: datetime) -> dict[str, Any]:
    return {
        "sha256": kept.sha256,
        "size_bytes": kept.size_bytes,
        "version_id": kept.version_id,
        "protection": kept.protection,
        "retain_until": until if kept.retention is None else kept.retention.until,
    }


def _sources(
    package: Package,
    digest: str,
    sidecars: Sidecars,
    token: bytes | None,
    envelope: bytes,
    data_key: bytes | None,
) -> Iterator[Source]:
    """The files of the copy, the package first: it is what needs the space."""
    path = file_of(package.name, names.PACKAGE_SUFFIX)
    if data_key is None:
        yield of_file(path.name, path, digest)
    else:
        yield of_encrypted(package, path, digest, data_key)
    for suffix, raw in (
        (names.SIG_SUFFIX, sidecars.sig),
        (names.SIGNATURE_SUFFIX, sidecars.signature),
        (names.TIMESTAMP_SUFFIX, token),
        (names.KMS_ENVELOPE_SUFFIX, envelope),
    ):
        if raw is not None:
            yield of_bytes(f"{package.bundle_id}{suffix}", raw)


def _first_lock(staged: Staged) -> WormLock:
    package = staged.package
    assert package.retain_until is not None  # `stage` has seen to it
    return WormLock(
        bundle_id=package.bundle_id,
        locked_at=format_time(datetime.now(UTC)),
        retention_policy=package.retention_policy,
        retain_until=format_time(package.retain_until),
        mode=LockMode.COMPLIANCE,
        package_sha256=staged.digest,
        signature_path=holding.signature_path(package) if staged.is_signed else None,
        legal_holds=tuple(holding.cases_of(package)),
    )
