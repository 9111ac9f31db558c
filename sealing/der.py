"""Just enough of DER (ITU-T X.690 §10) to see what stands where in a structure that others sign."""

from __future__ import annotations

from dataclasses import dataclass

from sealing.errors import Invalid

INTEGER, OCTET_STRING, NULL, OID = 0x02, 0x04, 0x05, 0x06
SEQUENCE, SET = 0x30, 0x31
_LONG = 0x80
_HIGH_TAG = 0x1F
_MAX_LENGTH_BYTES = 4


class DerRefused(Invalid):
    """The bytes are not DER of the expected shape."""

    code = "der_invalid"


@dataclass(frozen=True, slots=True)
class Element:
    """One element.

    Attributes:
        tag: its identifier octet; tags above 30 are refused.
        body: its contents octets.
        raw: the whole of it, identifier and length too.
    """

    tag: int
    body: bytes
    raw: bytes

    def children(self) -> list[Element]:
        """The elements inside. Raises DerRefused."""
        return elements(self.body)

    def expect(self, *tags: int) -> list[Element]:
        """The elements inside, which must have exactly these tags. Raises DerRefused."""
        found = self.children()
        if [item.tag for item in found] != list(tags):
            raise DerRefused("The structure holds something else, or more, than it should.")
        return found


def element(data: bytes) -> Element:
    """The one element that ``data`` is. Raises DerRefused."""
    found, end = _read(data, 0)
    if end != len(data):
        raise DerRefused("Something follows the structure.")
    return found


def elements(data: bytes) -> list[Element]:
    """The elements that ``data`` consists of, one after another. Raises DerRefused."""
    found, at = [], 0
    while at < len(data):
        item, at = _read(data, at)
        found.append(item)
    return found


def encode(tag: int, *parts: bytes) -> bytes:
    """An element of these contents."""
    body = b"".join(parts)
    if len(body) < _LONG:
        return bytes([tag, len(body)]) + body
    length = len(body).to_bytes((len(body).bit_length() + 7) // 8, "big")
    return bytes([tag, _LONG | len(length)]) + length + body


def integer(number: int) -> bytes:
    """A non-negative INTEGER."""
    return encode(INTEGER, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def _read(data: bytes, at: int) -> tuple[Element, int]:
    start = at
    if at + 2 > len(data):
        raise DerRefused("The structure is cut short.")
    tag, length = data[at], data[at + 1]
    if tag & _HIGH_TAG == _HIGH_TAG:
        raise DerRefused("A tag that does not occur here.")
    at += 2
    if length >= _LONG:
        count = length & ~_LONG
        encoded = data[at : at + count]
        at += count
        length = int.from_bytes(encoded, "big")
        # DER knows one length only: the shortest.
        if not 0 < count <= _MAX_LENGTH_BYTES or length < _LONG or encoded[:1] == b"\0":
            raise DerRefused("A length that is not the shortest.")
    end = at + length
    if end > len(data):
        raise DerRefused("The structure is cut short.")
    return Element(tag, data[at:end], data[start:end]), end
