"""Wrapping by AWS KMS, against moto's server over HTTP."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
import pytest

from sealing.wrapping import base
from sealing.wrapping.aws_kms import AwsKmsWrapper, KmsOptions
from sealing.wrapping.base import (
    KeyServiceDenied,
    KeyServiceUnavailable,
    Purpose,
    UnwrapFailed,
    WrapperRefused,
)
from sealing.wrapping.local import LocalWrapper
from tests.servers.buckets import S3Server
from tests.servers.faulty import FaultyProxy, Kind

pytestmark = pytest.mark.usefixtures("aws_environment")

DIGEST = bytes(range(100, 132))
BUNDLE = "evidence_20260202T093000Z_0a1b2c3d"
CONTEXT = base.context_of("clinic-001", BUNDLE, Purpose.DIGEST)
KEY_CONTEXT = base.context_of("clinic-001", BUNDLE, Purpose.DATA_KEY)


@pytest.fixture
def kms(moto_server: S3Server, aws_environment: None) -> Any:
    """A plain client: what an administrator uses."""
    return boto3.session.Session().client(
        "kms", region_name="eu-central-1", endpoint_url=moto_server.endpoint_url
    )


@pytest.fixture
def arn(kms: Any) -> str:
    """A new key of this test's own."""
    return kms.create_key(Description="vault")["KeyMetadata"]["Arn"]


def options(url: str, **changed: Any) -> KmsOptions:
    known = {"region": "eu-central-1", "endpoint_url": url, "max_attempts": 1, "timeout_seconds": 5}
    return KmsOptions(**{**known, **changed})


@pytest.fixture
def wrapper(moto_server: S3Server, arn: str) -> AwsKmsWrapper:
    return AwsKmsWrapper(arn, options(moto_server.endpoint_url))


@contextmanager
def answering(status: int, answer: dict[str, Any]) -> Iterator[str]:
    """A server that gives one answer to everything."""
    body = json.dumps(answer).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing on the terminal."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


# --- as it should be ------------------------------------------------------------------------------


def test_digest_is_wrapped_and_proved(wrapper: AwsKmsWrapper, arn: str) -> None:
    wrapped = base.wrapped_and_proved(wrapper, DIGEST, CONTEXT)
    assert wrapper.unwrap(wrapped, CONTEXT) == DIGEST
    assert DIGEST not in wrapped.ciphertext
    assert (wrapped.algorithm, wrapped.provider) == ("SYMMETRIC_DEFAULT", "aws-kms")
    assert (wrapped.key_id, wrapped.key_version) == (arn, arn)
    assert wrapped.request_id
    assert wrapper.mode == "aws_kms"


def test_data_keys_are_fresh_and_proved(wrapper: AwsKmsWrapper) -> None:
    one, two = (base.data_key_and_proved(wrapper, KEY_CONTEXT) for _ in range(2))
    assert len(one.plaintext) == 32
    assert one.plaintext != two.plaintext
    assert wrapper.fresh().unwrap(one.wrapped, KEY_CONTEXT) == one.plaintext


def test_alias_may_point_elsewhere_later(
    kms: Any, arn: str, wrapper: AwsKmsWrapper, moto_server: S3Server
) -> None:
    alias = f"alias/vault-{arn[-8:]}"
    kms.create_alias(AliasName=alias, TargetKeyId=arn)
    by_alias = AwsKmsWrapper(alias, options(moto_server.endpoint_url))
    wrapped = base.wrapped_and_proved(by_alias, DIGEST, CONTEXT)
    assert (wrapped.key_id, wrapped.key_version) == (alias, arn)
    another = kms.create_key()["KeyMetadata"]["Arn"]
    kms.update_alias(AliasName=alias, TargetKeyId=another)
    assert by_alias.unwrap(wrapped, CONTEXT) == DIGEST
    assert base.wrapped_and_proved(by_alias, DIGEST, CONTEXT).key_version == another


def test_context_goes_along_as_encryption_context(
    kms: Any, wrapper: AwsKmsWrapper, arn: str
) -> None:
    wrapped = wrapper.wrap(DIGEST, CONTEXT)
    answer = kms.decrypt(
        CiphertextBlob=wrapped.ciphertext,
        EncryptionContext={"client": "clinic-001", "bundle_id": BUNDLE, "purpose": "digest"},
    )
    assert (answer["Plaintext"], answer["KeyId"]) == (DIGEST, arn)


# --- what does not unwrap -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changed", [{"client": "clinic-002"}, {"bundle_id": "x"}, {"purpose": "data_key"}]
)
def test_another_context_does_not_unwrap(wrapper: AwsKmsWrapper, changed: dict[str, str]) -> None:
    wrapped = wrapper.wrap(DIGEST, CONTEXT)
    with pytest.raises(UnwrapFailed):
        wrapper.unwrap(wrapped, CONTEXT | changed)


def test_changed_ciphertext_does_not_unwrap(wrapper: AwsKmsWrapper) -> None:
    wrapped = wrapper.wrap(DIGEST, CONTEXT)
    changed = wrapped.ciphertext[:-1] + bytes([wrapped.ciphertext[-1] ^ 1])
    with pytest.raises(UnwrapFailed):
        wrapper.unwrap(replace(wrapped, ciphertext=changed), CONTEXT)


def test_what_another_key_wrapped_does_not_unwrap(kms: Any, wrapper: AwsKmsWrapper) -> None:
    """AWS says that it is the incorrect key; moto, that access is denied."""
    wrapped = wrapper.wrap(DIGEST, CONTEXT)
    another = kms.create_key()["KeyMetadata"]["Arn"]
    with pytest.raises((UnwrapFailed, KeyServiceDenied)):
        wrapper.unwrap(replace(wrapped, key_version=another), CONTEXT)


