"""What an identity may do to a bucket, found out without doing harm."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from sealing.stores.base import LockMode, Retention, StoreDenied
from sealing.stores.opening import S3Options
from sealing.stores.s3bucket import MODES, S3Bucket
from sealing.stores.s3client import code_of, meaning, status_of

_REFUSED = {401, 403}


@dataclass(frozen=True, slots=True)
class Protection:
    """How a bucket protects its objects.

    Attributes:
        versioning: ``Enabled``, ``Suspended``, or empty where it never was enabled.
        object_lock: whether Object Lock is enabled.
        default_retention: what locks an object that was put without one, for people; empty if
            there is none.
    """

    versioning: str
    object_lock: bool
    default_retention: str


class S3Probe:
    """Questions about rights, each put so that even a yes changes nothing that matters.

    Answers are True (allowed), False (refused) or None (the server's answer doesn't tell). Every
    method may raise StoreUnavailable, and StoreDenied where it asks nothing but to be let in.
    """

    def __init__(self, bucket: str, options: S3Options) -> None:
        self._bucket = S3Bucket(bucket, options)
        self._place = self._bucket.place("")

    def exists(self) -> bool | None:
        """Whether the bucket is there; None if we are refused, which S3 also does if it isn't."""
        with meaning("HeadBucket", self._place):
            try:
                self._bucket.client.head_bucket(Bucket=self._bucket.name)
            except ClientError as error:
                if status_of(error) == 404:
                    return False
                if status_of(error) in _REFUSED:
                    return None
                raise
        return True

    def protection(self) -> Protection:
        """What the bucket's configuration says."""
        with meaning("GetBucketVersioning", self._place):
            told = self._bucket.client.get_bucket_versioning(Bucket=self._bucket.name)
        lock = self._lock_configuration()
        rule = (lock or {}).get("Rule", {}).get("DefaultRetention", {})
        length = f"{rule['Days']} days" if "Days" in rule else f"{rule.get('Years', 0)} years"
        return Protection(
            versioning=told.get("Status", ""),
            object_lock=(lock or {}).get("ObjectLockEnabled") == "Enabled",
            default_retention=f"{str(rule['Mode']).lower()}, {length}" if rule else "",
        )

    def may_delete_versions(self, absent_key: str, version_id: str) -> bool | None:
        """Asks to delete a version that is not there: nothing can be deleted.

        Args:
            absent_key: a key that nobody uses.
            version_id: a version of some other key, so that the server takes it for one.
        """
        return self._allowed(
            "DeleteObject",
            lambda: self._bucket.client.delete_object(**self._bucket.named(absent_key, version_id)),
        )

    def may_set_versioning(self) -> bool | None:
        """Asks to enable versioning, which it is already."""
        return self._allowed(
            "PutBucketVersioning",
            lambda: self._bucket.client.put_bucket_versioning(
                Bucket=self._bucket.name, VersioningConfiguration={"Status": "Enabled"}
            ),
        )

    def may_set_object_lock(self) -> bool | None:
        """Asks to set the configuration of Object Lock to what it is, if that can be read."""
        try:
            configuration = self._lock_configuration()
        except StoreDenied:
            return None
        if configuration is None:
            return None
        return self._allowed(
            "PutObjectLockConfiguration",
            lambda: self._bucket.client.put_object_lock_configuration(
                Bucket=self._bucket.name, ObjectLockConfiguration=configuration
            ),
        )

    def delete(self, key: str, version_id: str | None = None) -> bool | None:
        """Asks to delete a probe: a version of it, or by a marker that hides it."""
        return self._allowed(
            "DeleteObject",
            lambda: self._bucket.client.delete_object(**self._bucket.named(key, version_id)),
        )

    def relock(
        self, key: str, version_id: str | None, retention: Retention, *, bypass: bool
    ) -> bool | None:
        """Asks to give a probe another lock, with or without bypassing governance."""
        return self._allowed(
            "PutObjectRetention",
            lambda: self._bucket.client.put_object_retention(
                **self._bucket.named(key, version_id),
                Retention={
                    "Mode": MODES[LockMode(retention.mode)],
                    "RetainUntilDate": retention.until,
                },
                BypassGovernanceRetention=bypass,
            ),
        )

    def _lock_configuration(self) -> Any:
        with meaning("GetObjectLockConfiguration", self._place):
            try:
                answer = self._bucket.client.get_object_lock_configuration(Bucket=self._bucket.name)
            except ClientError as error:
                if code_of(error) == "ObjectLockConfigurationNotFoundError":
                    return None
                raise
        configuration: Any = answer.get("ObjectLockConfiguration", {})
        rule = configuration.get("Rule", {}).get("DefaultRetention", {})
        # Some servers tell of a rule that isn't there as one of no mode and zero days.
        told = {name: value for name, value in rule.items() if value}
        enabled = {"ObjectLockEnabled": configuration.get("ObjectLockEnabled", "")}
        return enabled | ({"Rule": {"DefaultRetention": told}} if told.get("Mode") else {})

    def _allowed(self, operation: str, act: Callable[[], Any]) -> bool | None:
        with meaning(operation, self._place):
            try:
                act()
            except ClientError as error:
                if status_of(error) in _REFUSED:
                    return False
                if status_of(error) == 404:
                    return True
                if status_of(error) >= 500 and status_of(error) != 501:
                    raise
                return None
        return True
