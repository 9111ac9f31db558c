"""The bytes of a request for approval: what is hashed, shown and decided on."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sealing import canonical, digests
from sealing.times import format_time

FORMAT = "strongroom/approval/v1"


def build(
    *,
    action: str,
    client_id: str | None,
    requester: Mapping[str, str],
    params: Mapping[str, Any],
    subject: Mapping[str, Any],
    reason: str,
    needed: int,
    created_at: datetime,
    expires_at: datetime,
    nonce: str,
) -> bytes:
    """Canonical JSON (RFC 8785) of all that is asked for.

    Args:
        action: the act's name.
        client_id: whose evidence it concerns; None for the platform.
        requester: ``account`` and ``person`` of whoever asks.
        params: what the act will be given.
        subject: the state of what it is about, at the time of the request.
        reason: why.
        needed: how many people besides the requester.
        created_at, expires_at: from when until when it can be decided and carried out.
        nonce: makes two requests for the same two different ones.

    Raises:
        NotCanonical: the parameters or the subject hold what JSON can't.
    """
    return canonical.dumps(
        {
            "format": FORMAT,
            "action": action,
            "client_id": client_id,
            "requester": dict(requester),
            "params": dict(params),
            "subject": dict(subject),
            "reason": reason,
            "needed": needed,
            "created_at": format_time(created_at),
            "expires_at": format_time(expires_at),
            "nonce": nonce,
        }
    )


def digest(raw: bytes) -> str:
    """What stands for the request: ``sha256:`` and the SHA-256 of its bytes."""
    return digests.sha256_tag(raw)


def is_same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two subjects are the same, as JSON."""
    return canonical.dumps(dict(one)) == canonical.dumps(dict(other))
