"""Whether a bucket keeps what it is given, and the identity has exactly the rights it needs.

What the identity must be able to do is done, to probe objects below ``<prefix>/preflight/``. What
it must not be able to do is asked for in ways that change nothing of worth should it be allowed:
deletion of a version that does not exist, settings that are in force already, a shorter lock for
a probe. The probes are locked in the configured mode, as everything else is, for ten minutes: a
longer lock in compliance mode could not be taken off, and none at all would show nothing. They
stay until a lifecycle rule of the bucket removes them: we have no right to.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from audit import storage
from sealing.errors import NotFound, StrongroomError
from sealing.results import Finding, Report
from sealing.stores.base import LockMode, Retention, Stored, StoreDenied, StoreUnavailable
from sealing.stores.opening import S3Options, split_s3
from sealing.stores.s3 import S3Store
from sealing.stores.s3probe import Protection, S3Probe

FOLDER = "preflight"
PROBE_LOCK = timedelta(minutes=10)
CLOCK_LIMIT = timedelta(minutes=5)
NOT_CHECKED = (
    "rights over the bucket's policy, lifecycle, replication and encryption, and over deleting"
    " the bucket: whoever has them is not found out without using them",
    "rights outside the prefix",
    "whether the KMS key can be disabled or deleted, and by whom",
)


@dataclass(frozen=True)
class Preflight:
    """What was found.

    Attributes:
        location: what was examined.
        report: check by check.
        probes: the keys that were written and stay.
        not_checked: what this can't tell.
    """

    location: str
    report: Report
    probes: tuple[str, ...]
    not_checked: tuple[str, ...] = NOT_CHECKED

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return self.report.as_dict() | {
            "location": self.location,
            "probes": list(self.probes),
            "not_checked": list(self.not_checked),
        }


def check(*, location: str | None = None) -> Preflight:
    """Examines a bucket as the archiver would use it.

    Args:
        location: ``s3://bucket/prefix``; the configured archive if it is not given.

    Raises:
        LocationRefused, StorageNotConfigured: it is not in S3. StoreUnavailable: it can't be
        reached, so nothing can be said.
    """
    where = location if location is not None else storage.location()
    bucket, prefix = split_s3(where)
    return _Examination(bucket, prefix, storage.s3_options(), storage.lock_mode()).run()


class _Examination:
    """One run: findings gather as the questions are put, in the order in which they matter."""

    def __init__(self, bucket: str, prefix: str, options: S3Options, mode: LockMode) -> None:
        self._store = S3Store(bucket, prefix, options)
        self._probe = S3Probe(bucket, options)
        self._mode = mode
        self._findings: list[Finding] = []
        self._probes: list[str] = []
        self._run = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"

    def run(self) -> Preflight:
        """All checks; the later ones need the earlier."""
        self._check_clock()
        if self._check_bucket():
            stored = self._check_rights()
            if stored is None:
                self._tell("locks_hold", None, "No probe could be kept, so no lock was tried.")
            else:
                self._check_locks(stored)
                self._check_harm(stored)
        return Preflight(self._store.location, Report(tuple(self._findings)), tuple(self._probes))

    def _tell(self, code: str, ok: bool | None, message: str) -> None:
        self._findings.append(Finding(code, ok, message))

    def _check_clock(self) -> None:
        behind = abs(self._store.clock() - datetime.now(UTC))
        self._tell(
            "clock",
            behind < CLOCK_LIMIT,
            f"The store's clock and this host's differ by {behind.total_seconds():.0f} s"
            f" (at most {CLOCK_LIMIT.total_seconds():.0f}).",
        )

    def _check_bucket(self) -> bool:
        exists = self._probe.exists()
        told = {
            True: "The bucket is there.",
            False: "There is no such bucket.",
            None: "S3 lets this identity not even see the bucket (s3:ListBucket).",
        }
        self._tell("bucket", exists if exists is not None else False, told[exists])
        if not exists:
            return False
        try:
            protection = self._probe.protection()
        except StoreDenied as error:
            self._tell("protection", None, f"The configuration can't be read: {error.message}")
            return True
        self._tell_protection(protection)
        return protection.object_lock

    def _tell_protection(self, protection: Protection) -> None:
        self._tell(
            "versioning",
            protection.versioning == "Enabled",
            f"Versioning is {protection.versioning.lower() or 'not enabled'}.",
        )
        default = protection.default_retention
        self._tell(
            "object_lock",
            protection.object_lock,
            (
                "Object Lock is enabled; "
                + (f"the default is {default}." if default else "there is no default retention.")
                if protection.object_lock
                else "Object Lock is not enabled on the bucket."
            ),
        )

    def _check_rights(self) -> Stored | None:
        """What the archive needs, done with a probe; the probe, if it is kept."""
        stored = self._put("probe", self._mode)
        if stored is None:
            return None
        name = stored.name
        self._do("list", "s3:ListBucket", lambda: self._find(name))
        self._do("list_versions", "s3:ListBucketVersions", lambda: list(self._store.versions(name)))
        longer = Retention(self._mode, self._until(minutes=1))
        version = stored.version_id
        self._do(
            "extend",
            "s3:PutObjectRetention",
            lambda: self._store.extend(name, longer, version_id=version),
        )
        self._do("hold", "s3:PutObjectLegalHold", lambda: self._hold(name, version))
        try:
            return self._store.stat(name, version_id=version)
        except (StoreDenied, NotFound) as error:
            self._tell("read", False, error.message)
            return None

    def _check_locks(self, stored: Stored) -> None:
        """Whether the server itself keeps a lock, whoever asks."""
        assert stored.retention is not None
        key, version = self._store.key(stored.name), stored.version_id
        shorter = Retention(stored.retention.mode, stored.retention.until - timedelta(minutes=2))
        self._probe.relock(key, version, shorter, bypass=False)
        self._probe.delete(key, version)
        try:
            held = self._store.stat(stored.name, version_id=version).retention
        except NotFound:
            self._tell("locks_hold", False, "The server deleted a version that was locked.")
            return
        if held == stored.retention:
            self._tell("locks_hold", True, "A locked version is neither deleted nor shortened.")
        else:
            self._tell("locks_hold", False, "The server shortened a lock without a right to.")

    def _check_harm(self, stored: Stored) -> None:
        key, version = self._store.key(stored.name), stored.version_id or ""
        self._must_not(
            "delete_versions",
            self._probe.may_delete_versions(f"{key}.absent", version),
            "delete versions (s3:DeleteObjectVersion)",
        )
        self._must_not("bypass_governance", self._bypasses(), "bypass governance locks")
        self._must_not(
            "set_versioning",
            self._probe.may_set_versioning(),
            "change versioning (s3:PutBucketVersioning)",
        )
        self._must_not(
            "set_object_lock",
            self._probe.may_set_object_lock(),
            "change the bucket's Object Lock (s3:PutBucketObjectLockConfiguration)",
        )
        self._must_not(
            "hide_objects",
            self._probe.delete(key),
            "hide objects behind delete markers (s3:DeleteObject)",
        )

    def _bypasses(self) -> bool | None:
        """Whether a governance lock gives way; a probe of its own is shortened by a minute."""
        try:
            stored = self._keep("governance", LockMode.GOVERNANCE)
        except StoreDenied:
            # It can't even put such a lock, so there is none of its own to bypass.
            return False
        assert stored.retention is not None
        shorter = Retention(LockMode.GOVERNANCE, stored.retention.until - timedelta(minutes=1))
        key, version = self._store.key(stored.name), stored.version_id
        self._probe.relock(key, version, shorter, bypass=True)
        return self._store.stat(stored.name, version_id=version).retention != stored.retention

    def _must_not(self, code: str, allowed: bool | None, what: str) -> None:
        told = {
            True: f"This identity can {what}; it must not.",
            False: f"This identity can not {what}.",
            None: f"Whether this identity can {what} could not be found out.",
        }
        self._tell(code, None if allowed is None else not allowed, told[allowed])

    def _put(self, kind: str, mode: LockMode) -> Stored | None:
        try:
            stored = self._keep(kind, mode)
        except (StoreDenied, StoreUnavailable) as error:
            _raise_if_unreachable(error)
            self._tell("put", False, f"An object can't be put and read back: {error.message}")
            return None
        self._tell("put", True, f"An object is put, locked in {mode} mode, and read back.")
        return stored

    def _keep(self, kind: str, mode: LockMode) -> Stored:
        name = f"{FOLDER}/{self._run}.{kind}"
        stored = self._store.put_new(
            name, b"A probe of s3_preflight.\n", retention=Retention(mode, self._until())
        )
        self._probes.append(self._store.key(name))
        return stored

    def _do(self, code: str, right: str, act: Any) -> None:
        try:
            act()
        except StrongroomError as error:
            _raise_if_unreachable(error)
            self._tell(code, False, f"{right}: {error.message}")
        else:
            self._tell(code, True, f"This identity has {right}.")

    def _find(self, name: str) -> None:
        if name not in self._store.iterate(name):
            raise NotFound(f"{name} was put and is not listed.")

    def _hold(self, name: str, version_id: str | None) -> None:
        self._store.hold(name, on=True, version_id=version_id)
        self._store.hold(name, on=False, version_id=version_id)

    def _until(self, *, minutes: int = 0) -> datetime:
        moment = self._store.clock() + PROBE_LOCK + timedelta(minutes=minutes)
        return moment.replace(microsecond=0)


def _raise_if_unreachable(error: StrongroomError) -> None:
    """Lets through what the network did; what the server did wrong is a finding.

    The former were raised by boto3 and carry its error as their cause.
    """
    if isinstance(error, StoreUnavailable) and error.__cause__ is not None:
        raise error
