"""The encrypted copy: its exact bytes, and that no other file is ever read as one."""

from __future__ import annotations

import hashlib
import io
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from sealing import encrypted, files
from sealing.encrypted import EncryptedRefused, EncryptionRefused, Truncated

MIB = 1 << 20
KEY = bytes(range(32))
CLIENT, BUNDLE = "clinic-001", "evidence_20260202T093000Z_0a1b2c3d"
SMALL = 32
PLAIN = bytes(range(100))  # with small frames: three full ones and four bytes


@contextmanager
def small_frames() -> Iterator[None]:
    """Frames of 32 bytes, so that whole files can be gone through bit by bit."""
    with mock.patch.object(encrypted, "FRAME_BYTES", SMALL):
        yield


def closed(plain: bytes, key: bytes = KEY, client: str = CLIENT, bundle_id: str = BUNDLE) -> bytes:
    return b"".join(encrypted.encrypt(io.BytesIO(plain), key, client=client, bundle_id=bundle_id))


def opened(raw: bytes, key: bytes = KEY, client: str = CLIENT, bundle_id: str = BUNDLE) -> bytes:
    return b"".join(encrypted.decrypt(io.BytesIO(raw), key, client=client, bundle_id=bundle_id))


def frames_of(raw: bytes) -> list[bytes]:
    """The frames of a file with small frames."""
    body, size = raw[len(encrypted.MAGIC) :], SMALL + 16
    return [body[start : start + size] for start in range(0, len(body), size)]


class Dripping(io.RawIOBase):
    """Gives as few bytes at a time as it is told to."""

    def __init__(self, data: bytes, sizes: list[int]) -> None:
        self._stream, self._sizes = io.BytesIO(data), itertools.cycle(sizes)

    def read(self, size: int = -1, /) -> bytes:
        return self._stream.read(min(size, next(self._sizes)))


# --- the bytes ------------------------------------------------------------------------------------


def test_bytes_are_those_of_the_format() -> None:
    plain = b"\x07" * MIB + b"end"
    cipher = AESGCM(KEY)
    expected = (
        b"SRENC1\n"
        + cipher.encrypt(
            bytes(12),
            plain[:MIB],
            b'{"bundle_id":"evidence_20260202T093000Z_0a1b2c3d","client":"clinic-001",'
            b'"frame":0,"last":false}',
        )
        + cipher.encrypt(
            bytes(11) + b"\x01",
            b"end",
            b'{"bundle_id":"evidence_20260202T093000Z_0a1b2c3d","client":"clinic-001",'
            b'"frame":1,"last":true}',
        )
    )
    assert closed(plain) == expected


def test_digest_of_a_known_file_is_pinned() -> None:
    assert hashlib.sha256(closed(b"hello")).hexdigest() == PINNED


PINNED = "22a6dc3e44aab342d053806af66780ad1763ee4ae4c4b158d25b0d007d9e70ac"


