"""AWS CloudTrail records as audit events (docs/formats.md §8)."""

from __future__ import annotations

import ipaddress
from typing import Any

from audit.formats.event import EventRefused
from sealing.errors import Invalid
from sealing.times import format_time, parse_rfc3339

_DOMAIN = ".amazonaws.com"
_DENIED = ("AccessDenied", "UnauthorizedOperation", "UnauthorizedAccess", "Unauthorized")
# What tells who acted, best first, and what it is called in our events.
_IDENTITIES = (
    ("arn", "user"),
    ("principalId", "user"),
    ("userName", "user"),
    ("invokedBy", "service"),
    ("accountId", "account"),
)
_MAX_REQUEST_ID, _MAX_USER_AGENT = 128, 2048


def to_event_fields(record: Any) -> dict[str, Any]:
    """What a CloudTrail record says, in the fields of an event; the whole record is its `data`.

    Recorder, client and redactions are not the source's to say, and are left out.

    Args:
        record: one member of a CloudTrail file's `Records`.

    Raises:
        EventRefused: naming the member of the record that is missing or of another kind.
    """
    if not isinstance(record, dict):
        raise EventRefused("A CloudTrail record is an object.")
    event_source = _text(record, "eventSource").removesuffix(_DOMAIN)
    try:
        occurred_at = format_time(parse_rfc3339(_text(record, "eventTime")))
    except Invalid as error:
        raise EventRefused(error.message, field="eventTime") from error
    return {
        "id": _text(record, "eventID"),
        "type": f"aws.{event_source}.{_text(record, 'eventName')}",
        "occurred_at": occurred_at,
        "actor": {"id": _actor(record)},
        "object": None,
        "outcome": _outcome(record.get("errorCode")),
        "request_id": _short(record.get("requestID"), _MAX_REQUEST_ID),
        "source": _source(record),
        "data": record,
    }


def _text(record: dict[str, Any], name: str) -> str:
    value = record.get(name)
    if not isinstance(value, str) or not value:
        raise EventRefused("Text is expected here.", field=name)
    return value


def _actor(record: dict[str, Any]) -> str:
    identity = record.get("userIdentity")
    if not isinstance(identity, dict):
        raise EventRefused("An object is expected here.", field="userIdentity")
    for name, prefix in _IDENTITIES:
        value = identity.get(name)
        if isinstance(value, str) and value:
            return f"{prefix}:{value}"
    kind = identity.get("type")
    if isinstance(kind, str) and kind:
        return f"user:{kind}"
    raise EventRefused("Nothing here tells who acted.", field="userIdentity")


def _outcome(error_code: Any) -> str:
    if error_code is None:
        return "success"
    if not isinstance(error_code, str):
        raise EventRefused("Text is expected here.", field="errorCode")
    return "denied" if any(word in error_code for word in _DENIED) else "failure"


def _source(record: dict[str, Any]) -> dict[str, Any] | None:
    address, agent = record.get("sourceIPAddress"), record.get("userAgent")
    found: dict[str, Any] = {}
    if isinstance(address, str) and _is_address(address):
        found["ip"] = address
    if shortened := _short(agent, _MAX_USER_AGENT):
        found["user_agent"] = shortened
    return found or None


def _is_address(text: str) -> bool:
    # AWS names a service here where one of its own acted.
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _short(value: Any, max_bytes: int) -> str | None:
    """The text if it fits: what doesn't is in `data` all the same."""
    if not isinstance(value, str) or not value:
        return None
    return value if len(value.encode("utf-8", "replace")) <= max_bytes else None
