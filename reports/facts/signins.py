"""Signing in, and what was refused. Sign-ins are stored without a client."""

from __future__ import annotations

from audit.events import EventType
from reports.facts.base import Fact, Reach
from reports.facts.events import counted


def facts() -> tuple[Fact, ...]:
    """The facts of this subject."""
    return (
        counted(
            "sign_ins.succeeded",
            "Sign-ins",
            EventType.ACCESS_LOGIN_SUCCEEDED,
            EventType.ACCESS_TOKEN_ISSUED,
            unit="sign-ins",
            reach=Reach.PLATFORM,
        ),
        counted(
            "sign_ins.failed",
            "Sign-ins that failed",
            EventType.ACCESS_LOGIN_FAILED,
            unit="sign-ins",
            reach=Reach.PLATFORM,
        ),
        counted(
            "requests.denied",
            "Requests for which the roles did not suffice",
            EventType.ACCESS_DENIED,
            unit="requests",
            reach=Reach.PLATFORM,
        ),
        counted("events.denied", "Events that tell of a refusal", outcomes=("denied",)),
        counted("events.failed", "Events that tell of a failure", outcomes=("failure",)),
        counted(
            "passwords.changed",
            "Passwords changed",
            EventType.ACCESS_PASSWORD_CHANGED,
            reach=Reach.PLATFORM,
        ),
        counted(
            "factors.changed",
            "Second factors added or removed",
            EventType.ACCESS_FACTOR_ADDED,
            EventType.ACCESS_FACTOR_REMOVED,
            reach=Reach.PLATFORM,
        ),
        counted(
            "api_keys.created",
            "API keys made",
            EventType.ACCESS_APIKEY_CREATED,
            unit="keys",
            reach=Reach.PLATFORM,
        ),
        counted(
            "api_keys.revoked",
            "API keys revoked",
            EventType.ACCESS_APIKEY_REVOKED,
            unit="keys",
            reach=Reach.PLATFORM,
        ),
    )
