"""How S3 is spoken to: the clients, and what its refusals mean in a store's words."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import boto3
import botocore.loaders
import botocore.session
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    PartialCredentialsError,
)
from botocore.handlers import add_expect_header

from sealing.errors import Conflict, NotFound, StrongroomError
from sealing.stores.base import StoreDenied, StoreUnavailable
from sealing.stores.opening import LocationRefused, S3Options

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_CONNECT_SECONDS = 10
_DESCRIPTIONS = botocore.loaders.Loader()
_ABSENT = {"NoSuchKey", "NoSuchVersion", "404", "NotFound"}
# Statuses and codes after which the same request may succeed. S3 answers some of them with 400.
_PASSING_STATUS = {408, 429}
_PASSING_CODES = {
    "BadDigest",
    "ConditionalRequestConflict",
    "IncompleteBody",
    "OperationAborted",
    "RequestTimeout",
    "RequestTimeTooSkewed",
    "SlowDown",
    "Throttling",
    "ThrottlingException",
}


class PreconditionFailed(Conflict):
    """The server has an object of that name already (`If-None-Match: *`)."""

    code = "precondition_failed"


def make_client(options: S3Options, *, attempts: int) -> S3Client:
    """A client that tries each request ``attempts`` times in all.

    Raises:
        LocationRefused: the endpoint is no URL, or the region no region.
    """
    config = Config(
        signature_version="s3v4",
        s3={"addressing_style": "path" if options.force_path_style else "auto"},
        retries={"total_max_attempts": attempts, "mode": "standard"},
        connect_timeout=min(_CONNECT_SECONDS, options.timeout_seconds),
        read_timeout=options.timeout_seconds,
        # We send our own digest where it counts; other servers stumble over trailing checksums.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    session = _session()
    region = options.region or session.region_name
    if region is None and options.endpoint_url:
        region = "us-east-1"
    try:
        client = session.client(
            "s3", region_name=region, endpoint_url=options.endpoint_url, config=config
        )
    except (ValueError, BotoCoreError) as error:
        raise LocationRefused(f"S3 can't be reached as configured: {error}.") from error
    # With `Expect: 100-continue` a server that refuses before reading the body (the RADOS gateway)
    # stalls the next request on the same connection.
    client.meta.events.unregister("before-call.s3", add_expect_header)
    return client


def _session() -> boto3.session.Session:
    """A session of its own, so that credentials are looked up anew; S3's description is shared.

    Reading that description takes ten times what everything else about a client does.
    """
    core = botocore.session.get_session()
    core.register_component("data_loader", _DESCRIPTIONS)
    return boto3.session.Session(botocore_session=core)


@contextlib.contextmanager
def meaning(operation: str, place: str) -> Iterator[None]:
    """Turns what boto3 raises into a store's errors, which name operation, place and S3's code.

    Args:
        operation: the S3 API's name of what was asked.
        place: ``s3://bucket/key``.
    """
    try:
        yield
    except ClientError as error:
        raise _of_answer(error, operation, place) from error
    except (NoCredentialsError, PartialCredentialsError) as error:
        raise StoreDenied(f"{operation} {place}: there are no credentials for S3.") from error
    except BotoCoreError as error:
        raise StoreUnavailable(f"{operation} {place}: {_reason(error)}.") from error


def status_of(error: ClientError) -> int:
    """The HTTP status of an answer that boto3 raised; 0 where it has none."""
    metadata: Any = error.response.get("ResponseMetadata", {})
    return int(metadata.get("HTTPStatusCode", 0))


def code_of(error: ClientError) -> str:
    """S3's error code; the HTTP status where the answer had no body (HEAD)."""
    return str(error.response.get("Error", {}).get("Code", "")) or str(status_of(error))


def _of_answer(error: ClientError, operation: str, place: str) -> StrongroomError:
    status, code = status_of(error), code_of(error)
    told = f"{operation} {place}: S3 answered {status} {code}"
    if code == "NoSuchBucket":
        return StoreUnavailable(f"{told}: there is no such bucket.")
    if code in _ABSENT or (status == 405 and operation in {"GetObject", "HeadObject"}):
        return NotFound(f"{told}.")
    if status == 412:
        return PreconditionFailed(f"{told}.")
    if code == "RequestTimeTooSkewed":
        return StoreUnavailable(f"{told}: this host's clock and the store's differ too much.")
    if status >= 500 or status in _PASSING_STATUS or code in _PASSING_CODES:
        return StoreUnavailable(f"{told}.")
    if status < 400:
        return StoreUnavailable(f"{told}: the answer can't be understood.")
    message = str(error.response.get("Error", {}).get("Message", ""))[:200]
    return StoreDenied(f"{told}: {message}" if message else f"{told}.")


def _reason(error: BotoCoreError) -> str:
    """The error without its parameters: they may hold URLs with signatures."""
    return type(error).__name__.removesuffix("Error")
