"""Signed notes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealing import keys, notes
from sealing.digests import b64, unb64
from sealing.notes import MAX_SIGNATURES, NoteRefused
from sealing.signers.local import LocalSigner
from tests.unit.sealing import golden

NAME = "example.org/log"
TEXT = "first line\n\nthird line – signed\n"
NOTE = notes.sign_note(TEXT, NAME, golden.signer()).encode()


def with_line(line: str) -> bytes:
    return f"{TEXT}\n{line}\n".encode()


def test_a_note_is_what_the_specification_says() -> None:
    key_id = notes.note_key_id(NAME, bytes.fromhex(golden.PUBLIC_HEX))
    assert with_line(f"— {NAME} {b64(key_id + golden.signer().sign(TEXT.encode()))}") == NOTE


def test_the_key_id_is_that_of_the_specification() -> None:
    # The published key of Go's checksum database: name+id+base64(0x01 || key).
    encoded = "Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"
    assert notes.note_key_id("sum.golang.org", unb64(encoded)[1:]).hex() == "033de0ae"
    golden_id = notes.note_key_id("strongroom.example.org/audit", bytes.fromhex(golden.PUBLIC_HEX))
    assert golden_id.hex() == "39a39657"
    with pytest.raises(NoteRefused):
        notes.note_key_id("sum.golang.org", unb64(encoded))


def test_a_note_verifies_by_its_key_and_name_only() -> None:
    note = notes.parse_note(NOTE)
    assert note.text == TEXT
    assert note.verified_by(NAME, golden.PUBLIC_PEM)
    assert not note.verified_by("example.org/other", golden.PUBLIC_PEM)
    other = LocalSigner.generate(keys.ED25519)
    assert not note.verified_by(NAME, other.public_key_pem)


def test_every_flipped_bit_is_noticed() -> None:
    for index in range(len(NOTE) * 8):
        flipped = bytearray(NOTE)
        flipped[index // 8] ^= 1 << index % 8
        try:
            note = notes.parse_note(bytes(flipped))
        except NoteRefused:
            continue
        assert not note.verified_by(NAME, golden.PUBLIC_PEM), index


def test_other_signatures_stand_beside_without_harm() -> None:
    other = notes.sign_note(TEXT, "witness.example", LocalSigner.generate(keys.ED25519))
    both = NOTE + other.rpartition("\n\n")[2].encode()
    note = notes.parse_note(both)
    assert len(note.signatures) == 2
    assert note.verified_by(NAME, golden.PUBLIC_PEM)


def test_a_wrong_signature_under_the_keys_own_id_spoils_the_note() -> None:
    key_id = notes.note_key_id(NAME, bytes.fromhex(golden.PUBLIC_HEX))
    both = NOTE + f"— {NAME} {b64(key_id + bytes(64))}\n".encode()
    assert not notes.parse_note(both).verified_by(NAME, golden.PUBLIC_PEM)


GOOD = b64(bytes(68))


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\n",
        b"text\n",
        b"text\n\n",
        TEXT.encode(),
        f"{TEXT}\n— {NAME} {GOOD}".encode(),
        f"{TEXT}— {NAME} {GOOD}\n".encode(),
        with_line(f"- {NAME} {GOOD}"),
        with_line(f"—{NAME} {GOOD}"),
        with_line(f"—  {GOOD}"),
        with_line(f"— {NAME}  {GOOD}"),
        with_line(f"— {NAME} {GOOD} "),
        with_line(f" — {NAME} {GOOD}"),
        with_line(f"— a+b {GOOD}"),
        with_line(f"— a\u00a0b {GOOD}"),
        with_line(f"— a\tb {GOOD}"),
        with_line(f"— {NAME} {GOOD[:-1]}"),
        with_line(f"— {NAME} {b64(bytes(4))}"),
        with_line(f"— {NAME} "),
        with_line(f"— {NAME}"),
        with_line(f"— {NAME} {GOOD}\r"),
        with_line(f"— {NAME} {GOOD}\nrubbish"),
        f"te\rxt\n\n— {NAME} {GOOD}\n".encode(),
        f"te\x00xt\n\n— {NAME} {GOOD}\n".encode(),
        f"te\x7fxt\n\n— {NAME} {GOOD}\n".encode(),
        b"\xff" + with_line(f"— {NAME} {GOOD}"),
        TEXT.encode() + b"\n" + f"— {NAME} {GOOD}\n".encode() * (MAX_SIGNATURES + 1),
        b"x" * 70_000 + with_line(f"— {NAME} {GOOD}"),
    ],
)
def test_what_is_no_note_is_refused(raw: bytes) -> None:
    assert notes.parse_note(with_line(f"— {NAME} {GOOD}"))
    with pytest.raises(NoteRefused):
        notes.parse_note(raw)


@given(st.binary(max_size=200) | st.text(st.sampled_from("—ab \n+=A")).map(str.encode))
def test_any_bytes_are_parsed_or_refused(raw: bytes) -> None:
    try:
        note = notes.parse_note(raw)
    except NoteRefused:
        return
    lines = [f"— {name} {b64(key_id + rest)}\n" for name, key_id, rest in note.signatures]
    assert f"{note.text}\n{''.join(lines)}".encode() == raw


@pytest.mark.parametrize("text", ["no newline", "", "a\rb\n", "\x1b\n"])
def test_text_that_cannot_be_signed(text: str) -> None:
    with pytest.raises(NoteRefused):
        notes.sign_note(text, NAME, golden.signer())


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\nb", "a\u2028b"])
def test_names_that_cannot_sign(name: str) -> None:
    with pytest.raises(NoteRefused):
        notes.sign_note(TEXT, name, golden.signer())


def test_notes_are_signed_with_ed25519_only() -> None:
    with pytest.raises(NoteRefused):
        notes.sign_note(TEXT, NAME, LocalSigner.generate(keys.ECDSA_P256))
