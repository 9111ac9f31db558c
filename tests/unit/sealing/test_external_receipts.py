"""Receipts, member by member: the digest that they are for, and how long the lock lasts."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sealing.digests import b64
from sealing.external import WrapRequest
from sealing.external_forms import ReceiptRefused, WrapReceipt
from tests.unit.sealing.external_helpers import (
    ARCHIVED,
    DIGEST,
    NOW,
    WITH_KEY,
    WRAPPED,
    archived,
    unwrapped_digest,
    wrap_request,
    wrapped,
)


class TestDigest:
    @given(st.binary(min_size=32, max_size=32))
    def test_another_digest(self, digest: bytes) -> None:
        other = f"sha256:{digest.hex()}"
        assume(other != DIGEST)
        for read, answer, name in (
            (archived, ARCHIVED, "package_sha256"),
            (wrapped, WRAPPED, "digest"),
            (unwrapped_digest, {}, "digest"),
        ):
            with pytest.raises(ReceiptRefused) as refused:
                read(answer | {name: other})
            assert refused.value.code == "digest_differs"

    @pytest.mark.parametrize("value", [DIGEST.upper(), DIGEST[7:], f"{DIGEST} ", "sha256:"])
    def test_another_spelling(self, value: str) -> None:
        with pytest.raises(ReceiptRefused):
            archived(ARCHIVED | {"package_sha256": value})

    @pytest.mark.parametrize("value", [None, 1, [DIGEST], DIGEST.upper()])
    def test_a_key_service_may_repeat_it_but_no_other(self, value: Any) -> None:
        assert wrapped(WRAPPED | {"digest": DIGEST})
        with pytest.raises(ReceiptRefused) as refused:
            wrapped(WRAPPED | {"digest": value})
        assert refused.value.code == "digest_differs"

    @given(st.binary(min_size=32, max_size=32))
    def test_what_is_not_wrapped(self, value: bytes) -> None:
        digest = f"sha256:{value.hex()}"
        for text in (*spellings(value), digest, digest.upper(), b64(digest.encode())):
            with pytest.raises(ReceiptRefused) as refused:
                WrapReceipt.of(
                    WRAPPED | {"wrapped_digest": text},
                    WrapRequest("evidence_1", digest, None, "hipaa_6y"),
                )
            assert refused.value.code == "not_wrapped"

    @given(st.binary(min_size=32, max_size=32))
    def test_a_key_that_is_not_wrapped(self, value: bytes) -> None:
        for text in spellings(value):
            with pytest.raises(ReceiptRefused) as refused:
                WrapReceipt.of(WITH_KEY | {"wrapped_key": text}, wrap_request(data_key=value))
            assert refused.value.code == "not_wrapped"


def spellings(value: bytes) -> tuple[str, ...]:
    return (
        value.hex(),
        value.hex().upper(),
        f" {value.hex()} ",
        b64(value),
        b64(value).rstrip("="),
        base64.urlsafe_b64encode(value).decode(),
        b64(value.hex().encode()),
    )


class TestLock:
    @given(
        st.integers(1, 250_000_000_000_000_000),
        st.integers(-23 * 60, 23 * 60),
        st.integers(0, 9),
    )
    def test_times_of_all_spellings(self, wait: int, offset: int, digits: int) -> None:
        moment = NOW + timedelta(seconds=2, microseconds=wait)
        local = moment.astimezone(timezone(timedelta(minutes=offset)))
        text = local.strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0")
        if digits:
            text += "." + f"{moment.microsecond:06}123"[:digits]
        zone = local.strftime("%z")
        text += f"{zone[:3]}:{zone[3:5]}"
        found = archived(ARCHIVED | {"lock_until": text}).lock_until
        kept = min(digits, 6)
        cut = moment.microsecond - moment.microsecond % 10 ** (6 - kept)
        assert found == local.replace(microsecond=cut)
        assert found.tzinfo is UTC

    @pytest.mark.parametrize(
        "text",
        ["2033-01-31", "2033-01-31T09:00:00", "2033-01-31 09:00:00Z", "2033-01-31T09:00:00 00:00",
         "2033-02-30T09:00:00Z", "2033-01-31T09:00:00.Z", "1990000000", "never",
         "2033-01-31T09:00:00+25:00", "2033-01-31T09:00:00." + "0" * 40 + "Z"],
    )  # fmt: skip
    def test_what_is_no_time(self, text: str) -> None:
        with pytest.raises(ReceiptRefused, match="lock_until") as refused:
            archived(ARCHIVED | {"lock_until": text})
        assert refused.value.code == "malformed"

    @pytest.mark.parametrize("text", ["2026-01-31T09:00:00Z", "2026-01-31T10:59:59+02:00"])
    def test_what_is_over(self, text: str) -> None:
        with pytest.raises(ReceiptRefused) as refused:
            archived(ARCHIVED | {"lock_until": text})
        assert refused.value.code == "lock_too_short"

    def test_what_must_last(self) -> None:
        end = datetime(2033, 1, 31, 9, tzinfo=UTC)
        assert archived(ARCHIVED, lock_at_least=end)
        with pytest.raises(ReceiptRefused) as refused:
            archived(ARCHIVED, lock_at_least=end + timedelta(microseconds=1))
        assert refused.value.code == "lock_too_short"
