"""Wrapping under a key that a token keeps, against SoftHSM."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pkcs11
import pytest
from pkcs11 import Attribute, ObjectClass

from sealing.wrapping import base
from sealing.wrapping.base import (
    KeyServiceDenied,
    KeyServiceUnavailable,
    Purpose,
    UnwrapFailed,
    Wrapped,
    WrapperRefused,
    WrappingKeyMissing,
)
from sealing.wrapping.local import LocalWrapper
from sealing.wrapping.pkcs11 import GCM, KEY_WRAP, Pkcs11Wrapper
from tests.servers.softhsm import Token, token  # noqa: F401

pytestmark = pytest.mark.real

DIGEST = bytes(range(100, 132))
BUNDLE = "evidence_20260202T093000Z_0a1b2c3d"
CONTEXT = base.context_of("clinic-001", BUNDLE, Purpose.DIGEST)
KEY_CONTEXT = base.context_of("clinic-001", BUNDLE, Purpose.DATA_KEY)


@pytest.fixture(params=[GCM, KEY_WRAP])
def algorithm(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Either way of wrapping: the second as on a token that has no AES-GCM."""
    if request.param == KEY_WRAP:
        monkeypatch.setattr(Pkcs11Wrapper, "_can_gcm", lambda wrapper, session: False)
    return request.param


@pytest.fixture
def wrapper(token: Token, algorithm: str) -> Pkcs11Wrapper:  # noqa: F811
    return Pkcs11Wrapper(token.options())


def test_digest_is_wrapped_and_proved(wrapper: Pkcs11Wrapper, algorithm: str) -> None:
    wrapped = base.wrapped_and_proved(wrapper, DIGEST, CONTEXT)
    assert wrapper.unwrap(wrapped, CONTEXT) == DIGEST
    assert (wrapped.algorithm, wrapped.provider) == (algorithm, "pkcs11")
    assert (wrapped.key_id, wrapped.request_id) == ("vault-1", None)
    assert wrapped.key_version.startswith("check-value:")
    assert DIGEST not in wrapped.ciphertext
    assert wrapper.mode == "pkcs11"


def test_data_keys_are_fresh_and_proved(wrapper: Pkcs11Wrapper) -> None:
    one, two = (base.data_key_and_proved(wrapper, KEY_CONTEXT) for _ in range(2))
    assert len(one.plaintext) == 32
    assert one.plaintext != two.plaintext
    assert wrapper.unwrap(one.wrapped, KEY_CONTEXT) == one.plaintext


@pytest.mark.parametrize(
    "changed", [{"client": "clinic-002"}, {"bundle_id": "x"}, {"purpose": "data_key"}]
)
def test_another_context_does_not_unwrap(wrapper: Pkcs11Wrapper, changed: dict[str, str]) -> None:
    wrapped = wrapper.wrap(DIGEST, CONTEXT)
    with pytest.raises(UnwrapFailed):
        wrapper.unwrap(wrapped, CONTEXT | changed)


def test_every_changed_byte_is_refused(wrapper: Pkcs11Wrapper) -> None:
    wrapped = wrapper.wrap(DIGEST, CONTEXT)
    for place in range(len(wrapped.ciphertext)):
        changed = bytearray(wrapped.ciphertext)
        changed[place] ^= 1 << place % 8
        with pytest.raises(UnwrapFailed):
            wrapper.unwrap(replace(wrapped, ciphertext=bytes(changed)), CONTEXT)


def test_every_cut_is_refused(wrapper: Pkcs11Wrapper) -> None:
    wrapped = wrapper.wrap(DIGEST, CONTEXT)
    for length in range(0, len(wrapped.ciphertext), 3):
        with pytest.raises(UnwrapFailed):
            wrapper.unwrap(replace(wrapped, ciphertext=wrapped.ciphertext[:length]), CONTEXT)


@pytest.mark.parametrize("changed", [GCM, KEY_WRAP, "none"])
def test_algorithm_is_not_exchanged(wrapper: Pkcs11Wrapper, algorithm: str, changed: str) -> None:
    wrapped = wrapper.wrap(DIGEST, CONTEXT)
    if changed == algorithm:
        assert wrapper.unwrap(wrapped, CONTEXT) == DIGEST
    else:
        with pytest.raises(UnwrapFailed):
            wrapper.unwrap(replace(wrapped, algorithm=changed), CONTEXT)


# --- keys -----------------------------------------------------------------------------------------


def test_new_label_begins_a_new_key_and_the_old_one_still_unwraps(token: Token) -> None:  # noqa: F811
    old = Pkcs11Wrapper(token.options()).wrap(DIGEST, CONTEXT)
    token.make_key("vault-2")
    rotated = Pkcs11Wrapper(token.options("vault-2"))
    new = rotated.wrap(DIGEST, CONTEXT)
    assert (old.key_id, new.key_id) == ("vault-1", "vault-2")
    assert old.key_version != new.key_version
    assert rotated.unwrap(old, CONTEXT) == DIGEST
    assert rotated.unwrap(new, CONTEXT) == DIGEST
    with pytest.raises((UnwrapFailed, WrappingKeyMissing)):
        rotated.unwrap(replace(old, key_id="vault-2"), CONTEXT)


