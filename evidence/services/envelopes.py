"""Makes the KMS envelope of a package, and the data key of its encrypted copy."""

from __future__ import annotations

from dataclasses import dataclass, field

from django.conf import settings

from evidence.formats.vault import KmsEnvelope
from evidence.models import Package, ReceiptKind
from evidence.services import outside
from evidence.services.errors import EncryptionNotConfigured
from evidence.services.outside import Answer
from sealing.digests import untag
from sealing.errors import StrongroomError
from sealing.external import DISABLED, OK, SKIPPED
from sealing.times import format_time
from sealing.wrapping.aws_kms import AwsKmsWrapper, KmsOptions
from sealing.wrapping.base import (
    DataKey,
    Mode,
    Purpose,
    Wrapped,
    Wrapper,
    context_of,
    data_key_and_proved,
    wrapped_and_proved,
)
from sealing.wrapping.external import ExternalWrapper
from sealing.wrapping.local import LocalWrapper
from sealing.wrapping.pkcs11 import Pkcs11Options, Pkcs11Wrapper

# The value of EVIDENCE_VAULT_ENCRYPTION that leaves copies in clear.
NONE = "none"
# The service answered as it should, and nobody could tell whether it can open what it closed.
NOT_PROVED = (
    "FAILED: not_proved: what the service wrapped could not be unwrapped again, since no endpoint"
    " for that is configured (COMPLIANCE_EVIDENCE_EXTERNAL_KMS_UNWRAP_ENDPOINT)."
)


@dataclass(frozen=True, slots=True)
class Enveloped:
    """The envelope of a package.

    Attributes:
        raw: ``<bundle_id>.kms-envelope.json``.
        mode: which service wrapped what is in it.
        data_key: what the copy is to be encrypted with; None where it stays in clear.
        external: what came of the external key service.
    """

    raw: bytes
    mode: Mode
    data_key: bytes | None = field(repr=False)
    external: Answer


def encryption_mode() -> Mode | None:
    """Which key service wraps data keys; None where copies stay in clear.

    Raises:
        EncryptionNotConfigured: EVIDENCE_VAULT_ENCRYPTION names none that there is.
    """
    name = settings.EVIDENCE_VAULT_ENCRYPTION
    if name == NONE:
        return None
    if name not in list(Mode):
        raise EncryptionNotConfigured(
            f"EVIDENCE_VAULT_ENCRYPTION is one of {NONE}, {', '.join(Mode)}."
        )
    return Mode(name)


def make(package: Package, digest: str) -> Enveloped:
    """Wraps the digest, and a fresh data key where copies are encrypted.

    Everything that can be unwrapped is unwrapped once before it counts.

    Raises:
        ExternalServiceFailed: the external key service failed, and the request wants it to succeed.
        Unavailable, Forbidden: the key service that the vault needs does not do its part.
    """
    mode = encryption_mode()
    outsider = _external(package, digest)
    asked, answer = _asked(package, outsider, digest, with_key=mode is Mode.EXTERNAL_KMS)
    if mode is None and asked is not None:
        return _enveloped(package, digest, Mode.EXTERNAL_KMS, asked[0], None, answer)
    if mode is Mode.EXTERNAL_KMS:
        if asked is None:
            raise EncryptionNotConfigured(
                f"Copies are encrypted under the external key service: {answer.status}"
            )
        return _enveloped(package, digest, mode, *asked, answer)
    wrapper = wrapper_of(mode or Mode.LOCAL, package.kms_key_id)
    key = None
    if mode is not None:
        key = data_key_and_proved(wrapper, _context(package, Purpose.DATA_KEY))
    wrapped = wrapped_and_proved(wrapper, untag(digest), _context(package, Purpose.DIGEST))
    return _enveloped(package, digest, wrapper.mode, wrapped, key, answer)


