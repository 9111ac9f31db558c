"""What is asked of one bucket, request by request."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from botocore.exceptions import BotoCoreError, ClientError

from sealing.digests import b64
from sealing.stores.base import LockMode, Retention, StoreUnavailable
from sealing.stores.content import Content
from sealing.stores.opening import SCHEME, S3Options
from sealing.stores.s3client import make_client, meaning
from sealing.stores.s3versions import grouped

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MODES: dict[LockMode, Literal["GOVERNANCE", "COMPLIANCE"]] = {
    LockMode.GOVERNANCE: "GOVERNANCE",
    LockMode.COMPLIANCE: "COMPLIANCE",
}
_BLOCK = 1 << 20


class S3Bucket:
    """The requests that a store makes, in S3's own keys and versions.

    Every method may raise StoreUnavailable, StoreDenied and, where it names an object, NotFound.
    Answers are boto3's dictionaries.
    """

    def __init__(self, name: str, options: S3Options) -> None:
        self.name = name
        self.options = options

    def place(self, key: str) -> str:
        """``s3://bucket/key``, for people."""
        return f"{SCHEME}{self.name}/{key}"

    def head(self, key: str, version_id: str | None) -> Any:
        """What S3 says of a version, or of the latest."""
        with meaning("HeadObject", self.place(key)):
            return self.client.head_object(**self.named(key, version_id))

    def get(self, key: str, version_id: str | None) -> tuple[bytes, Any]:
        """A version's bytes, or the latest's, and what S3 says of it in the same answer."""
        answer, blocks = self.opened(key, version_id)
        return b"".join(blocks), answer

    def opened(self, key: str, version_id: str | None) -> tuple[Any, Iterator[bytes]]:
        """What S3 says of a version, or of the latest, and its bytes as they arrive.

        Where the answer breaks off, the rest is asked for, ``max_attempts`` times in all: botocore
        repeats requests, but not their bodies. The bytes count when the iterator is exhausted.
        """
        with meaning("GetObject", self.place(key)):
            answer: Any = self.client.get_object(**self.named(key, version_id))
        return answer, self._blocks(key, version_id or answer.get("VersionId"), answer)

    def put(self, key: str, content: Content, retention: Retention | None) -> str | None:
        """One PUT, never repeated by botocore, and only if there is nothing of that key.

        Returns:
            The version, if the bucket keeps them.

        Raises:
            PreconditionFailed: there is an object already, and the server minds.
        """
        asked: Any = self.named(key, None) | {
            "Body": content.opened(),
            "IfNoneMatch": "*",
            "ChecksumAlgorithm": "SHA256",
            "ChecksumSHA256": b64(content.sha256),
        }
        if retention is not None:
            asked["ObjectLockMode"] = MODES[retention.mode]
            asked["ObjectLockRetainUntilDate"] = retention.until
        if self.options.kms_key_id:
            asked["ServerSideEncryption"] = "aws:kms"
            asked["SSEKMSKeyId"] = self.options.kms_key_id
        with meaning("PutObject", self.place(key)):
            return self._putting.put_object(**asked).get("VersionId")

    def put_retention(self, key: str, version_id: str | None, retention: Retention) -> None:
        """Asks for another lock of a version."""
        with meaning("PutObjectRetention", self.place(key)):
            self.client.put_object_retention(
                **self.named(key, version_id),
                Retention={
                    "Mode": MODES[retention.mode],
                    "RetainUntilDate": retention.until,
                },
            )

    def put_hold(self, key: str, version_id: str | None, *, on: bool) -> None:
        """Asks for a legal hold on a version, or for its end."""
        with meaning("PutObjectLegalHold", self.place(key)):
            self.client.put_object_legal_hold(
                **self.named(key, version_id), LegalHold={"Status": "ON" if on else "OFF"}
            )

    def keys(self, prefix: str, start_after: str) -> Iterator[str]:
        """The keys that begin with ``prefix`` and sort after ``start_after``."""
        asked: dict[str, Any] = {"Bucket": self.name, "Prefix": prefix}
        if start_after:
            asked["StartAfter"] = start_after
        pages = self.client.get_paginator("list_objects_v2").paginate(**asked)
        for page in self._each(pages, "ListObjectsV2", prefix):
            for entry in page.get("Contents", []):
                yield entry["Key"]

    def versions(self, prefix: str) -> Iterator[tuple[str, list[Any], list[Any]]]:
        """Each key below ``prefix`` with its versions and its markers, newest first."""
        pages = self.client.get_paginator("list_object_versions").paginate(
            Bucket=self.name, Prefix=prefix
        )
        return grouped(self._each(pages, "ListObjectVersions", prefix))

    def oldest(self, key: str) -> str | None:
        """The version of ``key`` that counts; None if there is none."""
        for found, versions, _ in self.versions(key):
            if found != key:
                return None
            if versions:
                return str(versions[-1]["VersionId"])
        return None

    def date(self) -> datetime:
        """The server's clock: the `Date` of an answer, even of one that refuses."""
        with meaning("HeadBucket", self.place("")):
            try:
                answer: Any = self.client.head_bucket(Bucket=self.name)
            except ClientError as error:
                # A server whose clock differs refuses the signature: its Date says by how much.
                answer = error.response
                if "date" not in answer["ResponseMetadata"].get("HTTPHeaders", {}):
                    raise
        told = answer["ResponseMetadata"]["HTTPHeaders"].get("date", "")
        try:
            return parsedate_to_datetime(told).astimezone(UTC)
        except ValueError as error:
            raise StoreUnavailable(f"{self.place('')} does not say what time it is.") from error

    def named(self, key: str, version_id: str | None) -> Any:
        """The parameters that name a version, or the latest."""
        named = {"Bucket": self.name, "Key": key}
        return named if version_id is None else named | {"VersionId": version_id}

    @cached_property
    def client(self) -> S3Client:
        """For everything that may be asked twice without harm."""
        return make_client(self.options, attempts=max(1, self.options.max_attempts))

    @cached_property
    def _putting(self) -> S3Client:
        """For new objects: what repeats a PUT must look first, and botocore doesn't."""
        return make_client(self.options, attempts=1)

    def _blocks(self, key: str, version_id: str | None, answer: Any) -> Iterator[bytes]:
        wanted, had, attempt = int(answer["ContentLength"]), 0, 1
        while True:
            with meaning("GetObject", self.place(key)):
                try:
                    for block in answer["Body"].iter_chunks(_BLOCK):
                        had += len(block)
                        yield block
                    break
                except BotoCoreError:
                    if attempt >= self.options.max_attempts:
                        raise
                attempt += 1
                asked = self.named(key, version_id)
                if had:
                    asked["Range"] = f"bytes={had}-"
                answer = self.client.get_object(**asked)
        if had != wanted:
            raise StoreUnavailable(f"GetObject {self.place(key)}: the answer is incomplete.")

    def _each(self, pages: Any, operation: str, prefix: str) -> Iterator[Any]:
        waiting = iter(pages)
        while True:
            with meaning(operation, self.place(prefix)):
                page = next(waiting, None)
            if page is None:
                return
            yield page
