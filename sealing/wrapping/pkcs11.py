"""Wrapping under a key that a hardware module keeps, by PKCS#11.

Two ways, by what the token can do; the algorithm in the envelope says which it was:

- ``AES-256-GCM``: a random nonce of 12 bytes, then what the token encrypted; the context is the
  associated data.
- ``AES-256-KW+SHA-256`` where a token has no AES-GCM: RFC 3394 key wrap of the plaintext followed
  by the SHA-256 of the context, which is compared after unwrapping. Key wrap keeps its content from
  being changed, so the context can't be exchanged for another either.
"""

from __future__ import annotations

import contextlib
import hmac
import os
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from sealing.digests import sha256
from sealing.errors import StrongroomError
from sealing.wrapping.base import (
    DATA_KEY_BYTES,
    DataKey,
    KeyServiceDenied,
    KeyServiceUnavailable,
    Mode,
    UnwrapFailed,
    Wrapped,
    WrapperRefused,
    WrappingKeyMissing,
    check_plaintext,
    context_bytes,
)

GCM: Final = "AES-256-GCM"
KEY_WRAP: Final = "AES-256-KW+SHA-256"
PROVIDER: Final = "pkcs11"
_NONCE_BYTES: Final = 12
_DIGEST_BYTES: Final = 32
# A process shares one login to a token among all its sessions, and closing one logs out the others.
_ONE_AT_A_TIME = threading.Lock()
_PIN_FAULTS: Final = {
    "PinExpired", "PinIncorrect", "PinInvalid", "PinLenRange", "PinLocked", "UserPinNotInitialized",
}  # fmt: skip
# What tokens answer to a ciphertext that is not theirs: the standard leaves them the choice.
_DIFFERS: Final = {
    "DataInvalid", "EncryptedDataInvalid", "EncryptedDataLenRange", "FunctionFailed",
    "GeneralError", "WrappedKeyInvalid", "WrappedKeyLenRange",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Pkcs11Options:
    """Where the key is.

    Attributes:
        module: the path of the maker's library.
        token_label: the token's name.
        pin: the user's PIN.
        key_label: of an AES key of 256 bits that can't be extracted. A new label begins a new key;
            envelopes name the label that they were made under.
    """

    module: str
    token_label: str
    pin: str = field(repr=False)
    key_label: str


class Pkcs11Wrapper:
    """Wraps on a token. Each call opens the module anew and closes it behind itself.

    So there is nothing that a forked worker could inherit, and what proves a wrapping shares
    nothing with what did it but the token.

    Raises:
        WrapperRefused: the package python-pkcs11 is missing, or an option is empty.
    """

    mode: Final = Mode.PKCS11

    def __init__(self, options: Pkcs11Options) -> None:
        self._api = _api()
        self._options = options
        if not (options.module and options.token_label and options.key_label):
            raise WrapperRefused("PKCS#11 needs a module, a token's label and a key's label.")

    def wrap(self, plaintext: bytes, context: Mapping[str, str]) -> Wrapped:
        """See `Wrapper.wrap`."""
        check_plaintext(plaintext)
        bound, label = context_bytes(context), self._options.key_label
        with self._key(label) as (session, key):
            version = self._version(key)
            if self._can_gcm(session):
                nonce = os.urandom(_NONCE_BYTES)
                sealed = _may(key, "encrypt")(plaintext, **self._gcm(nonce, bound))
                return Wrapped(nonce + sealed, GCM, PROVIDER, label, version)
            ciphertext = self._key_wrapped(session, key, plaintext + sha256(bound))
            return Wrapped(ciphertext, KEY_WRAP, PROVIDER, label, version)

    def unwrap(self, wrapped: Wrapped, context: Mapping[str, str]) -> bytes:
        """See `Wrapper.unwrap`."""
        if wrapped.provider != PROVIDER or wrapped.algorithm not in (GCM, KEY_WRAP):
            raise UnwrapFailed("This was not wrapped on a token.")
        bound = context_bytes(context)
        with self._key(wrapped.key_id or self._options.key_label) as (_, key):
            if self._version(key) != wrapped.key_version:
                raise WrappingKeyMissing(
                    f"The token's key {wrapped.key_id} is another one than when it was wrapped."
                )
            with self._opening():
                if wrapped.algorithm == GCM:
                    return self._gcm_opened(key, wrapped.ciphertext, bound)
                return self._key_unwrapped(key, wrapped.ciphertext, bound)

    def new_data_key(self, context: Mapping[str, str]) -> DataKey:
        """See `Wrapper.new_data_key`."""
        key = os.urandom(DATA_KEY_BYTES)
        return DataKey(key, self.wrap(key, context))

    def fresh(self) -> Pkcs11Wrapper:
        """See `Wrapper.fresh`."""
        return Pkcs11Wrapper(self._options)

    @contextlib.contextmanager
    def _key(self, label: str) -> Iterator[tuple[Any, Any]]:
        """An open session and the wrapping key of that label."""
        api = self._api
        with _ONE_AT_A_TIME, self._meaning():
            module = api.lib(self._options.module)
            try:
                token = module.get_token(token_label=self._options.token_label)
                with token.open(user_pin=self._options.pin) as session:
                    yield session, self._found(session, label)
            finally:
                module.finalize()

    def _found(self, session: Any, label: str) -> Any:
        """The one AES key of that label."""
        of = self._api.Attribute
        wanted = {
            of.CLASS: self._api.ObjectClass.SECRET_KEY,
            of.KEY_TYPE: self._api.KeyType.AES,
            of.LABEL: label,
        }
        # All of them: a search that is not finished outlives its session.
        found = list(session.get_objects(wanted))
        if not found:
            raise WrappingKeyMissing(f"The token {session.token.label} has no AES key {label}.")
        if len(found) > 1:
            raise WrapperRefused(f"The token has more than one AES key {label}.")
        if found[0][of.EXTRACTABLE] or found[0].key_length != 256:
            raise WrapperRefused(f"The key {label} must have 256 bits and not be extractable.")
        return found[0]

    def _version(self, key: Any) -> str:
        """The token's check value of the key, or else the id that it was given."""
        for name in ("CHECK_VALUE", "ID"):
            with contextlib.suppress(self._api.AttributeTypeInvalid):
                if value := key[self._api.Attribute[name]]:
                    return f"{name.lower().replace('_', '-')}:{value.hex()}"
        raise WrapperRefused("The token's key has neither a check value nor an id: give it an id.")

    def _can_gcm(self, session: Any) -> bool:
        slot, gcm = session.token.slot, self._api.Mechanism.AES_GCM
        if gcm not in slot.get_mechanisms():
            return False
        return bool(slot.get_mechanism_info(gcm).flags & self._api.MechanismFlag.ENCRYPT)

    def _gcm(self, nonce: bytes, bound: bytes) -> dict[str, Any]:
        return {
            "mechanism": self._api.Mechanism.AES_GCM,
            "mechanism_param": self._api.GCMParams(nonce, bound),
        }

    def _gcm_opened(self, key: Any, ciphertext: bytes, bound: bytes) -> bytes:
        nonce, sealed = ciphertext[:_NONCE_BYTES], ciphertext[_NONCE_BYTES:]
        if len(sealed) <= 16:
            raise UnwrapFailed("The ciphertext is too short.")
        return bytes(_may(key, "decrypt")(sealed, **self._gcm(nonce, bound)))

    def _key_wrapped(self, session: Any, key: Any, content: bytes) -> bytes:
        if len(content) % 8:
            raise WrapperRefused("This token wraps multiples of eight bytes only.")
        secret = session.create_object(self._secret() | {self._api.Attribute.VALUE: content})
        return bytes(_may(key, "wrap_key")(secret, mechanism=self._api.Mechanism.AES_KEY_WRAP))

    def _key_unwrapped(self, key: Any, ciphertext: bytes, bound: bytes) -> bytes:
        api = self._api
        secret = _may(key, "unwrap_key")(
            api.ObjectClass.SECRET_KEY,
            api.KeyType.GENERIC_SECRET,
            ciphertext,
            mechanism=api.Mechanism.AES_KEY_WRAP,
            template=self._secret(),
        )
        content = bytes(secret[api.Attribute.VALUE])
        plaintext, digest = content[:-_DIGEST_BYTES], content[-_DIGEST_BYTES:]
        if not hmac.compare_digest(digest, sha256(bound)):
            raise UnwrapFailed("It was wrapped with another context.")
        return plaintext

    def _secret(self) -> dict[Any, Any]:
        """A secret that lives as long as the session and that we may read."""
        of = self._api.Attribute
        return {
            of.CLASS: self._api.ObjectClass.SECRET_KEY,
            of.KEY_TYPE: self._api.KeyType.GENERIC_SECRET,
            of.TOKEN: False,
            of.SENSITIVE: False,
            of.EXTRACTABLE: True,
        }

    @contextlib.contextmanager
    def _opening(self) -> Iterator[None]:
        """Tells a ciphertext that does not open from a token that does not work."""
        try:
            yield
        except self._api.PKCS11Error as error:
            if type(error).__name__ not in _DIFFERS:
                raise
            raise UnwrapFailed(
                f"The token does not open it ({type(error).__name__}): the ciphertext, its context"
                " or its key differs, or the token failed."
            ) from error

    @contextlib.contextmanager
    def _meaning(self) -> Iterator[None]:
        try:
            yield
        except self._api.PKCS11Error as error:
            raise _of_fault(type(error).__name__, self._options) from error


def _may(key: Any, name: str) -> Any:
    """What the key does, if it is allowed to: it has no such method otherwise."""
    done = getattr(key, name, None)
    if done is None:
        raise WrapperRefused(f"The token's key may not be used to {name.replace('_', ' ')}.")
    return done


def _of_fault(name: str, options: Pkcs11Options) -> StrongroomError:
    token = options.token_label
    if name in _PIN_FAULTS:
        return KeyServiceDenied(f"The token {token} does not take the PIN ({name}).")
    if name == "MultipleTokensReturned":
        return WrapperRefused(f"There is more than one token {token}.")
    if name == "NoSuchToken":
        return KeyServiceUnavailable(f"There is no token {token}.")
    if name == "PKCS11Error":
        return WrapperRefused(f"The PKCS#11 module {options.module} can't be loaded.")
    return KeyServiceUnavailable(f"The token {token} does not work ({name}).")


def _api() -> Any:
    try:
        import pkcs11
    except ImportError as error:
        raise WrapperRefused(
            "Keys in a hardware module need the package python-pkcs11:"
            " pip install 'strongroom[pkcs11]'.",
            code="pkcs11_missing",
        ) from error
    return pkcs11