def test_key_made_anew_under_its_label_is_told_as_another(token: Token) -> None:  # noqa: F811
    wrapped = Pkcs11Wrapper(token.options()).wrap(DIGEST, CONTEXT)
    _destroy(token, "vault-1")
    token.make_key("vault-1")
    with pytest.raises(WrappingKeyMissing, match="another one"):
        Pkcs11Wrapper(token.options()).unwrap(wrapped, CONTEXT)


def test_key_that_is_gone_is_told_as_missing(token: Token) -> None:  # noqa: F811
    wrapped = Pkcs11Wrapper(token.options()).wrap(DIGEST, CONTEXT)
    _destroy(token, "vault-1")
    with pytest.raises(WrappingKeyMissing):
        Pkcs11Wrapper(token.options()).unwrap(wrapped, CONTEXT)


@pytest.mark.parametrize(
    "changed", [{"EXTRACTABLE": True}, {"bits": 128}], ids=["extractable", "short"]
)
def test_key_that_could_leave_or_is_short_is_refused(
    token: Token,  # noqa: F811
    changed: dict[str, Any],
) -> None:
    token.make_key("other", **changed)
    with pytest.raises(WrapperRefused, match="256 bits and not be extractable"):
        Pkcs11Wrapper(token.options("other")).wrap(DIGEST, CONTEXT)


def test_two_keys_of_one_label_are_refused(token: Token) -> None:  # noqa: F811
    token.make_key("vault-1")
    with pytest.raises(WrapperRefused, match="more than one"):
        Pkcs11Wrapper(token.options()).wrap(DIGEST, CONTEXT)


@pytest.mark.parametrize("missing", ["ENCRYPT", "DECRYPT", "WRAP", "UNWRAP"])
def test_key_that_lacks_a_right_is_told(
    token: Token,  # noqa: F811
    algorithm: str,
    missing: str,
) -> None:
    token.make_key("other", **{missing: False})
    wrapper = Pkcs11Wrapper(token.options("other"))
    if (missing in {"ENCRYPT", "DECRYPT"}) is (algorithm == GCM):
        with pytest.raises(WrapperRefused, match="may not be used"):
            base.wrapped_and_proved(wrapper, DIGEST, CONTEXT)
    else:
        base.wrapped_and_proved(wrapper, DIGEST, CONTEXT)


# --- the token ------------------------------------------------------------------------------------


def test_wrong_pin_is_a_refusal_and_is_not_told(token: Token) -> None:  # noqa: F811
    options = replace(token.options(), pin="another-pin")
    with pytest.raises(KeyServiceDenied) as caught:
        Pkcs11Wrapper(options).wrap(DIGEST, CONTEXT)
    assert "another-pin" not in caught.value.message
    assert Pkcs11Wrapper(token.options()).wrap(DIGEST, CONTEXT).key_id == "vault-1"


def test_token_that_is_not_there_is_unavailable(token: Token) -> None:  # noqa: F811
    options = replace(token.options(), token_label="another")
    with pytest.raises(KeyServiceUnavailable, match="no token another"):
        Pkcs11Wrapper(options).wrap(DIGEST, CONTEXT)


def test_what_was_wrapped_elsewhere_is_refused(token: Token) -> None:  # noqa: F811
    wrapped = LocalWrapper(bytes(32)).wrap(DIGEST, CONTEXT)
    with pytest.raises(UnwrapFailed, match="not wrapped on a token"):
        Pkcs11Wrapper(token.options()).unwrap(wrapped, CONTEXT)


def test_threads_take_turns(token: Token) -> None:  # noqa: F811
    """One login serves a whole process: unguarded, one thread's end logs out the others."""
    failures: list[BaseException] = []

    def work() -> None:
        wrapper = Pkcs11Wrapper(token.options())
        try:
            for _ in range(5):
                base.wrapped_and_proved(wrapper, DIGEST, CONTEXT)
        except base.StrongroomError as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert failures == []


def test_forked_worker_wraps_too(token: Token) -> None:  # noqa: F811
    """What a parent opened is not a child's to use: a worker opens the module itself."""
    wrapper = Pkcs11Wrapper(token.options())
    before = wrapper.wrap(DIGEST, CONTEXT)
    context = multiprocessing.get_context("fork")
    queue: Any = context.SimpleQueue()
    child = context.Process(target=_in_child, args=(wrapper, before, queue))
    child.start()
    child.join(60)
    assert child.exitcode == 0
    plaintext, wrapped = queue.get()
    assert plaintext == DIGEST
    assert wrapper.unwrap(wrapped, CONTEXT) == DIGEST


def _in_child(wrapper: Pkcs11Wrapper, wrapped: Wrapped, queue: Any) -> None:
    queue.put((wrapper.unwrap(wrapped, CONTEXT), wrapper.wrap(DIGEST, CONTEXT)))


def _destroy(held: Token, label: str) -> None:
    library = pkcs11.lib(held.module)
    try:
        with library.get_token(token_label=held.label).open(rw=True, user_pin=held.pin) as session:
            found = {Attribute.CLASS: ObjectClass.SECRET_KEY, Attribute.LABEL: label}
            for each in list(session.get_objects(found)):
                each.destroy()
    finally:
        library.finalize()
