"""What wraps a data key or a digest under a key that never leaves its place."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol

from sealing import canonical
from sealing.errors import Forbidden, IntegrityFailure, Invalid, Unavailable

DATA_KEY_BYTES: Final = 32
# Every service takes this much at once (AWS KMS: 4096 bytes); digests and data keys have 32 bytes.
MAX_PLAINTEXT_BYTES: Final = 1024
MAX_CIPHERTEXT_BYTES: Final = 6144
CONTEXT_KEYS: Final = ("client", "bundle_id", "purpose")
_MAX_CONTEXT_TEXT: Final = 256


class WrapFailed(Unavailable):
    """It could not be wrapped in such a way that it can be unwrapped again."""

    code = "wrap_failed"


class KeyServiceUnavailable(Unavailable):
    """What holds the key can't be reached, or does not answer as it should; later it may."""

    code = "key_service_unavailable"


class KeyServiceDenied(Forbidden):
    """What holds the key refuses: a right, the PIN or the key itself is missing or disabled."""

    code = "key_service_denied"


class WrappingKeyMissing(Unavailable):
    """The key under which something was wrapped is not among those that are configured."""

    code = "wrapping_key_missing"


class WrapperRefused(Invalid):
    """A wrapper is configured wrongly, or was asked for something that it never does."""

    code = "wrapper_invalid"


class UnwrapFailed(IntegrityFailure):
    """The ciphertext does not open with this key and context: one of the three was changed."""

    code = "unwrap_failed"


class Mode(StrEnum):
    """Where the wrapping key is."""

    LOCAL = "local"
    AWS_KMS = "aws_kms"
    EXTERNAL_KMS = "external_kms"
    PKCS11 = "pkcs11"


class Purpose(StrEnum):
    """What is wrapped; part of the context, so that one can't be passed off as the other."""

    DIGEST = "digest"
    DATA_KEY = "data_key"


@dataclass(frozen=True, slots=True)
class Wrapped:
    """What was wrapped, and what is needed to unwrap it.

    Attributes:
        ciphertext: at most `MAX_CIPHERTEXT_BYTES`.
        algorithm: in the words of what wrapped it.
        provider: who wrapped it, such as ``aws-kms``.
        key_id: the key as it was asked for; None where that was left to the service.
        key_version: the key that answered, exactly enough to find it again.
        request_id: of the service's answer; None where nobody was asked.
    """

    ciphertext: bytes
    algorithm: str
    provider: str
    key_id: str | None
    key_version: str
    request_id: str | None = None


@dataclass(frozen=True, slots=True)
class DataKey:
    """A fresh key for one package, in clear and wrapped. The clear key is never shown or kept."""

    plaintext: bytes = field(repr=False)
    wrapped: Wrapped


class Wrapper(Protocol):
    """Wraps under one key. ``context`` is bound to the ciphertext: see `context_of`.

    Every method may raise KeyServiceUnavailable, KeyServiceDenied or WrapperRefused.
    """

    @property
    def mode(self) -> Mode:
        """Where the key is."""

    def wrap(self, plaintext: bytes, context: Mapping[str, str]) -> Wrapped:
        """Wraps up to `MAX_PLAINTEXT_BYTES`."""

    def unwrap(self, wrapped: Wrapped, context: Mapping[str, str]) -> bytes:
        """What was wrapped.

        Raises:
            UnwrapFailed: the ciphertext, the context or the key is another one.
            WrappingKeyMissing: the key of that version is not at hand.
        """

    def new_data_key(self, context: Mapping[str, str]) -> DataKey:
        """A fresh key of 32 bytes."""

    def fresh(self) -> Wrapper:
        """The same wrapper with a connection of its own, to prove what this one did."""


def context_of(client: str, bundle_id: str, purpose: Purpose) -> dict[str, str]:
    """The context of a package: its folder (client or ``platform``), its id, and what is wrapped.

    Services write it into their logs in clear, so nothing else goes in.
    """
    context = {"client": client, "bundle_id": bundle_id, "purpose": str(purpose)}
    context_bytes(context)
    return context


def context_bytes(context: Mapping[str, str]) -> bytes:
    """The context as associated data: canonical JSON.

    Raises:
        WrapperRefused: it has other keys than `CONTEXT_KEYS`, another purpose than those of
            `Purpose`, or a value that is no short text.
    """
    if set(context) != set(CONTEXT_KEYS) or context["purpose"] not in list(Purpose):
        raise WrapperRefused("A context has a client, a bundle_id, and one of the purposes.")
    for value in context.values():
        if not isinstance(value, str) or not 0 < len(value) <= _MAX_CONTEXT_TEXT:
            raise WrapperRefused("The values of a context are short texts.")
    return canonical.dumps(dict(context))


def check_plaintext(plaintext: bytes) -> bytes:
    """Raises WrapperRefused unless it is small enough for every wrapper, and not empty."""
    if not 0 < len(plaintext) <= MAX_PLAINTEXT_BYTES:
        raise WrapperRefused(f"Digests and keys of 1 to {MAX_PLAINTEXT_BYTES} bytes are wrapped.")
    return plaintext


def wrapped_and_proved(wrapper: Wrapper, plaintext: bytes, context: Mapping[str, str]) -> Wrapped:
    """Wraps, and unwraps it again through a connection of its own before it counts.

    Raises:
        WrapFailed: what came back is not what went in.
    """
    wrapped = wrapper.wrap(plaintext, context)
    _prove(wrapper, wrapped, plaintext, context)
    return wrapped


def data_key_and_proved(wrapper: Wrapper, context: Mapping[str, str]) -> DataKey:
    """A fresh data key whose wrapped form was unwrapped again before anything is encrypted.

    Raises:
        WrapFailed: what came back is not the key.
    """
    key = wrapper.new_data_key(context)
    if len(key.plaintext) != DATA_KEY_BYTES:
        raise WrapFailed(f"{wrapper.mode} gave a data key that has not 32 bytes.")
    _prove(wrapper, key.wrapped, key.plaintext, context)
    return key


def _prove(
    wrapper: Wrapper, wrapped: Wrapped, plaintext: bytes, context: Mapping[str, str]
) -> None:
    if not 0 < len(wrapped.ciphertext) <= MAX_CIPHERTEXT_BYTES:
        raise WrapFailed(f"{wrapper.mode} gave a ciphertext of an impossible size.")
    try:
        again = wrapper.fresh().unwrap(wrapped, context)
    except (UnwrapFailed, WrappingKeyMissing) as error:
        raise WrapFailed(f"What was just wrapped can't be unwrapped: {error}") from error
    if not hmac.compare_digest(again, plaintext):
        raise WrapFailed("What was just wrapped unwraps to something else.")
