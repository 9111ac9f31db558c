"""Boxes for keys that rest on the server."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealing import secretbox
from sealing.secretbox import BoxRefused, WrongKey

KEK = bytes(range(32))
SALT = bytes(16)
AAD = b"sha256:of the key"


def test_derived_keys_are_pinned() -> None:
    assert secretbox.derive(KEK, None, SALT).hex() == SERVICE
    assert secretbox.derive(KEK, "correct horse", SALT).hex() == PERSON


SERVICE = "dec96f53cf0913d46ab5b8fcbb0c87dcca91c05a84c24a7ea7056461128d96c1"
PERSON = "c64b69b4deb7603f0613792307fd459c05114ada00426978f75b60d9d9ddc22f"


def test_password_key_and_salt_all_matter() -> None:
    derived = {
        secretbox.derive(KEK, "a", SALT),
        secretbox.derive(KEK, "b", SALT),
        secretbox.derive(KEK, "", SALT),
        secretbox.derive(KEK, None, SALT),
        secretbox.derive(bytes(32), "a", SALT),
        secretbox.derive(KEK, "a", bytes([1]) * 16),
    }
    assert len(derived) == 6


@given(st.binary(max_size=300), st.binary(max_size=50))
def test_boxes_open_with_what_they_were_closed_with(plaintext: bytes, aad: bytes) -> None:
    box = secretbox.seal(KEK, plaintext, aad)
    assert secretbox.open_(KEK, box, aad) == plaintext
    assert secretbox.seal(KEK, plaintext, aad) != box


def test_nothing_else_opens_a_box() -> None:
    box = secretbox.seal(KEK, b"secret", AAD)
    assert b"secret" not in box
    with pytest.raises(WrongKey):
        secretbox.open_(bytes(32), box, AAD)
    with pytest.raises(WrongKey):
        secretbox.open_(KEK, box, AAD + b".")
    for index in range(1, len(box)):
        flipped = bytearray(box)
        flipped[index] ^= 1
        with pytest.raises(WrongKey):
            secretbox.open_(KEK, bytes(flipped), AAD)


@pytest.mark.parametrize("box", [b"", b"\x01", b"\x02" + bytes(60), bytes(60)])
def test_what_is_no_box_is_refused(box: bytes) -> None:
    with pytest.raises(BoxRefused):
        secretbox.open_(KEK, box, AAD)


def test_lengths_are_checked() -> None:
    with pytest.raises(BoxRefused):
        secretbox.seal(KEK[:16], b"x", b"")
    with pytest.raises(BoxRefused):
        secretbox.derive(KEK[:31], None, SALT)
    with pytest.raises(BoxRefused):
        secretbox.derive(KEK, None, SALT[:15])
    assert len(secretbox.new_salt()) == 16
    assert secretbox.new_salt() != secretbox.new_salt()
