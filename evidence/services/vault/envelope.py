"""The envelope of a package once it is made: kept over a crash, unwrapped, checked."""

from __future__ import annotations

import contextlib
import hmac
from pathlib import Path

from django.conf import settings

from evidence.formats import names
from evidence.formats.vault import KmsEnvelope
from evidence.models import Package
from evidence.services import envelopes
from evidence.services.errors import EncryptionNotConfigured
from evidence.services.vault.base import Vault
from evidence.services.vault.errors import VaultDiffers
from sealing import digests, files
from sealing.errors import NotFound
from sealing.wrapping.base import Mode, Purpose, UnwrapFailed, Wrapped, Wrapper, context_of

_MAX_BYTES = 1 << 16


def taken_over(
    package: Package, digest: str, vault: Vault, raw: bytes, data_key: bytes | None
) -> tuple[bytes, bytes | None]:
    """The envelope and data key of the first attempt of an export; these, if it is the first.

    Each attempt is given a fresh data key, but a copy that lies in the vault, or half of one that
    a bucket has locked, is encrypted under the one of before. So the first envelope is written
    down before anything is encrypted, and later attempts unwrap its key. Whoever can put objects
    into the vault could have made what lies there: it is unwrapped before it counts.

    Raises:
        VaultDiffers: what is there is the envelope of another package, or none that this
            installation would have made.
        What `check` raises.
    """
    found, note = _in_vault(package, vault), _beside(package)
    if found is None:
        found = note
        # Nothing lies in the vault yet: whether to encrypt is as it is configured now.
        if found is not None and (_parsed(package, digest, found).wrapped_key is None) is not (
            data_key is None
        ):
            forget(package)
            found = None
    if found is None:
        files.write_new(_path(package), raw, mode=0o600)
        return raw, data_key
    envelope = _parsed(package, digest, found)
    if found != note:
        _refuse_strange(envelope, KmsEnvelope.parse(raw))
    if envelope.wrapped_key is None and data_key is not None:
        raise VaultDiffers("Copies are encrypted, and the envelope in the vault holds no key.")
    try:
        return found, check(package, envelope)
    except EncryptionNotConfigured:
        if envelope.wrapped_key is not None or found != note:
            raise
    # An outside service wrapped the digest and unwraps for nobody: our own note says it is ours.
    return found, None


def forget(package: Package) -> None:
    """Takes away the note of the envelope: the copy is recorded, or there will be none."""
    with contextlib.suppress(FileNotFoundError):
        files.remove(_path(package))


def unwrapped_key(package: Package, envelope: KmsEnvelope) -> bytes | None:
    """The data key of the encrypted copy; None where it is not encrypted.

    Raises:
        UnwrapFailed: envelope or context were changed. KeyServiceUnavailable, WrappingKeyMissing,
        EncryptionNotConfigured: it can't be unwrapped here and now.
    """
    wrapped = envelope.key_as_wrapped()
    if wrapped is None:
        return None
    return _unwrap(package, envelope, wrapped, Purpose.DATA_KEY)


def check(package: Package, envelope: KmsEnvelope) -> bytes | None:
    """The data key, after the digest was unwrapped and compared.

    Raises:
        UnwrapFailed: it is another digest. Else as `unwrapped_key`.
    """
    unwrapped = _unwrap(package, envelope, envelope.digest_as_wrapped(), Purpose.DIGEST)
    if not hmac.compare_digest(unwrapped, digests.untag(envelope.digest)):
        raise UnwrapFailed("The wrapped digest is another one than the envelope says.")
    return unwrapped_key(package, envelope)


def _unwrap(package: Package, envelope: KmsEnvelope, wrapped: Wrapped, purpose: Purpose) -> bytes:
    context = context_of(package.name.folder, package.bundle_id, purpose)
    return _wrapper_of(package, envelope).unwrap(wrapped, context)


def _wrapper_of(package: Package, envelope: KmsEnvelope) -> Wrapper:
    if envelope.mode is not Mode.EXTERNAL_KMS:
        return envelopes.wrapper_of(envelope.mode, envelope.kms_key_id or "")
    wrapper = envelopes.external_wrapper(
        digest=envelope.digest,
        retention_policy=package.retention_policy,
        kms_key_id=envelope.kms_key_id,
    )
    if wrapper is None or not wrapper.can_unwrap:
        raise EncryptionNotConfigured(
            "The envelope was made by an external key service, and none that unwraps is configured"
            " (COMPLIANCE_EVIDENCE_EXTERNAL_KMS_UNWRAP_ENDPOINT)."
        )
    return wrapper


def _in_vault(package: Package, vault: Vault) -> bytes | None:
    name = f"{package.bundle_id}{names.KMS_ENVELOPE_SUFFIX}"
    try:
        return vault.read(package.name.vault_folder, name)
    except NotFound:
        return None


def _beside(package: Package) -> bytes | None:
    try:
        return files.read_regular(_path(package), _MAX_BYTES)
    except NotFound:
        return None


def _path(package: Package) -> Path:
    """Hidden in the working folder: it is no file of the package there."""
    name = f".{package.bundle_id}{names.KMS_ENVELOPE_SUFFIX}"
    return files.safe_join(Path(settings.EVIDENCE_PACKAGE_DIR), f"{package.name.folder}/{name}")


def _refuse_strange(found: KmsEnvelope, ours: KmsEnvelope) -> None:
    """An envelope that no note tells of is under the key of which ours would be."""
    if (found.mode, found.kms_key_id) != (ours.mode, ours.kms_key_id):
        raise VaultDiffers("The envelope in the vault is under another key than is configured.")


def _parsed(package: Package, digest: str, raw: bytes) -> KmsEnvelope:
    envelope = KmsEnvelope.parse(raw)
    if (envelope.bundle_id, envelope.digest) != (package.bundle_id, digest):
        raise VaultDiffers("The envelope of an earlier attempt is of another package.")
    return envelope
