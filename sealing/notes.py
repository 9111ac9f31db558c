"""Signed notes (C2SP signed-note), with Ed25519 signatures."""

from __future__ import annotations

import re
from dataclasses import dataclass

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from sealing import keys
from sealing.digests import b64, sha256, unb64
from sealing.errors import Invalid
from sealing.signers.base import Signer

_DASH = "\N{EM DASH} "
_ED25519 = b"\x01"
_CONTROLS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")
MAX_NOTE_BYTES = 64 << 10
MAX_SIGNATURES = 64


class NoteRefused(Invalid):
    """The bytes are not a signed note."""

    code = "note_invalid"


@dataclass(frozen=True, slots=True)
class Note:
    """A note's text, and its signatures as (name, 4-byte key id, signature)."""

    text: str
    signatures: tuple[tuple[str, bytes, bytes], ...]

    def verified_by(self, name: str, public_key_pem: str) -> bool:
        """Whether that Ed25519 key signed under that name.

        Every signature that claims to be the key's must be: a wrong one is no mere stranger.
        """
        public = _raw_public_key(public_key_pem)
        wanted = note_key_id(name, public)
        message = self.text.encode("utf-8")
        claims = [
            signature
            for signed_name, key_id, signature in self.signatures
            if signed_name == name and key_id == wanted
        ]
        return bool(claims) and all(
            keys.verify(public_key_pem, keys.ED25519, signature, message) for signature in claims
        )


def note_key_id(name: str, public_key: bytes) -> bytes:
    """SHA-256(name || 0x0A || 0x01 || 32-byte public key)[:4]."""
    if len(public_key) != 32:
        raise NoteRefused("An Ed25519 public key has 32 bytes.")
    return sha256(name.encode("utf-8") + b"\n" + _ED25519 + public_key)[:4]


def sign_note(text: str, name: str, signer: Signer) -> str:
    """The note: text, an empty line, and one signature line.

    Raises:
        NoteRefused: the text does not end with a newline, or the name or key is not usable.
    """
    _check_text(text)
    if not _usable_name(name):
        raise NoteRefused("A key name has neither spaces nor plus signs.")
    public = _raw_public_key(signer.public_key_pem)
    blob = note_key_id(name, public) + signer.sign(text.encode("utf-8"))
    return f"{text}\n{_DASH}{name} {b64(blob)}\n"


def parse_note(raw: bytes) -> Note:
    """Takes a note apart without verifying it. Raises NoteRefused."""
    if len(raw) > MAX_NOTE_BYTES:
        raise NoteRefused("Larger than any note.")
    try:
        whole = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise NoteRefused("A note is UTF-8.") from error
    cut = whole.rfind("\n\n")
    if cut < 0 or not whole.endswith("\n"):
        raise NoteRefused("A note is text, an empty line and signature lines.")
    text, lines = whole[: cut + 1], whole[cut + 2 : -1].split("\n")
    if len(lines) > MAX_SIGNATURES:
        raise NoteRefused(f"More than {MAX_SIGNATURES} signatures.")
    _check_text(text)
    return Note(text, tuple(_signature(line) for line in lines))


def _signature(line: str) -> tuple[str, bytes, bytes]:
    if not line.startswith(_DASH):
        raise NoteRefused("A signature line begins with an em dash and a space.")
    parts = line[len(_DASH) :].split(" ")
    if len(parts) != 2 or not _usable_name(parts[0]):
        raise NoteRefused("A signature line has a name and a signature.")
    try:
        blob = unb64(parts[1])
    except Invalid as error:
        raise NoteRefused("A signature is base64.") from error
    if len(blob) < 5:
        raise NoteRefused("A signature is longer than its key id.")
    return parts[0], blob[:4], blob[4:]


def _usable_name(name: str) -> bool:
    return bool(name) and not any(c.isspace() or c == "+" for c in name) and name.isprintable()


def _check_text(text: str) -> None:
    if not text.endswith("\n") or _CONTROLS.search(text):
        raise NoteRefused("A note's text ends with a newline and has no control characters.")


def _raw_public_key(pem: str) -> bytes:
    key = keys.load_public_key(pem)
    if not isinstance(key, ed25519.Ed25519PublicKey):
        raise NoteRefused("Notes are signed with Ed25519.")
    return key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
