"""Wrapping by a key service of other make, against the reference server over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sealing.digests import untag
from sealing.wrapping import base
from sealing.wrapping.base import (
    KeyServiceDenied,
    KeyServiceUnavailable,
    Purpose,
    UnwrapFailed,
    WrapFailed,
    WrapperRefused,
)
from sealing.wrapping.external import ExternalWrapper
from sealing.wrapping.local import LocalWrapper
from tests.servers.external import ExternalServer
from tests.servers.external_faults import Kind
from tests.unit.sealing.external_helpers import DIGEST, at, wrap_at

BUNDLE = "evidence_20260202T093000Z_0a1b2c3d"
CONTEXT = base.context_of("clinic-001", BUNDLE, Purpose.DIGEST)
KEY_CONTEXT = base.context_of("clinic-001", BUNDLE, Purpose.DATA_KEY)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ExternalServer]:
    with ExternalServer(tmp_path / "external").serving() as serving:
        yield serving


def made(server: ExternalServer, *, unwraps: bool = True, **changed: Any) -> ExternalWrapper:
    known: dict[str, Any] = {
        "unwrap_endpoint": at(server, server.unwrap_url) if unwraps else None,
        "kms_key_id": "key-1",
        "retention_policy": "hipaa_6y",
        "digest": DIGEST,
    }
    return ExternalWrapper(wrap_at(server), **{**known, **changed})


def paths(server: ExternalServer) -> list[str]:
    """What was asked of the server, in order."""
    return [seen.path for seen in server.seen]


def test_digest_is_wrapped_and_proved(server: ExternalServer) -> None:
    wrapper = made(server)
    wrapped = base.wrapped_and_proved(wrapper, untag(DIGEST), CONTEXT)
    assert wrapper.unwrap(wrapped, CONTEXT) == untag(DIGEST)
    assert (wrapped.provider, wrapped.algorithm) == ("reference-keys", "AES-256-GCM")
    assert (wrapped.key_id, wrapped.key_version) == ("key-1", "v0001")
    assert wrapped.ciphertext.decode() == wrapper.outcomes[0].receipt.wrapped_digest
    assert wrapped.request_id == wrapper.outcomes[0].receipt.request_id
    assert [outcome.status for outcome in wrapper.outcomes] == ["OK", "OK", "OK"]
    assert wrapper.mode == "external_kms"


def test_key_and_digest_are_wrapped_by_one_request(server: ExternalServer) -> None:
    wrapper = made(server)
    key = base.data_key_and_proved(wrapper, KEY_CONTEXT)
    wrapped = base.wrapped_and_proved(wrapper, untag(DIGEST), CONTEXT)
    assert paths(server) == ["/wrap", "/unwrap", "/unwrap"]
    assert key.wrapped.request_id == wrapped.request_id
    assert wrapper.unwrap(wrapped, CONTEXT) == untag(DIGEST)
    assert wrapper.fresh().unwrap(key.wrapped, KEY_CONTEXT) == key.plaintext
    assert len(key.plaintext) == 32


def test_answer_for_another_package_is_not_used_again(server: ExternalServer) -> None:
    wrapper = made(server)
    wrapper.new_data_key(KEY_CONTEXT)
    wrapper.wrap(untag(DIGEST), CONTEXT | {"client": "clinic-002"})
    assert paths(server) == ["/wrap", "/wrap"]


def test_key_that_the_service_chooses_is_left_to_it(server: ExternalServer) -> None:
    wrapped = base.wrapped_and_proved(made(server, kms_key_id=None), untag(DIGEST), CONTEXT)
    assert wrapped.key_id is None


def test_older_versions_still_unwrap(server: ExternalServer) -> None:
    old = made(server).wrap(untag(DIGEST), CONTEXT)
    server.keys.rotate()
    new = made(server, retention_policy="regulatory_7y").wrap(untag(DIGEST), CONTEXT)
    assert (old.key_version, new.key_version) == ("v0001", "v0002")
    assert made(server).unwrap(old, CONTEXT) == untag(DIGEST)


@pytest.mark.parametrize(
    "changed", [{"key_id": "key-2"}, {"key_version": "v0009"}, {"ciphertext": b"AAAA"}], ids=str
)
def test_what_was_not_wrapped_so_does_not_unwrap(
    server: ExternalServer, changed: dict[str, Any]
) -> None:
    wrapper = made(server)
    wrapped = wrapper.wrap(untag(DIGEST), CONTEXT)
    with pytest.raises(UnwrapFailed):
        wrapper.unwrap(replace(wrapped, **changed), CONTEXT)


def test_digest_does_not_unwrap_as_a_key(server: ExternalServer) -> None:
    wrapper = made(server)
    with pytest.raises(UnwrapFailed):
        wrapper.unwrap(wrapper.wrap(untag(DIGEST), CONTEXT), KEY_CONTEXT)


def test_what_was_wrapped_elsewhere_is_not_sent(server: ExternalServer) -> None:
    wrapped = replace(LocalWrapper(bytes(32)).wrap(b"x", CONTEXT), ciphertext=b"\xff")
    with pytest.raises(UnwrapFailed):
        made(server).unwrap(wrapped, CONTEXT)
    assert paths(server) == []


def test_only_the_packages_own_digest_is_wrapped(server: ExternalServer) -> None:
    with pytest.raises(WrapperRefused):
        made(server).wrap(bytes(32), CONTEXT)
    with pytest.raises(WrapperRefused):
        made(server).wrap(untag(DIGEST), KEY_CONTEXT)
    with pytest.raises(WrapperRefused):
        made(server).new_data_key(CONTEXT)
    assert paths(server) == []


def test_without_an_endpoint_that_unwraps_no_key_is_wrapped(server: ExternalServer) -> None:
    wrapper = made(server, unwraps=False)
    assert not wrapper.can_unwrap
    with pytest.raises(WrapperRefused) as caught:
        wrapper.new_data_key(KEY_CONTEXT)
    assert caught.value.code == "unwrap_endpoint_missing"
    assert paths(server) == []
    wrapped = wrapper.wrap(untag(DIGEST), CONTEXT)
    with pytest.raises(WrapperRefused):
        base.wrapped_and_proved(wrapper, untag(DIGEST), CONTEXT)
    assert made(server).can_unwrap
    assert made(server).unwrap(wrapped, CONTEXT) == untag(DIGEST)


def test_failure_is_told_in_the_words_of_its_status(server: ExternalServer) -> None:
    server.inject(Kind.ANSWER, status=500)
    wrapper = made(server)
    with pytest.raises(KeyServiceUnavailable) as caught:
        wrapper.wrap(untag(DIGEST), CONTEXT)
    assert caught.value.message == wrapper.outcomes[0].status
    assert caught.value.message.startswith("FAILED: http_500: ")


def test_wrong_token_is_a_refusal(server: ExternalServer) -> None:
    wrapper = ExternalWrapper(
        wrap_at(server, token="another-token"),
        unwrap_endpoint=None,
        kms_key_id=None,
        retention_policy="hipaa_6y",
        digest=DIGEST,
    )
    with pytest.raises(KeyServiceDenied):
        wrapper.wrap(untag(DIGEST), CONTEXT)


def test_service_that_gives_something_else_back_has_wrapped_nothing(server: ExternalServer) -> None:
    server.inject(Kind.DIGEST, path="/unwrap")
    with pytest.raises(WrapFailed):
        base.wrapped_and_proved(made(server), untag(DIGEST), CONTEXT)
    with pytest.raises(WrapFailed):
        base.data_key_and_proved(made(server), KEY_CONTEXT)


def test_service_that_is_away_while_proving_leaves_nothing_proved(server: ExternalServer) -> None:
    server.inject(Kind.ANSWER, status=500, path="/unwrap")
    with pytest.raises(KeyServiceUnavailable):
        base.data_key_and_proved(made(server), KEY_CONTEXT)
