"""Wrapping under the key-encryption key, and what every wrapper has in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealing.errors import StrongroomError
from sealing.wrapping import base
from sealing.wrapping.base import (
    DataKey,
    Mode,
    Purpose,
    UnwrapFailed,
    WrapFailed,
    Wrapped,
    WrapperRefused,
    WrappingKeyMissing,
)
from sealing.wrapping.local import LocalWrapper, fingerprint

KEK, FORMER = bytes(range(32)), bytes(range(1, 33))
DIGEST = bytes(range(100, 132))
CONTEXT = base.context_of("clinic-001", "evidence_20260202T093000Z_0a1b2c3d", Purpose.DIGEST)
OTHERS = [
    CONTEXT | {"client": "clinic-002"},
    CONTEXT | {"bundle_id": "evidence_20260202T093000Z_0a1b2c3e"},
    CONTEXT | {"purpose": "data_key"},
]


# --- the key-encryption key -----------------------------------------------------------------------


@given(st.binary(min_size=1, max_size=base.MAX_PLAINTEXT_BYTES))
def test_what_is_wrapped_unwraps(plaintext: bytes) -> None:
    wrapped = LocalWrapper(KEK).wrap(plaintext, CONTEXT)
    assert LocalWrapper(KEK).unwrap(wrapped, CONTEXT) == plaintext
    assert len(plaintext) < 8 or plaintext not in wrapped.ciphertext


def test_wrapped_says_how_and_by_what() -> None:
    wrapped = LocalWrapper(KEK).wrap(DIGEST, CONTEXT)
    assert wrapped == Wrapped(
        ciphertext=wrapped.ciphertext,
        algorithm="AES-256-GCM",
        provider="strongroom",
        key_id="key-encryption-key",
        key_version=FINGERPRINT,
        request_id=None,
    )


FINGERPRINT = "f639ff327359f7e8b3ba4e6cd091c7d5"


def test_envelope_of_before_still_unwraps() -> None:
    """What was written once is read for years."""
    assert LocalWrapper(KEK).unwrap(OLD, CONTEXT) == DIGEST


OLD = Wrapped(
    bytes.fromhex(
        "01f4365a7d5f4d69924d9318651a18cb998df2172bd4eaad12d1c19b5cc530c5"
        "ddfc1030389a0a89a29be63792cac5787c1f6d8ffd44e7ef3f90646cab"
    ),
    "AES-256-GCM",
    "strongroom",
    "key-encryption-key",
    FINGERPRINT,
)


def test_fingerprint_is_the_keys_own_and_tells_nothing_of_it() -> None:
    assert fingerprint(KEK) == FINGERPRINT != fingerprint(FORMER)
    assert KEK.hex() not in repr(LocalWrapper(KEK))


@pytest.mark.parametrize("other", OTHERS, ids=["client", "bundle", "purpose"])
def test_another_context_does_not_unwrap(other: dict[str, str]) -> None:
    wrapped = LocalWrapper(KEK).wrap(DIGEST, CONTEXT)
    with pytest.raises(UnwrapFailed):
        LocalWrapper(KEK).unwrap(wrapped, other)


def test_every_flipped_bit_is_refused() -> None:
    wrapper = LocalWrapper(KEK)
    wrapped = wrapper.wrap(DIGEST, CONTEXT)
    for place in range(len(wrapped.ciphertext) * 8):
        changed = bytearray(wrapped.ciphertext)
        changed[place // 8] ^= 1 << place % 8
        with pytest.raises(UnwrapFailed):
            wrapper.unwrap(replace(wrapped, ciphertext=bytes(changed)), CONTEXT)


def test_every_cut_is_refused() -> None:
    wrapper = LocalWrapper(KEK)
    wrapped = wrapper.wrap(DIGEST, CONTEXT)
    for length in range(len(wrapped.ciphertext)):
        with pytest.raises(UnwrapFailed):
            wrapper.unwrap(replace(wrapped, ciphertext=wrapped.ciphertext[:length]), CONTEXT)


@pytest.mark.parametrize("changed", [{"algorithm": "SYMMETRIC_DEFAULT"}, {"provider": "aws-kms"}])
def test_what_something_else_wrapped_is_refused(changed: dict[str, str]) -> None:
    wrapped = LocalWrapper(KEK).wrap(DIGEST, CONTEXT)
    with pytest.raises(UnwrapFailed):
        LocalWrapper(KEK).unwrap(replace(wrapped, **changed), CONTEXT)


@pytest.mark.parametrize(("kek", "former"), [(KEK[:31], ()), (b"", ()), (KEK, (KEK + b"x",))])
def test_keys_of_another_length_are_refused(kek: bytes, former: tuple[bytes, ...]) -> None:
    with pytest.raises(WrapperRefused):
        LocalWrapper(kek, former=former)


# --- rotation -------------------------------------------------------------------------------------


def test_former_key_unwraps_and_the_present_one_wraps() -> None:
    old = LocalWrapper(FORMER).wrap(DIGEST, CONTEXT)
    rotated = LocalWrapper(KEK, former=(FORMER,))
    assert rotated.unwrap(old, CONTEXT) == DIGEST
    assert rotated.fresh().unwrap(old, CONTEXT) == DIGEST
    assert rotated.wrap(DIGEST, CONTEXT).key_version == fingerprint(KEK)


def test_key_that_is_gone_is_told_apart_from_damage() -> None:
    old = LocalWrapper(FORMER).wrap(DIGEST, CONTEXT)
    with pytest.raises(WrappingKeyMissing, match=fingerprint(FORMER)):
        LocalWrapper(KEK).unwrap(old, CONTEXT)


def test_version_of_another_key_does_not_unwrap() -> None:
    old = LocalWrapper(FORMER).wrap(DIGEST, CONTEXT)
    with pytest.raises(UnwrapFailed):
        LocalWrapper(KEK, former=(FORMER,)).unwrap(
            replace(old, key_version=fingerprint(KEK)), CONTEXT
        )


# --- what is asked of every wrapper ---------------------------------------------------------------


@pytest.mark.parametrize(
    "context",
    [
        {},
        {"client": "c", "bundle_id": "b"},
        CONTEXT | {"more": "x"},
        CONTEXT | {"client": ""},
        CONTEXT | {"client": "c" * 257},
        CONTEXT | {"client": 1},
        CONTEXT | {"purpose": "key"},
    ],
    ids=["empty", "short", "more", "no-client", "long", "number", "purpose"],
)
def test_context_has_one_form(context: dict[str, str]) -> None:
    with pytest.raises(WrapperRefused):
        LocalWrapper(KEK).wrap(DIGEST, context)


def test_context_is_bound_as_canonical_json() -> None:
    assert base.context_bytes(dict(reversed(CONTEXT.items()))) == (
        b'{"bundle_id":"evidence_20260202T093000Z_0a1b2c3d","client":"clinic-001",'
        b'"purpose":"digest"}'
    )


@pytest.mark.parametrize("size", [0, base.MAX_PLAINTEXT_BYTES + 1])
def test_only_what_is_small_is_wrapped(size: int) -> None:
    with pytest.raises(WrapperRefused):
        LocalWrapper(KEK).wrap(bytes(size), CONTEXT)


def test_proved_wrapping_and_data_keys() -> None:
    wrapper = LocalWrapper(KEK)
    wrapped = base.wrapped_and_proved(wrapper, DIGEST, CONTEXT)
    assert wrapper.unwrap(wrapped, CONTEXT) == DIGEST
    one, two = (base.data_key_and_proved(wrapper, OTHERS[2]) for _ in range(2))
    assert len(one.plaintext) == 32
    assert one.plaintext != two.plaintext
    assert wrapper.unwrap(one.wrapped, OTHERS[2]) == one.plaintext
    assert one.plaintext.hex() not in repr(one)
    assert str(one.plaintext) not in repr(one)


class Broken(LocalWrapper):
    """Wraps well; what proves it gets something else back."""

    def __init__(self, answer: bytes | StrongroomError, ciphertext: bytes | None = None) -> None:
        super().__init__(KEK)
        self.answer, self.ciphertext = answer, ciphertext

    def wrap(self, plaintext: bytes, context: Mapping[str, str]) -> Wrapped:
        wrapped = super().wrap(plaintext, context)
        return wrapped if self.ciphertext is None else replace(wrapped, ciphertext=self.ciphertext)

    def unwrap(self, wrapped: Wrapped, context: Mapping[str, str]) -> bytes:
        if isinstance(self.answer, StrongroomError):
            raise self.answer
        return self.answer

    def fresh(self) -> Broken:
        return self


@pytest.mark.parametrize(
    "wrapper",
    [
        Broken(DIGEST[:-1] + b"x"),
        Broken(b""),
        Broken(UnwrapFailed("no")),
        Broken(WrappingKeyMissing("no")),
        Broken(DIGEST, ciphertext=b""),
        Broken(DIGEST, ciphertext=bytes(base.MAX_CIPHERTEXT_BYTES + 1)),
    ],
    ids=["other", "nothing", "failed", "missing", "empty", "huge"],
)
def test_what_does_not_come_back_is_not_wrapped(wrapper: Broken) -> None:
    with pytest.raises(WrapFailed):
        base.wrapped_and_proved(wrapper, DIGEST, CONTEXT)
    with pytest.raises(WrapFailed):
        base.data_key_and_proved(wrapper, CONTEXT)


def test_service_that_is_away_while_proving_is_told_as_that() -> None:
    with pytest.raises(base.KeyServiceUnavailable):
        base.wrapped_and_proved(Broken(base.KeyServiceUnavailable("away")), DIGEST, CONTEXT)


def test_data_key_of_another_length_is_refused() -> None:
    class Short(LocalWrapper):
        def new_data_key(self, context: Mapping[str, str]) -> DataKey:
            return DataKey(bytes(16), self.wrap(bytes(16), context))

    with pytest.raises(WrapFailed):
        base.data_key_and_proved(Short(KEK), CONTEXT)


def test_modes_are_those_of_the_format() -> None:
    assert [str(mode) for mode in Mode] == ["local", "aws_kms", "external_kms", "pkcs11"]
    assert LocalWrapper(KEK).mode == "local"
