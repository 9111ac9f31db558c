"""Records signing in and out, tokens, passwords and second factors, announced by signals."""

from __future__ import annotations

from typing import Any

from allauth.account.signals import password_changed
from allauth.mfa.signals import authenticator_added, authenticator_removed, authenticator_reset
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.db import transaction
from django.http import HttpRequest

from access import signals
from audit.events import Actor, EventType
from audit.services import trail


def connect() -> None:
    """Connects the receivers; failures to record propagate, so nobody gets in unrecorded."""
    user_logged_in.connect(_logged_in)
    user_logged_out.connect(_logged_out)
    user_login_failed.connect(_login_failed)
    password_changed.connect(_password_changed)
    authenticator_added.connect(_factor_added)
    authenticator_reset.connect(_factor_added)
    authenticator_removed.connect(_factor_removed)
    signals.sign_in_failed.connect(_token_refused)
    signals.token_issued.connect(_token_issued)
    signals.token_revoked.connect(_token_revoked)


def _logged_in(sender: Any, request: HttpRequest | None, user: Any, **kwargs: Any) -> None:
    if trail.is_enabled():
        _note(EventType.ACCESS_LOGIN_SUCCEEDED, Actor.of(user, request), _account(user))


def _logged_out(sender: Any, request: HttpRequest | None, user: Any, **kwargs: Any) -> None:
    if user is not None and trail.is_enabled():
        _note(EventType.ACCESS_LOGOUT, Actor.of(user, request), _account(user))


def _login_failed(
    sender: Any, credentials: dict[str, Any], request: HttpRequest | None = None, **kwargs: Any
) -> None:
    _failed(request, str(credentials.get("username", "")))


def _token_refused(sender: Any, request: HttpRequest | None, username: str, **kwargs: Any) -> None:
    _failed(request, username)


def _failed(request: HttpRequest | None, username: str) -> None:
    if not trail.is_enabled():
        return
    # What was typed may be anything, a password in the wrong field too: only a known account's
    # name is recorded.
    from access.models import User

    known = User.objects.filter(username=username[:150].replace("\x00", "")).first()
    actor = Actor.anonymous(request)
    trail.record_alone(
        EventType.ACCESS_LOGIN_FAILED,
        actor=actor,
        obj=_account(known) if known else None,
        outcome="denied",
    )


def _token_issued(sender: Any, request: HttpRequest, user: Any, **kwargs: Any) -> None:
    if trail.is_enabled():
        _note(EventType.ACCESS_TOKEN_ISSUED, Actor.of(user, request), _account(user))


def _token_revoked(sender: Any, request: HttpRequest, user: Any, **kwargs: Any) -> None:
    if trail.is_enabled():
        _note(EventType.ACCESS_TOKEN_REVOKED, Actor.of(user, request), _account(user))


def _password_changed(sender: Any, request: HttpRequest, user: Any, **kwargs: Any) -> None:
    _note(EventType.ACCESS_PASSWORD_CHANGED, Actor.of(user, request), _account(user))


def _factor_added(
    sender: Any, request: HttpRequest, user: Any, authenticator: Any, **kwargs: Any
) -> None:
    data = {"kind": str(authenticator.type)}
    _note(EventType.ACCESS_FACTOR_ADDED, Actor.of(user, request), _account(user), data)


def _factor_removed(
    sender: Any, request: HttpRequest, user: Any, authenticator: Any, **kwargs: Any
) -> None:
    data = {"kind": str(authenticator.type)}
    _note(EventType.ACCESS_FACTOR_REMOVED, Actor.of(user, request), _account(user), data)


def _account(user: Any) -> tuple[str, str]:
    return ("account", user.username)


def _note(
    event_type: EventType, actor: Actor, obj: tuple[str, str], data: dict[str, str] | None = None
) -> None:
    with transaction.atomic():
        trail.record(event_type, actor=actor, obj=obj, data=data)