def wrapper_of(mode: Mode, kms_key_id: str = "") -> Wrapper:
    """The wrapper of a mode other than the external one, as the settings have it.

    Raises:
        EncryptionNotConfigured: what it needs is not set.
    """
    key_id = kms_key_id or settings.EVIDENCE_VAULT_KMS_KEY_ID
    if mode is Mode.LOCAL:
        return LocalWrapper(settings.KEY_ENCRYPTION_KEY, former=settings.KEY_ENCRYPTION_KEYS_FORMER)
    if mode is Mode.AWS_KMS:
        if not key_id:
            raise EncryptionNotConfigured("EVIDENCE_VAULT_KMS_KEY_ID names no key.")
        return AwsKmsWrapper(key_id, KmsOptions(max_attempts=settings.AWS_MAX_ATTEMPTS))
    if mode is Mode.PKCS11:
        return Pkcs11Wrapper(
            Pkcs11Options(
                module=settings.EVIDENCE_PKCS11_MODULE,
                token_label=settings.EVIDENCE_PKCS11_TOKEN,
                pin=settings.EVIDENCE_PKCS11_PIN,
                key_label=key_id,
            )
        )
    raise EncryptionNotConfigured("The external key service is asked for one package at a time.")


def external_wrapper(
    *, digest: str, retention_policy: str, kms_key_id: str | None
) -> ExternalWrapper | None:
    """The external key service for one package; None where none is configured."""
    wrap = outside.endpoint(settings.COMPLIANCE_EVIDENCE_EXTERNAL_KMS_WRAP_ENDPOINT)
    if wrap is None:
        return None
    return ExternalWrapper(
        wrap,
        unwrap_endpoint=outside.endpoint(settings.COMPLIANCE_EVIDENCE_EXTERNAL_KMS_UNWRAP_ENDPOINT),
        kms_key_id=kms_key_id,
        retention_policy=retention_policy,
        digest=digest,
    )


def _external(package: Package, digest: str) -> ExternalWrapper | None:
    if not package.external_kms and encryption_mode() is not Mode.EXTERNAL_KMS:
        return None
    return external_wrapper(
        digest=digest,
        retention_policy=package.retention_policy,
        kms_key_id=package.kms_key_id or settings.EVIDENCE_VAULT_KMS_KEY_ID or None,
    )


def _asked(
    package: Package, wrapper: ExternalWrapper | None, digest: str, *, with_key: bool
) -> tuple[tuple[Wrapped, DataKey | None] | None, Answer]:
    """What the external service wrapped, if it did, and the status to be told."""
    if wrapper is None:
        is_asked = package.external_kms or with_key
        answer = Answer(DISABLED if is_asked else SKIPPED)
        if package.external_kms:
            outside.settled(package, ReceiptKind.EXTERNAL_KMS, answer)
        return None, answer
    context = _context(package, Purpose.DIGEST)
    try:
        key = None
        if with_key:
            key = data_key_and_proved(wrapper, _context(package, Purpose.DATA_KEY))
        if not wrapper.can_unwrap:
            wrapper.wrap(untag(digest), context)
            raise EncryptionNotConfigured(NOT_PROVED)
        wrapped = wrapped_and_proved(wrapper, untag(digest), context)
    except StrongroomError as error:
        status = error.message if error.message.startswith("FAILED") else f"FAILED: {error.message}"
        outside.keep(package, ReceiptKind.EXTERNAL_KMS, wrapper.outcomes)
        failed = Answer(status[: outside.MAX_STATUS])
        return None, outside.settled(package, ReceiptKind.EXTERNAL_KMS, failed)
    outside.keep(package, ReceiptKind.EXTERNAL_KMS, wrapper.outcomes)
    receipt = {
        "provider": wrapped.provider,
        "algorithm": wrapped.algorithm,
        "key_version": wrapped.key_version,
        "request_id": wrapped.request_id,
    }
    return (wrapped, key), Answer(OK, receipt)


def _context(package: Package, purpose: Purpose) -> dict[str, str]:
    return context_of(package.name.folder, package.bundle_id, purpose)


def _enveloped(
    package: Package,
    digest: str,
    mode: Mode,
    wrapped: Wrapped,
    key: DataKey | None,
    answer: Answer,
) -> Enveloped:
    envelope = KmsEnvelope.of(
        bundle_id=package.bundle_id,
        created_at=format_time(package.generated_at),
        digest=digest,
        mode=mode,
        wrapped_digest=wrapped,
        wrapped_key=None if key is None else key.wrapped,
    )
    return Enveloped(envelope.build(), mode, None if key is None else key.plaintext, answer)
