"""A store in an S3 bucket with Object Lock."""

from __future__ import annotations

import hashlib
import itertools
import time
from collections.abc import Iterator
from datetime import datetime

from sealing.digests import tag
from sealing.errors import NotFound
from sealing.files import AlreadyExists, PathRefused, check_name
from sealing.stores.base import (
    Retention,
    Stored,
    StoreDenied,
    StoreUnavailable,
    Version,
    check_object_name,
    covers,
    refuse_weaker,
)
from sealing.stores.content import Content
from sealing.stores.opening import SCHEME, S3Options
from sealing.stores.s3bucket import S3Bucket
from sealing.stores.s3client import PreconditionFailed
from sealing.stores.s3versions import described, merged

_FIRST_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 10.0


class S3Store:
    """Objects below ``prefix`` in a bucket that keeps versions and locks them.

    Nothing is believed that was not read back: `put_new` answers only when the version that
    counts was read, its lock too. Of several versions the **oldest** counts, whoever made the
    others: a version that was put over a locked object, or a delete marker, hides it from plain
    reads but can't replace it. `read`, `stat`, `extend` and `hold` without a version take the
    latest, so callers that hold a receipt name its version.

    Deleting is left to the bucket's lifecycle rules: this class can't.

    Args:
        bucket: its name.
        prefix: what every key begins with, without slashes around it; may be empty.
        options: how S3 is reached.
    """

    def __init__(self, bucket: str, prefix: str = "", options: S3Options = S3Options()) -> None:  # noqa: B008
        self._bucket = S3Bucket(bucket, options)
        self._prefix = prefix.strip("/")
        if self._prefix:
            check_name(self._prefix)
        self._options = options

    @property
    def location(self) -> str:
        """See `Store.location`."""
        return f"{SCHEME}{self._bucket.name}/{self._prefix}".rstrip("/")

    def key(self, name: str) -> str:
        """See `Store.key`."""
        check_object_name(name)
        return self._above + name

    def put_new(self, name: str, data: bytes, *, retention: Retention | None = None) -> Stored:
        """See `Store.put_new` and `put_file`."""
        return self.put_file(name, Content.of(data), retention=retention)

    def put_file(
        self, name: str, content: Content, *, retention: Retention | None = None
    ) -> Stored:
        """As `Store.put_new`, in memory of a few blocks however large the content (5 GiB in S3).

        One PUT of the whole object, tried ``max_attempts`` times. Before each there is a look
        for what has arrived: a server may have stored what it did not acknowledge, and not every
        server honours `If-None-Match`, so a blind retry could add a version.
        """
        key = self.key(name)
        for attempt in itertools.count(1):
            original = self._bucket.oldest(key)
            if original is not None:
                return self._adopt(name, original, content, retention)
            try:
                version_id = self._bucket.put(key, content, retention)
                break
            except (StoreUnavailable, PreconditionFailed) as error:
                if attempt >= self._options.max_attempts:
                    if isinstance(error, PreconditionFailed):
                        raise StoreUnavailable(f"{error.message} No version is listed.") from error
                    raise
            time.sleep(min(_FIRST_PAUSE_SECONDS * 2 ** (attempt - 1), _LONGEST_PAUSE_SECONDS))
        self._refuse_unversioned(version_id)
        original = self._bucket.oldest(key)
        if original != version_id:
            # Somebody was faster, or the server took an earlier try after all.
            return self._adopt(name, original or str(version_id), content, retention)
        stored = self._read_back(name, version_id)
        if stored.sha256 != content.tag:
            raise StoreUnavailable(
                f"{self._bucket.place(key)} gave back other bytes than were put."
            )
        self._insist(stored, retention)
        return stored

    def read(self, name: str, *, version_id: str | None = None) -> bytes:
        """See `Store.read`."""
        return self._bucket.get(self.key(name), version_id)[0]

    def opened(self, name: str, *, version_id: str | None = None) -> tuple[Stored, Iterator[bytes]]:
        """What the store says of an object, and its bytes, which count when all were taken."""
        answer, blocks = self._bucket.opened(self.key(name), version_id)
        return described(name, answer), blocks

    def stat(self, name: str, *, version_id: str | None = None) -> Stored:
        """See `Store.stat`."""
        return described(name, self._bucket.head(self.key(name), version_id))

    def exists(self, name: str) -> bool:
        """See `Store.exists`."""
        try:
            self.stat(name)
        except NotFound:
            return False
        return True

    def original(self, name: str) -> str | None:
        """The version of an object that counts, the oldest; None if there is none."""
        return self._bucket.oldest(self.key(name))

    def iterate(self, prefix: str = "", *, start_after: str = "") -> Iterator[str]:
        """See `Store.iterate`; a page of 1,000 at a time. Keys that are no names are left out."""
        after = self._above + start_after if start_after else ""
        for key in self._bucket.keys(self._above + prefix, after):
            name = key.removeprefix(self._above)
            if _is_name(name):
                yield name

    def versions(self, prefix: str = "") -> Iterator[Version]:
        """See `Store.versions`, with the markers; keys that are no names are left out."""
        for key, versions, markers in self._bucket.versions(self._above + prefix):
            name = key.removeprefix(self._above)
            if _is_name(name):
                yield from merged(name, versions, markers)

    def extend(self, name: str, retention: Retention, *, version_id: str | None = None) -> Stored:
        """See `Store.extend`. What the server then holds is read back."""
        stored = self.stat(name, version_id=version_id)
        refuse_weaker(name, stored.retention, retention)
        if stored.retention == retention:
            return stored
        version_id = version_id or stored.version_id
        self._bucket.put_retention(self.key(name), version_id, retention)
        stored = self.stat(name, version_id=version_id)
        self._insist(stored, retention)
        return stored

    def hold(self, name: str, *, on: bool, version_id: str | None = None) -> Stored:
        """See `Store.hold`. What the server then holds is read back."""
        stored = self.stat(name, version_id=version_id)
        key, version_id = self.key(name), version_id or stored.version_id
        self._bucket.put_hold(key, version_id, on=on)
        stored = self.stat(name, version_id=version_id)
        if stored.legal_hold is not on:
            raise StoreUnavailable(f"{self._bucket.place(key)}: the legal hold was not changed.")
        return stored

    def release(self, name: str) -> None:
        """Raises StoreDenied: objects in S3 end by the bucket's lifecycle rules."""
        raise StoreDenied(
            f"{self._bucket.place(self.key(name))} is not removed by us: the bucket's lifecycle"
            " rules remove versions when their lock has ended."
        )

    def clock(self) -> datetime:
        """See `Store.clock`."""
        return self._bucket.date()

    @property
    def _above(self) -> str:
        return f"{self._prefix}/" if self._prefix else ""

    def _adopt(
        self, name: str, version_id: str, content: Content, retention: Retention | None
    ) -> Stored:
        """Takes the version that counts for ours if it is equal, and locks it as wanted."""
        self._refuse_unversioned(version_id)
        stored = self._read_back(name, version_id)
        if stored.sha256 != content.tag:
            raise AlreadyExists(f"{self._bucket.place(self.key(name))} is there already.")
        if retention is not None and not covers(stored.retention, retention):
            wanted = retention.with_at_least(stored.retention)
            self.extend(name, wanted, version_id=version_id)
            stored = self._read_back(name, version_id)
            if stored.sha256 != content.tag:
                raise StoreUnavailable(
                    f"{self._bucket.place(self.key(name))} changed while it was read."
                )
        self._insist(stored, retention)
        return stored

    def _refuse_unversioned(self, version_id: str | None) -> None:
        """Where nothing keeps versions, anybody's next PUT replaces the object."""
        if version_id in (None, "null"):
            raise StoreDenied(f"{self._bucket.place('')} keeps no versions; enable them first.")

    def _insist(self, stored: Stored, retention: Retention | None) -> None:
        """Raises StoreUnavailable unless the lock that was read back is what was asked for."""
        if covers(stored.retention, retention):
            return
        held = stored.retention
        told = "no lock" if held is None else f"a lock in {held.mode} mode until {held.until}"
        raise StoreUnavailable(
            f"{self._bucket.place(self.key(stored.name))} was put, but read back it has {told}; it"
            " does not count as kept. Is Object Lock enabled on the bucket?"
        )

    def _read_back(self, name: str, version_id: str | None) -> Stored:
        """What the store says of a version, with the digest of its bytes, of one answer."""
        answer, blocks = self._bucket.opened(self.key(name), version_id)
        digest = hashlib.sha256()
        for block in blocks:
            digest.update(block)
        return described(name, answer, tag(digest.digest()))


def _is_name(name: str) -> bool:
    try:
        check_object_name(name)
    except PathRefused:
        return False
    return True
