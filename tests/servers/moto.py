"""moto's S3 server: the protocol, but never proof that anything is locked.

It lets compliance locks be shortened, accepts invalid ones, and knows no GetObjectRetention. What
only a server that keeps its locks can show is in tests/real.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator

import pytest

from sealing.stores.opening import S3Options
from tests.servers.buckets import Bucket, Credentials, S3Server

_CREDENTIALS = Credentials("testing", "testing-secret")


@pytest.fixture(scope="session")
def moto_server() -> Iterator[S3Server]:
    """The server, in a thread of this process, reached over HTTP."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield S3Server(f"http://{host}:{port}", _CREDENTIALS)
    finally:
        server.stop()


@pytest.fixture
def aws_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials where AWS's tools look for them, for this process and those it starts."""
    use_credentials(monkeypatch, _CREDENTIALS)


@pytest.fixture
def locked_bucket(moto_server: S3Server, aws_environment: None) -> Bucket:
    """A new bucket with Object Lock, for this test alone."""
    return moto_server.bucket()


@pytest.fixture
def unlocked_bucket(moto_server: S3Server, aws_environment: None) -> Bucket:
    """A new bucket without Object Lock and versions."""
    return moto_server.bucket(lock=False)


@pytest.fixture
def s3_options(locked_bucket: Bucket) -> S3Options:
    """How a store reaches `locked_bucket`."""
    return locked_bucket.options


def use_credentials(patch: pytest.MonkeyPatch, credentials: Credentials) -> None:
    """Puts credentials into the environment, and takes out whatever else could count."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        patch.delenv(name)
    patch.setenv("AWS_ACCESS_KEY_ID", credentials.access_key)
    patch.setenv("AWS_SECRET_ACCESS_KEY", credentials.secret_key)
    patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    patch.setenv("AWS_CONFIG_FILE", os.devnull)
    patch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
