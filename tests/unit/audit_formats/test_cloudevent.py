"""Messages of the stream: the line in them is verbatim, and a consumer can redo the chain."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.formats import cloudevent
from audit.formats.cloudevent import MessageRefused, Stream, StreamBroken
from tests.unit.audit_formats.logs import ORIGIN, Log, event_bytes, log_of, signers_of, trusted

VALUE = (
    b'{"specversion":"1.0","id":"0190a6c1-0000-7000-8000-000000000000",'
    b'"source":"strongroom.example.org/audit","type":"ops.test.happened",'
    b'"time":"2026-03-01T00:00:00.000000Z","subject":"package/a \\"b\\"/\xc3\xa9",'
    b'"datacontenttype":"application/json","data":'
)


def one(**changes: object) -> bytes:
    """The only line of a log."""
    log = Log()
    log.add(event_bytes(0, **changes))
    return log.lines[0]


def values(log: Log) -> list[bytes]:
    return [cloudevent.message(log.origin, line).value for line in log.lines]


class TestMessage:
    def test_the_value_to_the_byte(self) -> None:
        line = one(object={"type": "package", "id": 'a "b"/é'}, client_id="clinic-001")
        message = cloudevent.message("strongroom.example.org/audit", line)
        assert message.value == VALUE + line + b"}"
        assert message.key == "clinic-001"
        assert message.line == line

    def test_it_is_a_cloud_event(self) -> None:
        """CloudEvents 1.0 §3.1: the required attributes, as text that is not empty."""
        event = json.loads(cloudevent.message(ORIGIN, one(object=None)).value)
        assert event["specversion"] == "1.0"
        assert all(isinstance(event[name], str) and event[name] for name in
                   ("id", "source", "type", "time", "datacontenttype"))  # fmt: skip
        assert "subject" not in event
        assert event["data"]["event"]["id"] == event["id"]

    def test_headers(self) -> None:
        log = log_of(2)
        headers = dict(cloudevent.message(ORIGIN, log.lines[1]).headers)
        assert headers == {
            "content-type": b"application/cloudevents+json; charset=UTF-8",
            "seq": b"1",
            "hash": b"sha256:" + log.hashes[1].hex().encode(),
            "prev_hash": b"sha256:" + log.hashes[0].hex().encode(),
            "origin": ORIGIN.encode(),
            "sealed_at": b"2026-03-01T22:20:00.000000Z",
        }

    def test_events_of_the_platform_have_a_key_of_their_own(self) -> None:
        assert cloudevent.message(ORIGIN, one(client_id=None)).key == "platform"

    def test_a_mark_inside_the_event_does_not_mislead(self) -> None:
        mark = ',"datacontenttype":"application/json","data":'
        line = one(object={"type": "x", "id": mark}, data={"a": mark, "datacontenttype": mark})
        message = cloudevent.message(ORIGIN, line)
        assert cloudevent.parse(ORIGIN, message.value) == message

    @given(st.text(max_size=20), st.text(min_size=1, max_size=20))
    def test_whatever_is_in_it_comes_back(self, text: str, name: str) -> None:
        if "\x00" in text + name:
            return
        line = one(object={"type": name, "id": name}, data={"text": text, name: [text]})
        message = cloudevent.message(ORIGIN, line)
        assert cloudevent.parse(ORIGIN, message.value) == message
        assert json.loads(message.value)["data"] == json.loads(line)


class TestParse:
    def test_every_changed_byte_around_the_line_is_noticed(self) -> None:
        message = cloudevent.message(ORIGIN, one(object={"type": "x", "id": "y"}))
        start = message.value.index(message.line)
        for at in [*range(start), len(message.value) - 1]:
            changed = bytearray(message.value)
            changed[at] ^= 0x01
            with pytest.raises(MessageRefused):
                cloudevent.parse(ORIGIN, bytes(changed))

    def test_of_another_log(self) -> None:
        with pytest.raises(MessageRefused, match="does not agree"):
            cloudevent.parse("elsewhere.example.org/audit", values(log_of(1))[0])

    @pytest.mark.parametrize(
        "value",
        [
            b"",
            b"{}",
            b'{"specversion":"1.0"}',
            VALUE + b"}",
            VALUE + b"{}}",
            VALUE + one(),
            VALUE + one()[:-4] + b"}",
            VALUE + one().replace(b'"client_id":null', b'"client_id":[]') + b"}",
            VALUE + one().replace(b'"object":null', b'"object":"x"') + b"}",
            VALUE + one().replace(b'"client_id":null,', b"") + b"}",
        ],
        ids=range(10),
    )
    def test_what_is_no_message(self, value: bytes) -> None:
        with pytest.raises(MessageRefused):
            cloudevent.parse(ORIGIN, value)

    @given(st.binary(max_size=60))
    def test_any_bytes_are_refused(self, data: bytes) -> None:
        for value in (data, VALUE + data, VALUE + one()[:-80] + data + b"}"):
            with pytest.raises(MessageRefused):
                cloudevent.parse(ORIGIN, value)


class TestStream:
    def test_a_whole_log_holds_against_its_checkpoint(self) -> None:
        log = log_of(700)
        stream = Stream(ORIGIN)
        for value in values(log):
            stream.add(value)
        assert stream.size == 700
        findings = stream.check(log.checkpoint(700), signers_of())
        assert [finding.ok for finding in findings] == [True, True]

    def test_repeated_and_interleaved(self) -> None:
        log = log_of(300)
        sent = values(log)
        chance = random.Random(7)
        shuffled = sent + chance.sample(sent, 100)
        chance.shuffle(shuffled)
        stream = Stream(ORIGIN)
        for value in shuffled:
            stream.add(value)
        assert (stream.size, stream.waiting, stream.repeated) == (300, 0, 100)
        assert all(finding.ok for finding in stream.check(log.checkpoint(300), signers_of()))

    def test_what_is_missing_is_waited_for(self) -> None:
        sent = values(log_of(5))
        stream = Stream(ORIGIN)
        for value in sent[:2] + sent[3:]:
            stream.add(value)
        assert (stream.size, stream.waiting) == (2, 2)
        assert stream.add(sent[2]) == 5

    def test_a_changed_line(self) -> None:
        log = log_of(5)
        forged = log.lines[2].replace(b'"number":2', b'"number":7')
        assert forged != log.lines[2]
        stream = Stream(ORIGIN)
        sent = values(log)
        stream.add(sent[0])
        stream.add(sent[1])
        with pytest.raises(StreamBroken, match="hash is not that of its bytes"):
            stream.add(cloudevent.message(ORIGIN, forged).value)
        assert stream.size == 2

    def test_a_line_of_another_history(self) -> None:
        log, other = log_of(3), Log()
        for number in range(3):
            other.add(event_bytes(number, data={"other": number}))
        stream = Stream(ORIGIN)
        stream.add(values(log)[0])
        with pytest.raises(StreamBroken, match="does not link"):
            stream.add(values(other)[1])

    def test_the_same_number_with_other_bytes(self) -> None:
        log, other = log_of(3), Log()
        for number in range(3):
            other.add(event_bytes(number, data={"other": number}))
        stream = Stream(ORIGIN)
        stream.add(values(log)[2])
        with pytest.raises(StreamBroken, match="came twice"):
            stream.add(values(other)[2])

    def test_a_checkpoint_of_another_size(self) -> None:
        log = log_of(3)
        stream = Stream(ORIGIN)
        for value in values(log)[:2]:
            stream.add(value)
        assert [f.ok for f in stream.check(log.checkpoint(3), signers_of())] == [True, None]

    def test_a_checkpoint_of_other_events(self) -> None:
        log, other = log_of(3), Log()
        for number in range(3):
            other.add(event_bytes(number, data={"other": number}))
        stream = Stream(ORIGIN)
        for value in values(log):
            stream.add(value)
        assert [f.ok for f in stream.check(other.checkpoint(3), signers_of())] == [True, False]

    def test_a_checkpoint_by_nobody_known(self) -> None:
        log = log_of(1)
        stream = Stream(ORIGIN)
        stream.add(values(log)[0])
        retired = trusted(status="retired", not_after="2026-02-01T00:00:00.000000Z")
        assert stream.check(log.checkpoint(1), signers_of(retired))[0].ok is False
        assert [f.ok for f in stream.check(b"not a note", signers_of())] == [False]
