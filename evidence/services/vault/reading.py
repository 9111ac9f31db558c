"""Reads packages from their vault, as a stream, whatever their size."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from evidence.formats import names
from evidence.formats.vault import KmsEnvelope
from evidence.models import Package, VaultCopy, VaultObject
from evidence.services.vault import envelope as envelopes
from evidence.services.vault.base import Stream, Vault
from evidence.services.vault.errors import NotInVault, VaultDiffers
from evidence.services.vault.opening import vault_of
from sealing import digests, encrypted
from sealing.errors import NotFound


def plaintext(package: Package) -> Iterator[bytes]:
    """The bytes of the package as they were exported, decrypted where the copy is encrypted.

    They count when all were taken: the digest is compared at the end.

    Raises:
        NotInVault. VaultUnavailable, VaultDiffers. What unwrapping its key raises.
    """
    copy = VaultCopy.objects.filter(package=package).first()
    if copy is None:
        raise NotInVault("The package has no copy in a vault.")
    vault = vault_of(copy.mode)
    stream = opened(package, vault, copy.package_name)
    digest = hashlib.sha256()
    for block in decrypted(package, copy, stream, _data_key(package, copy, vault)):
        digest.update(block)
        yield block
    if digests.tag(digest.digest()) != package.package_sha256:
        raise VaultDiffers(f"{copy.package_name} in the vault is not the package.")


def opened(package: Package, vault: Vault, name: str) -> Stream:
    """A recorded file of a package. Raises VaultDiffers where it is missing."""
    row = _row(package, name)
    try:
        _, blocks = vault.look(package.vault_copy.folder, name, row.version_id)
    except NotFound as error:
        raise VaultDiffers(f"{name} is missing in the vault.") from error
    return Stream(blocks)


def decrypted(
    package: Package, copy: VaultCopy, stream: Stream, data_key: bytes | None
) -> Iterator[bytes]:
    """The plaintext of a package's copy, block by block; of the zip, the zip itself."""
    if not copy.encryption:
        while block := stream.read(encrypted.FRAME_BYTES):
            yield block
        return
    if data_key is None:
        raise VaultDiffers("The copy is encrypted, and its envelope holds no key.")
    yield from encrypted.decrypt(
        stream, data_key, client=package.name.folder, bundle_id=package.bundle_id
    )


def _data_key(package: Package, copy: VaultCopy, vault: Vault) -> bytes | None:
    if not copy.encryption:
        return None
    name = f"{package.bundle_id}{names.KMS_ENVELOPE_SUFFIX}"
    raw = vault.read(copy.folder, name, _row(package, name).version_id)
    return envelopes.unwrapped_key(package, KmsEnvelope.parse(raw))


def _row(package: Package, name: str) -> VaultObject:
    row = package.vault_objects.filter(name=name).first()
    if row is None:
        raise VaultDiffers(f"{name} is not among the recorded files of the vault.")
    return row
