"""Audit events and log lines (docs/formats.md §1)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from sealing import canonical, fastjson
from sealing.digests import sha256
from sealing.errors import Invalid
from sealing.merkle import leaf_hash
from sealing.times import parse_time

OUTCOMES = ("success", "failure", "denied")
MAX_EVENT_BYTES = 256 << 10
MAX_DEPTH = 32
FIELDS = (
    "id",
    "type",
    "occurred_at",
    "actor",
    "recorder",
    "client_id",
    "object",
    "outcome",
    "request_id",
    "source",
    "data",
    "redacted",
)
_NAMES = frozenset(FIELDS)
GENESIS_PREFIX = b"strongroom/genesis/v1\n"
# `,"hash":"sha256:` + 64 digits + `"}`
HASH_SUFFIX_BYTES = 16 + 64 + 2
_HASH_MARK = b',"hash":"sha256:'
_PREV_MARK = b',"prev_hash":"sha256:'
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\Z")
_TYPE = re.compile(r"[A-Za-z0-9_.-]{1,128}\Z", re.ASCII)
_CLIENT = re.compile(r"[A-Za-z0-9_.-]{1,64}\Z", re.ASCII)
_LINE = re.compile(
    rb'\{"v":1,"seq":(0|[1-9][0-9]{0,15}),"sealed_at":"([0-9T:.\-]{26}Z)",'
    rb'"prev_hash":"sha256:([0-9a-f]{64})","event":(\{.*\}),"hash":"sha256:([0-9a-f]{64})"\}\Z'
)


class EventRefused(Invalid):
    """An event does not have the form of docs/formats.md §1; `field` names the place."""

    code = "event_invalid"


class LineRefused(Invalid):
    """A line is not a log line of the expected form."""

    code = "line_invalid"


@dataclass(frozen=True, slots=True)
class Line:
    """A log line taken apart."""

    seq: int
    sealed_at: str
    prev_hash: bytes
    event_bytes: bytes
    hash: bytes


def build(
    *,
    id: str,
    type: str,
    occurred_at: str,
    actor: dict[str, Any],
    recorder: str,
    client_id: str | None = None,
    object: dict[str, Any] | None = None,
    outcome: str = "success",
    request_id: str | None = None,
    source: dict[str, Any] | None = None,
    data: Any = None,
    redacted: list[str] | None = None,
) -> bytes:
    """The canonical bytes of an event, every field checked.

    Raises:
        EventRefused: a field is not valid.
    """
    event = {
        "id": id,
        "type": type,
        "occurred_at": occurred_at,
        "actor": actor,
        "recorder": recorder,
        "client_id": client_id,
        "object": object,
        "outcome": outcome,
        "request_id": request_id,
        "source": source,
        "data": data,
        "redacted": [] if redacted is None else redacted,
    }
    return encode(event)


def encode(event: dict[str, Any]) -> bytes:
    """The canonical bytes of an event that has all its fields, every one checked.

    Raises:
        EventRefused: a field is missing, unknown or not valid.
    """
    _check_fields(event)
    return _encoded(event)


def validate(event: Any) -> None:
    """Checks every field except that the whole is JSON. Raises EventRefused."""
    _check_fields(event)
    _check_depth(event, MAX_DEPTH)


def parse(raw: bytes) -> dict[str, Any]:
    """The event of canonical bytes, with every rule checked. Raises EventRefused."""
    try:
        event = canonical.loads_canonical(raw, max_bytes=MAX_EVENT_BYTES, max_depth=MAX_DEPTH)
    except canonical.NotCanonical as error:
        raise EventRefused("The event is not canonical JSON.") from error
    except Invalid as error:
        raise EventRefused(error.message, field=error.field) from error
    _check_fields(event)
    return dict(event)


def genesis_hash(origin: str) -> bytes:
    """What the first line links to: SHA-256("strongroom/genesis/v1\\n" || origin)."""
    return sha256(GENESIS_PREFIX + origin.encode("utf-8"))


def line(seq: int, sealed_at: str, prev_hash: bytes, event: bytes) -> tuple[bytes, bytes]:
    """A log line without its newline, and its hash."""
    head = leaf(seq, sealed_at, prev_hash, event)
    digest = leaf_hash(head)
    return b'%b,"hash":"sha256:%b"}' % (head, digest.hex().encode("ascii")), digest


def leaf(seq: int, sealed_at: str, prev_hash: bytes, event: bytes) -> bytes:
    """The part of a log line that is hashed: up to, not including, `,"hash":"`."""
    return b'{"v":1,"seq":%d,"sealed_at":"%b","prev_hash":"sha256:%b","event":%b' % (
        seq,
        sealed_at.encode("ascii"),
        prev_hash.hex().encode("ascii"),
        event,
    )


def leaf_part(raw: bytes) -> bytes:
    """The bytes of a line that are hashed: up to, not including, `,"hash":"`."""
    if len(raw) <= HASH_SUFFIX_BYTES or raw[-HASH_SUFFIX_BYTES:-66] != _HASH_MARK:
        raise LineRefused("The line does not end with its hash.")
    return raw[:-HASH_SUFFIX_BYTES]


def parse_line(raw: bytes, strict: bool = False) -> Line:
    """Takes a line apart; with ``strict`` the event is parsed and must follow every rule.

    Raises:
        LineRefused: the outer form is another one. EventRefused: the event is not valid (strict).
    """
    match = _LINE.match(raw)
    if match is None:
        raise LineRefused("Not a log line: outer keys, their order or their form differ.")
    seq, sealed_at, prev_hash, event, digest = match.groups()
    if strict:
        parse(event)
        try:
            parse_time(sealed_at.decode("ascii"))
        except Invalid as error:
            raise LineRefused(error.message, field="sealed_at") from error
    return Line(
        seq=int(seq),
        sealed_at=sealed_at.decode("ascii"),
        prev_hash=bytes.fromhex(prev_hash.decode("ascii")),
        event_bytes=event,
        hash=bytes.fromhex(digest.decode("ascii")),
    )


def _check_fields(event: Any) -> None:
    if not isinstance(event, dict):
        raise EventRefused("An event is an object.")
    if event.keys() != _NAMES:
        _refuse_names(event)
    _matches(event["id"], _ID, "id", "a lower-case UUID (RFC 9562)")
    _matches(event["type"], _TYPE, "type", "at most 128 of A-Z a-z 0-9 _ . -")
    try:
        parse_time(event["occurred_at"])
    except Invalid as error:
        raise EventRefused(error.message, field="occurred_at") from error
    _check_actor(event["actor"])
    _text(event["recorder"], "recorder", 256)
    if event["client_id"] is not None:
        _matches(event["client_id"], _CLIENT, "client_id", "at most 64 of A-Z a-z 0-9 _ . -")
    if event["object"] is not None:
        _check_object(event["object"])
    if event["outcome"] not in OUTCOMES:
        raise EventRefused(f"One of {', '.join(OUTCOMES)}.", field="outcome")
    if event["request_id"] is not None:
        _text(event["request_id"], "request_id", 128)
    if event["source"] is not None:
        _check_source(event["source"])
    redacted = event["redacted"]
    if redacted != [] and not (
        isinstance(redacted, list)
        and all(isinstance(item, str) and item.startswith("/") for item in redacted)
    ):
        raise EventRefused("A list of JSON pointers.", field="redacted")


def _refuse_names(event: dict[str, Any]) -> None:
    for name in event.keys() - _NAMES:
        raise EventRefused("Unknown field.", field=str(name)[:128])
    for name in FIELDS:
        if name not in event:
            raise EventRefused("The field is missing.", field=name)


def _encoded(event: dict[str, Any]) -> bytes:
    raw = fastjson.encode(event, MAX_DEPTH)
    if raw is fastjson.UNDECIDED:
        _check_depth(event, MAX_DEPTH)
        try:
            raw = canonical.dumps(event)
        except Invalid as error:
            raise EventRefused(error.message, field="data") from error
    if len(raw) > MAX_EVENT_BYTES:
        raise EventRefused(f"Larger than {MAX_EVENT_BYTES} bytes.", field="data")
    if b"\\u0000" in raw:
        # An escaped backslash before `u0000` is text; the strict parser tells them apart.
        try:
            canonical.loads(raw, max_bytes=MAX_EVENT_BYTES, max_depth=MAX_DEPTH)
        except Invalid as error:
            raise EventRefused(error.message, field=error.field) from error
    return bytes(raw)


def _check_actor(actor: Any) -> None:
    if not isinstance(actor, dict) or not {"id"} <= actor.keys() <= {"id", "person"}:
        raise EventRefused("An object with id and, where known, person.", field="actor")
    _text(actor["id"], "actor.id", 256)
    if "person" in actor:
        _text(actor["person"], "actor.person", 256)


def _check_object(value: Any) -> None:
    if not isinstance(value, dict) or value.keys() != {"type", "id"}:
        raise EventRefused("An object with id and type.", field="object")
    _text(value["type"], "object.type", 64)
    _text(value["id"], "object.id", 512)


def _check_source(source: Any) -> None:
    if not isinstance(source, dict) or not source.keys() <= {"ip", "user_agent"}:
        raise EventRefused("An object with ip and user_agent, or null.", field="source")
    for name, value in source.items():
        if value is not None:
            _text(value, f"source.{name}", 2048)


def _check_depth(value: Any, depth: int) -> None:
    """Whether the arrays and objects of ``value`` nest at most ``depth`` deep."""
    level = [value]
    for _ in range(depth):
        level = [
            inner
            for item in level
            if isinstance(item, (dict, list))
            for inner in (item.values() if isinstance(item, dict) else item)
            if isinstance(inner, (dict, list))
        ]
        if not level:
            return
    raise EventRefused(f"Nested deeper than {depth}.", field="data")


def _text(value: Any, field: str, max_bytes: int) -> None:
    if not isinstance(value, str) or not value:
        raise EventRefused("Text that is not empty.", field=field)
    if len(value) > max_bytes or not (value.isascii() or _fits(value, field, max_bytes)):
        raise EventRefused(f"At most {max_bytes} bytes.", field=field)
    if "\x00" in value:
        raise EventRefused("The character U+0000.", field=field)


def _fits(value: str, field: str, max_bytes: int) -> bool:
    try:
        return len(value.encode("utf-8")) <= max_bytes
    except UnicodeEncodeError as error:
        raise EventRefused("Half a character.", field=field) from error


def _matches(value: Any, pattern: re.Pattern[str], field: str, expected: str) -> None:
    if not isinstance(value, str) or not pattern.match(value):
        raise EventRefused(f"Expected {expected}.", field=field)
