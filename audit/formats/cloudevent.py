"""Sealed events as messages of a stream, and the chain recomputed by whoever receives them.

The value of a message is a CloudEvent (CloudEvents 1.0, JSON format, structured mode) whose
``data`` is the log line, byte for byte (docs/formats.md §1). It is the last member, so the line can
be cut out without parsing anything, and hashed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from audit.formats import checkpoint as checkpoints
from audit.formats import event as events
from audit.formats.log import LogVerifier
from sealing.digests import tag
from sealing.errors import IntegrityFailure, Invalid
from sealing.keys import Signers
from sealing.results import Finding

CONTENT_TYPE: Final = "application/cloudevents+json; charset=UTF-8"
# What events that concern no client are keyed by; no client can have that id.
PLATFORM_KEY: Final = "platform"
_DATA = b',"datacontenttype":"application/json","data":'


class MessageRefused(Invalid):
    """The bytes are not a message as the relay sends them."""

    code = "message_invalid"


class StreamBroken(IntegrityFailure):
    """The messages do not make up one log."""

    code = "stream_broken"


@dataclass(frozen=True, slots=True)
class Message:
    """A sealed event as it is sent.

    Attributes:
        seq: its number in the log.
        key: the client's id, or `PLATFORM_KEY`: events of one key keep their order.
        value: the CloudEvent.
        headers: what a consumer can go by without reading the value.
        line: the log line without its newline, as it stands in ``value``.
    """

    seq: int
    key: str
    value: bytes
    headers: tuple[tuple[str, bytes], ...]
    line: bytes


def message(origin: str, line: bytes) -> Message:
    """The message of a log line (without its newline).

    Raises:
        LineRefused: it is not one.
    """
    parsed = events.parse_line(line)
    event = json.loads(parsed.event_bytes)
    client = event["client_id"]
    return Message(
        seq=parsed.seq,
        key=PLATFORM_KEY if client is None else str(client),
        value=_envelope(origin, event) + line + b"}",
        headers=(
            ("content-type", CONTENT_TYPE.encode("ascii")),
            ("seq", b"%d" % parsed.seq),
            ("hash", tag(parsed.hash).encode("ascii")),
            ("prev_hash", tag(parsed.prev_hash).encode("ascii")),
            ("origin", origin.encode("utf-8")),
            ("sealed_at", parsed.sealed_at.encode("ascii")),
        ),
        line=line,
    )


def parse(origin: str, value: bytes) -> Message:
    """The message of a value that was received; everything around the line must agree with it.

    The line itself may still be forged: `Stream` tells.

    Raises:
        MessageRefused: it is not what the relay of this log sends.
    """
    _, mark, rest = value.partition(_DATA)
    if not mark or not rest.endswith(b"}"):
        raise MessageRefused("Not a message of the stream: its data are not the last member.")
    try:
        found = message(origin, rest[:-1])
    except (Invalid, ValueError, KeyError, TypeError, RecursionError) as error:
        raise MessageRefused(f"The message carries no log line: {error}") from error
    if found.value != value:
        raise MessageRefused(f"The message around event {found.seq} does not agree with it.")
    return found


class Stream:
    """Recomputes the chain and the tree from the messages of a whole topic, from event 0 on.

    Messages may come more than once, and those of different keys in any order: what comes early is
    kept until what lies before it is there, so memory grows with how far the partitions are apart.

    Args:
        origin: the log's name.
    """

    def __init__(self, origin: str) -> None:
        self._origin = origin
        self._verifier = LogVerifier(origin)
        self._early: dict[int, bytes] = {}
        self.repeated = 0

    @property
    def size(self) -> int:
        """Up to which number, exclusive, the log is complete and holds."""
        return self._verifier.size

    @property
    def waiting(self) -> int:
        """How many messages came before something that has to precede them."""
        return len(self._early)

    def add(self, value: bytes) -> int:
        """Takes the value of a message; returns `size`.

        Raises:
            MessageRefused: it is no message of this log. StreamBroken: it does not fit the others.
        """
        found = parse(self._origin, value)
        if found.seq < self.size or found.seq in self._early:
            self.repeated += 1
            if self._early.get(found.seq, found.line) != found.line:
                raise StreamBroken(f"Event {found.seq} came twice, with other bytes.")
            return self.size
        self._early[found.seq] = found.line
        ready: list[bytes] = []
        while (line := self._early.pop(self.size + len(ready), None)) is not None:
            ready.append(line)
        self._verifier.feed(ready)
        if self._verifier.fault is not None:
            raise StreamBroken(self._verifier.fault.message)
        return self.size

    def check(self, note: bytes, signers: Signers) -> list[Finding]:
        """Whether everything up to here is what a signed checkpoint of the same size says."""
        signed, findings = checkpoints.open_note(note, signers)
        if signed is None:
            return findings
        if signed.size != self.size:
            message = f"The checkpoint is of {signed.size} events, the stream has {self.size}."
            return [*findings, Finding("stream_size", None, message)]
        agrees = (signed.root, signed.head) == (self._verifier.frontier.root(), self._verifier.head)
        message = (
            f"All {self.size} events are those that were signed."
            if agrees
            else "The events are not those that were signed."
        )
        return [*findings, Finding("stream_root", agrees, message)]


def _envelope(origin: str, event: dict[str, Any]) -> bytes:
    """Everything before the line (CloudEvents 1.0 §3.1; JSON event format §3)."""
    members = {
        "specversion": "1.0",
        "id": event["id"],
        "source": origin,
        "type": event["type"],
        "time": event["occurred_at"],
    }
    concerned = event["object"]
    if concerned is not None:
        members["subject"] = f"{concerned['type']}/{concerned['id']}"
    text = json.dumps(members, ensure_ascii=False, separators=(",", ":"))
    return text[:-1].encode("utf-8") + _DATA
