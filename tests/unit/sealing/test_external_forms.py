"""Receipts: whatever is answered is refused, or is one for what was asked."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealing import canonical
from sealing.digests import b64, sha256_tag, untag
from sealing.external import RequestRefused, UnwrapRequest
from sealing.external_asking import _parsed
from sealing.external_forms import (
    MAX_WRAPPED_BYTES,
    ArchiveReceipt,
    ReceiptRefused,
    Unwrapped,
    WrapReceipt,
)
from tests.unit.sealing.external_helpers import (
    ARCHIVED,
    BY_KEY,
    DATA_KEY,
    DIGEST,
    NOW,
    WITH_KEY,
    WRAPPED,
    archive_request,
    archived,
    unwrapped_digest,
    unwrapped_key,
    wrap_request,
    wrapped,
    wrapped_with_key,
)

texts = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00"), max_size=20)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)


READERS: dict[str, tuple[Any, dict[str, Any]]] = {
    "archive": (archived, ARCHIVED),
    "wrap": (wrapped, WRAPPED),
    "wrap with a key": (wrapped_with_key, WITH_KEY),
    "unwrap a digest": (unwrapped_digest, {"digest": DIGEST}),
    "unwrap a key": (unwrapped_key, {"data_key": b64(DATA_KEY)}),
}
MEMBERS = [(kind, name) for kind, (_, answer) in READERS.items() for name in answer]
every_kind = pytest.mark.parametrize("kind", READERS)
every_member = pytest.mark.parametrize(("kind", "name"), MEMBERS)


@every_kind
def test_a_receipt(kind: str) -> None:
    read, answer = READERS[kind]
    assert read(answer) == read(answer | {"note": "what we do not know is tolerated"})


def test_receipts_as_json() -> None:
    assert archived(ARCHIVED).document() == ARCHIVED | {"lock_until": "2033-01-31T09:00:00.000000Z"}
    assert wrapped(WRAPPED).document() == WRAPPED
    assert wrapped_with_key(WITH_KEY).document() == WITH_KEY
    assert wrapped(WITH_KEY).wrapped_key is None
    assert unwrapped_key({"data_key": b64(DATA_KEY)}).document() == {}


@every_member
def test_no_member_is_spared(kind: str, name: str) -> None:
    read, answer = READERS[kind]
    with pytest.raises(ReceiptRefused, match=name):
        read({key: value for key, value in answer.items() if key != name})


@every_member
@pytest.mark.parametrize("value", [None, 1, True, [], {}, "", " ", "a\nb", "a\x7fb", "x" * 5000])
def test_no_member_is_of_another_form(kind: str, name: str, value: Any) -> None:
    read, answer = READERS[kind]
    with pytest.raises(ReceiptRefused):
        read(answer | {name: value})


@every_kind
@given(answer=values)
def test_any_other_answer_is_refused(kind: str, answer: Any) -> None:
    with pytest.raises(ReceiptRefused):
        READERS[kind][0](answer)


@every_kind
@given(data=st.data())
def test_any_change_is_refused_or_harmless(kind: str, data: Any) -> None:
    """Whatever is read has what was asked for in it."""
    read, answer = READERS[kind]
    name, value = data.draw(st.sampled_from(sorted(answer))), data.draw(values)
    try:
        found = read(answer | {name: value})
    except ReceiptRefused:
        return
    assert isinstance(value, str)
    if isinstance(found, ArchiveReceipt):
        assert found.package_sha256 == DIGEST
        assert found.lock_until > NOW
    elif isinstance(found, WrapReceipt):
        assert found.wrapped_digest.strip()
        assert len(found.wrapped_digest.encode()) <= MAX_WRAPPED_BYTES
    else:
        assert found.value in (DATA_KEY, untag(DIGEST))


@given(data=st.binary(max_size=200))
def test_any_bytes_are_json_or_refused(data: bytes) -> None:
    try:
        value = _parsed(data)
    except ReceiptRefused as refused:
        assert refused.code in ("not_json", "malformed")
    else:
        assert canonical.loads(canonical.dumps(value)) == value


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", "not_json"),
        (b"Archived", "not_json"),
        (b"\xff", "malformed"),
        (b"{} {}", "not_json"),
        (b'{"a": 1, "a": 1}', "malformed"),
        (b'{"a": NaN}', "malformed"),
        (b'{"a": 1e999}', "malformed"),
        (b'{"a": 9007199254740993}', "malformed"),
        (b'{"a": "\\u0000"}', "malformed"),
        (b'{"a": "\\ud800"}', "malformed"),
        (b"[" * 40 + b"]" * 40, "malformed"),
    ],
)
def test_json_that_is_refused(raw: bytes, code: str) -> None:
    with pytest.raises(ReceiptRefused) as refused:
        _parsed(raw)
    assert refused.value.code == code


class TestRequests:
    @pytest.mark.parametrize(
        "named",
        [
            {"bundle_id": ""},
            {"bundle_id": "a\r\nX-Header: x"},
            {"bundle_id": "../evidence"},
            {"bundle_id": ".evidence"},
            {"package_name": 'a"; filename="b'},
            {"package_name": "a/b.zip"},
            {"package_sha256": "0" * 64},
            {"package_sha256": sha256_tag(b"").upper()},
        ],
    )
    def test_what_can_not_be_sent(self, named: dict[str, Any]) -> None:
        with pytest.raises(RequestRefused) as refused:
            archive_request(**named)
        assert refused.value.field == next(iter(named))

    @pytest.mark.parametrize("size", [0, 16, 31, 33])
    def test_a_data_key_has_32_bytes(self, size: int) -> None:
        with pytest.raises(RequestRefused):
            wrap_request(data_key=b"x" * size)

    def test_one_thing_is_unwrapped_at_a_time(self) -> None:
        for both in ({}, {"wrapped_digest": "x", "wrapped_key": "x"}):
            with pytest.raises(RequestRefused):
                UnwrapRequest("key-1", "3", **both)

    def test_secrets_are_not_shown(self) -> None:
        request = wrap_request(data_key=DATA_KEY)
        assert request.document()["data_key"] == b64(DATA_KEY)
        for shown in (repr(request), repr(BY_KEY), repr(Unwrapped(DATA_KEY))):
            assert repr(DATA_KEY) not in shown
        assert json.loads(canonical.dumps(BY_KEY.document())) == {
            "wrapped_key": "x",
            "kms_key_id": "key-1",
            "key_version": "3",
        }
