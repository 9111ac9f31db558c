"""Other people's logs: CloudTrail records and pbpk chains."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.formats import cloudtrail, event
from audit.formats.event import EventRefused
from audit.formats.pbpk import GENESIS, PbpkVerifier

RECORD: dict[str, Any] = {
    "eventVersion": "1.08",
    "userIdentity": {
        "type": "IAMUser",
        "principalId": "AIDAEXAMPLE",
        "arn": "arn:aws:iam::111122223333:user/alice",
        "userName": "alice",
    },
    "eventTime": "2026-01-31T09:00:00Z",
    "eventSource": "s3.amazonaws.com",
    "eventName": "GetObject",
    "awsRegion": "eu-central-1",
    "sourceIPAddress": "192.0.2.7",
    "userAgent": "aws-cli/2",
    "requestParameters": {"bucketName": "b", "start": 1688560107.857},
    "responseElements": None,
    "requestID": "ABC",
    "eventID": "b9d1f76b-e3f8-4ca6-99d0-ce6c73145069",
}


def record(**changes: Any) -> dict[str, Any]:
    return {**RECORD, **changes}


def test_a_record_becomes_an_event() -> None:
    fields = cloudtrail.to_event_fields(RECORD)
    assert fields == {
        "id": "b9d1f76b-e3f8-4ca6-99d0-ce6c73145069",
        "type": "aws.s3.GetObject",
        "occurred_at": "2026-01-31T09:00:00.000000Z",
        "actor": {"id": "user:arn:aws:iam::111122223333:user/alice"},
        "object": None,
        "outcome": "success",
        "request_id": "ABC",
        "source": {"ip": "192.0.2.7", "user_agent": "aws-cli/2"},
        "data": RECORD,
    }
    raw = event.build(**fields, recorder="service:feed", client_id="clinic-001")
    assert event.parse(raw)["data"] == RECORD


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        (None, "success"),
        ("AccessDenied", "denied"),
        ("AccessDeniedException", "denied"),
        ("Client.UnauthorizedOperation", "denied"),
        ("ThrottlingException", "failure"),
        ("", "failure"),
    ],
)
def test_outcomes(code: str | None, outcome: str) -> None:
    assert cloudtrail.to_event_fields(record(errorCode=code))["outcome"] == outcome


@pytest.mark.parametrize(
    ("identity", "actor"),
    [
        ({"type": "AWSService", "invokedBy": "rds.amazonaws.com"}, "service:rds.amazonaws.com"),
        ({"accountId": "1", "invokedBy": "ec2.amazonaws.com"}, "service:ec2.amazonaws.com"),
        ({"type": "IAMUser", "principalId": "AIDA", "userName": "bert"}, "user:AIDA"),
        ({"type": "Root", "accountId": "1"}, "account:1"),
        ({"type": "Unknown", "arn": ""}, "user:Unknown"),
    ],
)
def test_actors(identity: dict[str, Any], actor: str) -> None:
    fields = cloudtrail.to_event_fields(record(userIdentity=identity))
    assert fields["actor"] == {"id": actor}


@pytest.mark.parametrize(
    ("changes", "key", "expected"),
    [
        ({"sourceIPAddress": "health.amazonaws.com"}, "source", {"user_agent": "aws-cli/2"}),
        ({"sourceIPAddress": "2001:db8::1", "userAgent": None}, "source", {"ip": "2001:db8::1"}),
        ({"sourceIPAddress": None, "userAgent": ""}, "source", None),
        ({"userAgent": "x" * 2049}, "source", {"ip": "192.0.2.7"}),
        ({"requestID": None}, "request_id", None),
        ({"requestID": "x" * 129}, "request_id", None),
        ({"requestID": 7}, "request_id", None),
    ],
)
def test_what_is_not_there_is_left_out(changes: dict[str, Any], key: str, expected: Any) -> None:
    fields = cloudtrail.to_event_fields(record(**changes))
    assert fields[key] == expected
    event.build(**fields, recorder="service:feed")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"eventID": None}, "eventID"),
        ({"eventID": 7}, "eventID"),
        ({"eventTime": "2026-01-31"}, "eventTime"),
        ({"eventTime": None}, "eventTime"),
        ({"eventSource": ""}, "eventSource"),
        ({"eventName": []}, "eventName"),
        ({"userIdentity": None}, "userIdentity"),
        ({"userIdentity": {}}, "userIdentity"),
        ({"errorCode": 500}, "errorCode"),
    ],
)
def test_records_that_are_refused(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(EventRefused) as caught:
        cloudtrail.to_event_fields(record(**changes))
    assert caught.value.field == field


@pytest.mark.parametrize("value", [None, [], "x", {}])
def test_what_is_no_record_is_refused(value: Any) -> None:
    with pytest.raises(EventRefused):
        cloudtrail.to_event_fields(value)


@given(
    st.dictionaries(
        st.sampled_from([*RECORD, "errorCode"]),
        st.none() | st.text() | st.integers() | st.dictionaries(st.text(), st.text()),
    )
)
def test_any_record_is_mapped_or_refused(changes: dict[str, Any]) -> None:
    try:
        fields = cloudtrail.to_event_fields(record(**changes))
        event.build(**fields, recorder="service:feed")
    except EventRefused as error:
        assert error.field is not None


def pbpk_line(previous: str, **fields: Any) -> tuple[bytes, str]:
    body = {"eventType": "http.load", "text": "é", "previousHash": previous, **fields}
    text = json.dumps(body, sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(text.encode()).hexdigest()
    whole = {**body, "hash": digest, "signature": None}
    return json.dumps(whole, ensure_ascii=False).encode() + b"\n", digest


def pbpk_log(size: int) -> list[bytes]:
    lines, previous = [], GENESIS
    for number in range(size):
        line, previous = pbpk_line(previous, number=number, ratio=number / 7)
        lines.append(line)
    return lines


def test_a_pbpk_chain_is_followed() -> None:
    verifier = PbpkVerifier()
    assert verifier.feed(pbpk_log(5))
    assert verifier.size == 5
    assert verifier.fault is None


LOG = pbpk_log(5)


@pytest.mark.parametrize(
    ("lines", "seq", "code"),
    [
        ([*LOG[:2], LOG[2].replace(b"http", b"httq"), *LOG[3:]], 2, "hash_mismatch"),
        ([*LOG[:2], *LOG[3:]], 2, "chain_broken"),
        ([LOG[1], LOG[0]], 0, "chain_broken"),
        ([*LOG[:2], LOG[1]], 2, "chain_broken"),
        ([LOG[0][:-1]], 0, "line_malformed"),
        ([b"\n"], 0, "line_malformed"),
        ([b"[]\n"], 0, "line_malformed"),
        ([b"{}\n"], 0, "line_malformed"),
        ([b"[" * 100_000 + b"\n"], 0, "line_malformed"),
        ([b'{"a":' + b"1" * 5000 + b"}\n"], 0, "line_malformed"),
        ([b'{"hash":1,"hash":2}\n'], 0, "line_malformed"),
        ([b"\xff\n"], 0, "line_malformed"),
        ([b" " * (1 << 20) + LOG[0]], 0, "line_malformed"),
    ],
)
def test_damage_to_a_pbpk_chain_is_found(lines: list[bytes], seq: int, code: str) -> None:
    verifier = PbpkVerifier()
    assert not verifier.feed(lines)
    assert verifier.fault is not None
    assert (verifier.fault.seq, verifier.fault.code) == (seq, code)
    assert not verifier.feed(LOG)
