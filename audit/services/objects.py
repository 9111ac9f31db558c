"""Puts files of the archive into its store, so that a retry finds its own and adopts it."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable

from sealing.digests import sha256_tag
from sealing.errors import IntegrityFailure, NotFound
from sealing.files import AlreadyExists
from sealing.stores.base import Retention, Store, Stored

# What a packed segment may unpack to: a line is at most 257 KiB, a segment a little over 1 MiB.
MAX_RAW_BYTES = 64 << 20


class ObjectDiffers(IntegrityFailure):
    """The store holds something else under this name, or gave other bytes back."""

    code = "object_differs"


def pack(raw: bytes) -> bytes:
    """gzip without a time, so that a retry gives the same bytes."""
    return gzip.compress(raw, compresslevel=6, mtime=0)


def unpack(data: bytes) -> bytes:
    """What was packed. Raises ObjectDiffers: it is not gzip, or too large."""
    unpacker = zlib.decompressobj(wbits=31)
    try:
        raw = unpacker.decompress(data, MAX_RAW_BYTES)
    except zlib.error as error:
        raise ObjectDiffers(f"The object can't be unpacked: {error}.") from error
    if not unpacker.eof or unpacker.unused_data:
        raise ObjectDiffers("The object is not one whole gzip member of a segment's size.")
    return raw


def put(store: Store, name: str, data: bytes, retention: Retention) -> Stored:
    """Keeps an object and makes sure that it is these bytes which are kept.

    Raises:
        ObjectDiffers: other bytes are there.
    """
    return _put(store, name, data, retention, lambda found: found == data)


def put_packed(store: Store, name: str, raw: bytes, retention: Retention) -> Stored:
    """Keeps ``raw`` packed. One in place that unpacks to the same bytes is adopted.

    Another version of zlib may pack the same bytes differently, so the packed ones are not
    compared.

    Raises:
        ObjectDiffers: other bytes are there.
    """
    return _put(store, name, pack(raw), retention, lambda found: unpack(found) == raw)


def _put(
    store: Store,
    name: str,
    data: bytes,
    retention: Retention,
    is_same: Callable[[bytes], bool],
) -> Stored:
    try:
        stored = store.put_new(name, data, retention=retention)
    except AlreadyExists:
        return _adopt(store, name, retention, is_same)
    if stored.sha256 != sha256_tag(data):
        raise ObjectDiffers(f"{name} was stored, but reading it back gave other bytes.")
    return stored


def _adopt(
    store: Store, name: str, retention: Retention, is_same: Callable[[bytes], bool]
) -> Stored:
    version_id = original(store, name)
    found = store.read(name, version_id=version_id)
    if not is_same(found):
        raise ObjectDiffers(
            f"{name} is in the archive already and holds something else. It is never replaced:"
            " look into who wrote it, quarantine it, and verify the archive."
        )
    kept = store.stat(name, version_id=version_id)
    if kept.retention is None or kept.retention.until < retention.until:
        store.extend(name, retention, version_id=version_id)
        kept = store.stat(name, version_id=version_id)
    return Stored(
        name=kept.name,
        size_bytes=len(found),
        sha256=sha256_tag(found),
        version_id=kept.version_id,
        retention=kept.retention,
        legal_hold=kept.legal_hold,
        stored_at=kept.stored_at,
        replication=kept.replication,
        kms_key_id=kept.kms_key_id,
    )


def original(store: Store, name: str) -> str | None:
    """The version of an object that was there first, whatever was put over it since.

    Raises:
        NotFound: there is no version of it.
    """
    for version in store.versions(name):
        if version.name == name and not version.is_delete_marker:
            return version.version_id
    raise NotFound(f"There is no {name}.")