@pytest.mark.parametrize("code", ["IncorrectKeyException", "InvalidCiphertextException"])
def test_what_kms_says_of_another_key_or_ciphertext(wrapper: AwsKmsWrapper, code: str) -> None:
    wrapped = wrapper.wrap(DIGEST, CONTEXT)
    with answering(400, {"__type": code}) as url, pytest.raises(UnwrapFailed, match=code):
        AwsKmsWrapper("k", options(url)).unwrap(wrapped, CONTEXT)


def test_what_was_wrapped_elsewhere_is_not_sent(wrapper: AwsKmsWrapper) -> None:
    wrapped = LocalWrapper(bytes(32)).wrap(DIGEST, CONTEXT)
    with pytest.raises(UnwrapFailed, match="not wrapped by AWS KMS"):
        wrapper.unwrap(wrapped, CONTEXT)


# --- refusals and faults --------------------------------------------------------------------------


def test_unknown_key_is_told_as_a_refusal(moto_server: S3Server) -> None:
    unknown = "11111111-2222-4333-8444-555555555555"
    with pytest.raises(KeyServiceDenied, match="NotFoundException"):
        AwsKmsWrapper(unknown, options(moto_server.endpoint_url)).wrap(DIGEST, CONTEXT)


@pytest.mark.parametrize(
    ("kind", "seconds"),
    [(Kind.ANSWER, 0), (Kind.RESET_BEFORE, 0), (Kind.CUT_BODY, 0), (Kind.LOST, 0), (Kind.SLOW, 3)],
    ids=str,
)
def test_service_that_fails_is_unavailable(
    faulty_s3: FaultyProxy, arn: str, kind: Kind, seconds: float
) -> None:
    wrapper = AwsKmsWrapper(arn, options(faulty_s3.endpoint_url, timeout_seconds=1))
    faulty_s3.inject(kind, methods="POST", seconds=seconds)
    with pytest.raises(KeyServiceUnavailable):
        base.wrapped_and_proved(wrapper, DIGEST, CONTEXT)
    assert len(faulty_s3.requests) == 1


def test_attempts_are_as_many_as_configured(faulty_s3: FaultyProxy, arn: str) -> None:
    wrapper = AwsKmsWrapper(arn, options(faulty_s3.endpoint_url, max_attempts=2))
    faulty_s3.inject(Kind.ANSWER, methods="POST", times=2)
    with pytest.raises(KeyServiceUnavailable):
        wrapper.wrap(DIGEST, CONTEXT)
    assert len(faulty_s3.requests) == 2
    assert wrapper.unwrap(wrapper.wrap(DIGEST, CONTEXT), CONTEXT) == DIGEST


def test_missing_credentials_are_told(
    moto_server: S3Server, arn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(KeyServiceDenied, match="no credentials"):
        AwsKmsWrapper(arn, options(moto_server.endpoint_url)).wrap(DIGEST, CONTEXT)


@pytest.mark.parametrize(
    ("key_id", "changed"),
    [("", {}), ("k", {"endpoint_url": "no url"}), ("k", {"region": "not a region"})],
    ids=["no-key", "endpoint", "region"],
)
def test_impossible_options_are_refused_at_once(key_id: str, changed: dict[str, str]) -> None:
    with pytest.raises(WrapperRefused):
        AwsKmsWrapper(key_id, options("http://127.0.0.1:9", **changed))


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (400, "ThrottlingException", KeyServiceUnavailable),
        (400, "LimitExceededException", KeyServiceUnavailable),
        (500, "KeyUnavailableException", KeyServiceUnavailable),
        (503, "DependencyTimeoutException", KeyServiceUnavailable),
        (400, "AccessDeniedException", KeyServiceDenied),
        (400, "KMSInvalidStateException", KeyServiceDenied),
        (400, "DisabledException", KeyServiceDenied),
        (400, "InvalidCiphertextException", KeyServiceDenied),  # of Encrypt: it makes no sense
    ],
)
def test_answers_mean_what_kms_means_by_them(status: int, code: str, error: type) -> None:
    with (
        answering(status, {"__type": code, "message": "secret words"}) as url,
        pytest.raises(error) as caught,
    ):
        AwsKmsWrapper("k", options(url)).wrap(DIGEST, CONTEXT)
    assert code in caught.value.message
    assert "secret words" not in caught.value.message


@pytest.mark.parametrize("act", ["wrap", "unwrap", "new_data_key"])
def test_answer_without_its_members_is_no_answer(wrapper: AwsKmsWrapper, act: str) -> None:
    wrapped = wrapper.wrap(DIGEST, CONTEXT)
    with answering(200, {}) as url, pytest.raises(KeyServiceUnavailable, match="without"):
        other = AwsKmsWrapper("k", options(url))
        if act == "wrap":
            other.wrap(DIGEST, CONTEXT)
        elif act == "unwrap":
            other.unwrap(wrapped, CONTEXT)
        else:
            other.new_data_key(KEY_CONTEXT)


def test_answer_of_another_key_is_refused(wrapper: AwsKmsWrapper) -> None:
    wrapped = wrapper.wrap(DIGEST, CONTEXT)
    with (
        answering(200, {"KeyId": "another", "Plaintext": "AAAA"}) as url,
        pytest.raises(UnwrapFailed, match="another key"),
    ):
        AwsKmsWrapper("k", options(url)).unwrap(wrapped, CONTEXT)
