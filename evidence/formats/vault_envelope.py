"""``<bundle_id>.kms-envelope.json``: the wrapped digest and the wrapped key of a package."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from evidence.formats.errors import FormatRefused
from evidence.formats.fields import Fields, document, refuse
from evidence.formats.vault_lock import bundle_id_of
from sealing import digests
from sealing.canonical import document as encode
from sealing.errors import Invalid
from sealing.wrapping.base import MAX_CIPHERTEXT_BYTES, Mode, Wrapped

_KEYS: Final = (
    "bundle_id", "created_at", "kms_key_id", "digest", "wrapped_digest", "wrapped_key", "algorithm",
    "mode", "provider", "key_version", "request_id",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class KmsEnvelope:
    """The envelope of one package.

    Attributes:
        kms_key_id: the wrapping key as it was asked for; None where that was left to the service.
        digest: the package's.
        wrapped_digest: the 32 bytes of the digest, wrapped: whoever holds the key can say later
            that this package is the one that was put away.
        wrapped_key: the data key of the encrypted copy, wrapped by the same key and in the same
            way; None where nothing is encrypted.
        request_id: of the answer that wrapped the digest; None where nobody was asked.
    """

    bundle_id: str
    created_at: str
    kms_key_id: str | None
    digest: str
    wrapped_digest: bytes
    wrapped_key: bytes | None
    algorithm: str
    mode: Mode
    provider: str
    key_version: str
    request_id: str | None

    @classmethod
    def of(
        cls,
        *,
        bundle_id: str,
        created_at: str,
        digest: str,
        mode: Mode,
        wrapped_digest: Wrapped,
        wrapped_key: Wrapped | None,
    ) -> KmsEnvelope:
        """The envelope of what a wrapper wrapped.

        Raises:
            FormatRefused: When digest and key were wrapped differently: one envelope has one
                algorithm and one key.
        """
        if wrapped_key is not None and _how(wrapped_key) != _how(wrapped_digest):
            raise FormatRefused("The digest and the key were not wrapped by the same key.")
        return cls(
            bundle_id=bundle_id,
            created_at=created_at,
            kms_key_id=wrapped_digest.key_id,
            digest=digest,
            wrapped_digest=wrapped_digest.ciphertext,
            wrapped_key=None if wrapped_key is None else wrapped_key.ciphertext,
            algorithm=wrapped_digest.algorithm,
            mode=mode,
            provider=wrapped_digest.provider,
            key_version=wrapped_digest.key_version,
            request_id=wrapped_digest.request_id,
        )

    def build(self) -> bytes:
        """The bytes of the file.

        Raises:
            Invalid: When they could not be read back.
        """
        key = None if self.wrapped_key is None else _spelled(self.mode, self.wrapped_key)
        raw = encode(
            {name: getattr(self, name) for name in _KEYS}
            | {
                "mode": str(self.mode),
                "wrapped_digest": _spelled(self.mode, self.wrapped_digest),
                "wrapped_key": key,
            }
        )
        KmsEnvelope.parse(raw)
        return raw

    @classmethod
    def parse(cls, raw: bytes) -> KmsEnvelope:
        """Read the file. Nothing is unwrapped here.

        Raises:
            Invalid: With the place of the fault.
        """
        top = Fields(document(raw), required=_KEYS)
        if top.get("mode") not in list(Mode):
            raise refuse("/mode", "a mode of wrapping is expected.")
        mode, has_key = Mode(top.text("mode")), top.get("wrapped_key") is not None
        return cls(
            bundle_id=bundle_id_of(top),
            created_at=top.time("created_at"),
            kms_key_id=top.optional_text("kms_key_id"),
            digest=top.digest("digest"),
            wrapped_digest=_ciphertext(top, "wrapped_digest", mode),
            wrapped_key=_ciphertext(top, "wrapped_key", mode) if has_key else None,
            algorithm=top.text("algorithm"),
            mode=mode,
            provider=top.text("provider"),
            key_version=top.text("key_version"),
            request_id=top.optional_text("request_id"),
        )

    def digest_as_wrapped(self) -> Wrapped:
        """What a wrapper needs to unwrap the digest."""
        return self._wrapped(self.wrapped_digest)

    def key_as_wrapped(self) -> Wrapped | None:
        """What a wrapper needs to unwrap the data key; None where nothing is encrypted."""
        return None if self.wrapped_key is None else self._wrapped(self.wrapped_key)

    def _wrapped(self, ciphertext: bytes) -> Wrapped:
        return Wrapped(
            ciphertext=ciphertext,
            algorithm=self.algorithm,
            provider=self.provider,
            key_id=self.kms_key_id,
            key_version=self.key_version,
            request_id=self.request_id,
        )


def _how(wrapped: Wrapped) -> tuple[str | None, ...]:
    return wrapped.algorithm, wrapped.provider, wrapped.key_id, wrapped.key_version


def _spelled(mode: Mode, ciphertext: bytes) -> str:
    """Base64; what an external service wrapped stands in its own words, which need not be that."""
    if mode is not Mode.EXTERNAL_KMS:
        return digests.b64(ciphertext)
    try:
        return ciphertext.decode("utf-8")
    except UnicodeDecodeError as error:
        raise FormatRefused("An external service's answers are text.") from error


def _ciphertext(top: Fields, name: str, mode: Mode) -> bytes:
    text = top.text(name, limit=2 * MAX_CIPHERTEXT_BYTES)
    try:
        data = text.encode("utf-8") if mode is Mode.EXTERNAL_KMS else digests.unb64(text)
    except Invalid as error:
        raise refuse(top.at(name), "base64 in its only spelling is expected.") from error
    if len(data) > MAX_CIPHERTEXT_BYTES:
        raise refuse(top.at(name), f"at most {MAX_CIPHERTEXT_BYTES} bytes are expected.")
    return data
