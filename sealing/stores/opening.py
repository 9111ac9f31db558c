"""Which store a location means."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from sealing.errors import Invalid
from sealing.stores.base import Store
from sealing.stores.local import LocalStore

SCHEME = "s3://"
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]\Z", re.ASCII)


class LocationRefused(Invalid):
    """The text does not name a place where objects can be kept."""

    code = "location_invalid"


@dataclass(frozen=True, slots=True)
class S3Options:
    """How S3 is reached. Credentials come from where AWS's tools look for them, never from here.

    Attributes:
        region: None takes the one that the environment names.
        endpoint_url: of a server that is not AWS, or a regional or VPC endpoint.
        force_path_style: the bucket in the path instead of the host name.
        kms_key_id: the key under which S3 encrypts new objects; None leaves that to the bucket.
        max_attempts: how often one request is tried in all.
        timeout_seconds: for an answer; connecting gets at most ten seconds of it.
    """

    region: str | None = None
    endpoint_url: str | None = None
    force_path_style: bool = False
    kms_key_id: str | None = None
    max_attempts: int = 3
    timeout_seconds: float = 30


def open_store(location: str, options: S3Options = S3Options()) -> Store:
    """The store at ``location``: ``s3://bucket[/prefix]``, or else the path of a folder.

    Nothing is asked of the place yet; boto3 is needed for S3 alone.

    Raises:
        LocationRefused: it names no place.
    """
    if not location.startswith(SCHEME):
        if not location or "\0" in location:
            raise LocationRefused("Expected a folder's path, or s3://bucket/prefix.")
        return LocalStore(Path(location))
    bucket, prefix = split_s3(location)
    from sealing.stores.s3 import S3Store

    return S3Store(bucket, prefix, options)


def split_s3(location: str) -> tuple[str, str]:
    """The bucket and the prefix (without slashes around it) of ``s3://bucket[/prefix]``.

    Raises:
        LocationRefused: it does not begin with s3:// and the name of a bucket.
    """
    bucket, _, prefix = location.removeprefix(SCHEME).partition("/")
    if not location.startswith(SCHEME) or not _BUCKET.match(bucket):
        raise LocationRefused("Expected s3://bucket or s3://bucket/prefix.")
    return bucket, prefix.strip("/")
