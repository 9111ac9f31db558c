"""Buckets with Object Lock on a server of the tests."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import boto3
from botocore.config import Config
from botocore.handlers import add_expect_header

from sealing.stores.opening import S3Options
from sealing.stores.s3 import S3Store


@dataclass(frozen=True)
class Credentials:
    """Whose requests a server takes."""

    access_key: str
    secret_key: str


@dataclass(frozen=True)
class S3Server:
    """An S3 server: where it is, and an identity that may do everything there."""

    endpoint_url: str
    credentials: Credentials

    @cached_property
    def client(self) -> Any:
        """A plain boto3 client: what an administrator, or an attacker, would use."""
        return self.client_of(self.credentials)

    def client_of(self, credentials: Credentials) -> Any:
        """A plain boto3 client for another identity."""
        client = boto3.session.Session().client(
            "s3",
            region_name="us-east-1",
            endpoint_url=self.endpoint_url,
            aws_access_key_id=credentials.access_key,
            aws_secret_access_key=credentials.secret_key,
            config=Config(
                s3={"addressing_style": "path"},
                retries={"total_max_attempts": 1},
                request_checksum_calculation="when_required",
            ),
        )
        client.meta.events.unregister("before-call.s3", add_expect_header)
        return client

    def bucket(self, *, lock: bool = True) -> Bucket:
        """A new bucket; with ``lock`` it has Object Lock and therefore versions."""
        name = f"strongroom-{uuid.uuid4().hex[:20]}"
        self.client.create_bucket(Bucket=name, ObjectLockEnabledForBucket=lock)
        return Bucket(self, name)


@dataclass(frozen=True)
class Bucket:
    """A bucket of one test.

    Attributes:
        name: unique to the test.
        prefix: below which the store's objects lie.
    """

    server: S3Server
    name: str
    prefix: str = "audit"

    @property
    def client(self) -> Any:
        """A plain boto3 client, to look behind the store's back."""
        return self.server.client

    @property
    def endpoint_url(self) -> str:
        """Where the server is."""
        return self.server.endpoint_url

    @property
    def location(self) -> str:
        """``s3://bucket/prefix``."""
        return f"s3://{self.name}/{self.prefix}"

    @property
    def options(self) -> S3Options:
        """How a store reaches it."""
        return self.options_through(self.endpoint_url)

    def options_through(self, endpoint_url: str) -> S3Options:
        """How a store reaches it by another address, such as a proxy's."""
        return S3Options(
            region="us-east-1",
            endpoint_url=endpoint_url,
            force_path_style=True,
            timeout_seconds=10,
        )

    def store(self, options: S3Options | None = None) -> S3Store:
        """A store over it."""
        return S3Store(self.name, self.prefix, options or self.options)

    def key(self, name: str) -> str:
        """The whole key of the object ``name``."""
        return f"{self.prefix}/{name}"

    def versions(self, name: str) -> list[str]:
        """The versions of ``name``, newest first, by the server's own listing; no markers."""
        answer = self.client.list_object_versions(Bucket=self.name, Prefix=self.key(name))
        return [
            each["VersionId"]
            for each in answer.get("Versions", [])
            if each["Key"] == self.key(name)
        ]

    def configure(self, settings: Any, *, endpoint_url: str | None = None) -> None:
        """Points Django's settings at it, as an operator would."""
        settings.AUDIT_STORAGE_BACKEND = "s3"
        settings.AUDIT_S3_BUCKET = self.name
        settings.AUDIT_S3_PREFIX = self.prefix
        settings.AUDIT_S3_REGION = "us-east-1"
        settings.AUDIT_S3_ENDPOINT_URL = endpoint_url or self.endpoint_url
        settings.AUDIT_S3_FORCE_PATH_STYLE = True