@pytest.mark.parametrize("size", [0, 1, MIB - 1, MIB, MIB + 1, 2 * MIB])
def test_last_frame_is_always_there_and_shorter(size: int) -> None:
    plain = bytes(size)
    raw = closed(plain)
    assert len(raw) == encrypted.encrypted_size(size)
    assert len(raw) == 7 + size + 16 * (size // MIB + 1)
    assert opened(raw) == plain


@given(st.binary(max_size=200), st.lists(st.integers(1, 60), min_size=1, max_size=5))
def test_what_goes_in_comes_out_however_it_is_read(plain: bytes, sizes: list[int]) -> None:
    with small_frames():
        raw = closed(plain)
        drip = Dripping(plain, sizes)
        assert raw == b"".join(encrypted.encrypt(drip, KEY, client=CLIENT, bundle_id=BUNDLE))
        drip = Dripping(raw, sizes)
        back = b"".join(encrypted.decrypt(drip, KEY, client=CLIENT, bundle_id=BUNDLE))
    assert back == plain
    assert len(plain) < 16 or plain not in raw


# --- what is refused ------------------------------------------------------------------------------


def test_every_flipped_bit_is_refused() -> None:
    with small_frames():
        raw = closed(PLAIN)
        for place in range(len(raw) * 8):
            changed = bytearray(raw)
            changed[place // 8] ^= 1 << place % 8
            with pytest.raises(EncryptedRefused):
                opened(bytes(changed))


def test_every_cut_is_refused() -> None:
    with small_frames():
        raw = closed(PLAIN)
        for length in range(len(raw)):
            with pytest.raises(EncryptedRefused):
                opened(raw[:length])


@pytest.mark.parametrize("after", [0, 1, 2, 3])
@pytest.mark.parametrize("more", [0, 15])
def test_file_that_ends_where_a_frame_must_follow_is_truncated(after: int, more: int) -> None:
    with small_frames():
        raw = closed(PLAIN)
        with pytest.raises(Truncated) as caught:
            opened(raw[: len(encrypted.MAGIC) + after * (SMALL + 16) + more])
    assert (caught.value.code, caught.value.field) == ("encrypted_truncated", f"frame {after}")


def test_missing_empty_frame_after_an_exact_multiple_is_truncated() -> None:
    raw = closed(bytes(MIB))
    with pytest.raises(Truncated):
        opened(raw[:-16])


def test_last_frame_of_full_length_is_refused() -> None:
    """One plaintext, one form: a full frame that calls itself the last is none of ours."""
    with small_frames():
        bound = encrypted.canonical.dumps(
            {"client": CLIENT, "bundle_id": BUNDLE, "frame": 0, "last": True}
        )
        frame = AESGCM(KEY).encrypt(bytes(12), bytes(SMALL), bound)
        with pytest.raises(EncryptedRefused):
            opened(encrypted.MAGIC + frame)


@given(st.binary(min_size=1, max_size=120))
def test_appended_bytes_are_refused(more: bytes) -> None:
    with small_frames():
        for plain in (b"", PLAIN, bytes(SMALL)):
            with pytest.raises(EncryptedRefused):
                opened(closed(plain) + more)


def test_appended_files_and_frames_are_refused() -> None:
    with small_frames():
        raw = closed(PLAIN)
        for more in (raw, raw[len(encrypted.MAGIC) :], *frames_of(raw)):
            with pytest.raises(EncryptedRefused):
                opened(raw + more)


def test_frames_in_any_other_order_are_refused() -> None:
    with small_frames():
        raw = closed(PLAIN)
        frames = frames_of(raw)
        for order in itertools.product(range(4), repeat=4):
            changed = encrypted.MAGIC + b"".join(frames[index] for index in order)
            if order == (0, 1, 2, 3):
                assert opened(changed) == PLAIN
            else:
                with pytest.raises(EncryptedRefused):
                    opened(changed)


def test_frames_dropped_or_repeated_are_refused() -> None:
    with small_frames():
        frames = frames_of(closed(PLAIN))
        for index in range(4):
            dropped = frames[:index] + frames[index + 1 :]
            repeated = frames[: index + 1] + frames[index:]
            for changed in (dropped, repeated):
                with pytest.raises(EncryptedRefused):
                    opened(encrypted.MAGIC + b"".join(changed))


def test_frame_of_another_key_is_refused() -> None:
    with small_frames():
        frames = frames_of(closed(PLAIN))
        foreign = frames_of(closed(PLAIN, key=bytes(32)))
        with pytest.raises(EncryptedRefused):
            opened(encrypted.MAGIC + frames[0] + foreign[1] + frames[2] + frames[3])


@pytest.mark.parametrize(
    "other",
    [
        {"key": bytes(32)},
        {"client": "clinic-002"},
        {"client": "platform"},
        {"bundle_id": BUNDLE[:-1] + "e"},
    ],
)
def test_another_key_client_or_package_does_not_open_it(other: dict[str, str]) -> None:
    for plain in (b"", PLAIN):
        with pytest.raises(EncryptedRefused):
            opened(closed(plain), **other)


@pytest.mark.parametrize(
    ("raw", "error"),
    [(b"", Truncated), (b"SRENC1", Truncated), (b"SRENC2\n" + bytes(40), EncryptedRefused)],
)
def test_what_begins_otherwise_is_refused(raw: bytes, error: type[EncryptedRefused]) -> None:
    with pytest.raises(EncryptedRefused) as caught:
        opened(raw)
    assert type(caught.value) is error


@given(st.data())
def test_whatever_was_given_before_a_refusal_was_genuine(data: st.DataObject) -> None:
    with small_frames():
        raw = bytearray(closed(PLAIN))
        start = data.draw(st.integers(0, len(raw) - 1))
        raw[start : start + data.draw(st.integers(0, 60))] = data.draw(st.binary(max_size=60))
        given_out = b""
        blocks = encrypted.decrypt(io.BytesIO(raw), KEY, client=CLIENT, bundle_id=BUNDLE)
        try:
            for block in blocks:
                given_out += block
        except EncryptedRefused:
            assert raw != closed(PLAIN)
        else:
            assert given_out == PLAIN
        assert PLAIN.startswith(given_out)


def test_nothing_lies_under_its_name_when_the_last_frame_is_damaged(tmp_path: Path) -> None:
    raw = bytearray(closed(bytes(2 * MIB)))
    raw[-1] ^= 1
    blocks = encrypted.decrypt(io.BytesIO(raw), KEY, client=CLIENT, bundle_id=BUNDLE)
    with pytest.raises(EncryptedRefused):
        files.write_new(tmp_path / "vault" / "package.zip", blocks)
    assert list((tmp_path / "vault").iterdir()) == []


# --- arguments ------------------------------------------------------------------------------------


@pytest.mark.parametrize("act", [encrypted.encrypt, encrypted.decrypt])
@pytest.mark.parametrize(
    ("key", "client", "bundle_id"),
    [(KEY[:16], CLIENT, BUNDLE), (b"", CLIENT, BUNDLE), (KEY, "", BUNDLE), (KEY, CLIENT, "")],
    ids=["short-key", "no-key", "no-client", "no-bundle"],
)
def test_unusable_arguments_are_refused_at_once(
    act: object, key: bytes, client: str, bundle_id: str
) -> None:
    with pytest.raises(EncryptionRefused):
        act(io.BytesIO(), key, client=client, bundle_id=bundle_id)


def test_stream_that_does_not_wait_is_not_taken_for_its_end() -> None:
    class Impatient(io.RawIOBase):
        def read(self, size: int = -1, /) -> None:
            return None

    with pytest.raises(EncryptionRefused):
        list(encrypted.encrypt(Impatient(), KEY, client=CLIENT, bundle_id=BUNDLE))
