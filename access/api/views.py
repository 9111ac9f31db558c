"""Tokens: obtaining, renewing and ending them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from allauth.core import ratelimit
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.exceptions import AuthenticationFailed, Throttled
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from access import credentials, signals, tokens
from access.api import schema  # noqa: F401 - registers itself
from access.api.authentication import CHALLENGE
from access.api.serializers import StrictSerializer
from access.api.throttling import TokenThrottle
from access.models import User

MAX_TOKEN_CHARACTERS = 5000
# The longest that allauth's limit of failed sign-ins lasts (ACCOUNT_RATE_LIMITS).
FAILED_WAIT_SECONDS = 300


class Credentials(StrictSerializer):
    """A username and password, and the second factor's code where the account has one."""

    username = serializers.CharField(max_length=150, trim_whitespace=False)
    password = serializers.CharField(max_length=1000, trim_whitespace=False)
    otp = serializers.CharField(max_length=20, required=False, allow_blank=True, default="")


class RefreshBody(StrictSerializer):
    """A refresh token."""

    refresh = serializers.CharField(max_length=MAX_TOKEN_CHARACTERS)


class TokenPair(StrictSerializer):
    """What a session is used with."""

    access = serializers.CharField()
    refresh = serializers.CharField()


@method_decorator(never_cache, name="dispatch")
@method_decorator(sensitive_post_parameters(), name="dispatch")
class _TokenView(APIView):
    authentication_classes = ()
    permission_classes = (AllowAny,)
    throttle_classes = (TokenThrottle,)

    def get_authenticate_header(self, request: Request) -> str:
        """Makes a refusal a 401."""
        return CHALLENGE

    def body(self, kind: type[StrictSerializer]) -> dict[str, Any]:
        """The request's body, validated."""
        given = kind(data=self.request.data)
        given.is_valid(raise_exception=True)
        return dict(given.validated_data)


class ObtainView(_TokenView):
    """`POST /api/token/`"""

    @extend_schema(operation_id="token_obtain", request=Credentials, responses=TokenPair)
    def post(self, request: Request) -> Response:
        """Exchange a password (and second factor) for tokens."""
        user = self._account(**self.body(Credentials))
        return _answer(tokens.issue(user, request=request._request))

    def _account(self, username: str, password: str, otp: str) -> User:
        # allauth's limit of failed sign-ins, which the login form counts in too.
        attempt = partial(
            ratelimit.consume, self.request._request, action="login_failed", key=username
        )
        if not attempt(dry_run=True):
            raise Throttled(wait=FAILED_WAIT_SECONDS)
        user = credentials.account_with(username=username, password=password, otp=otp)
        if user is None:
            attempt()
            signals.sign_in_failed.send(
                type(self), request=self.request._request, username=username
            )
            # One answer for every reason: it must not tell which accounts exist.
            raise AuthenticationFailed(
                "Username, password or one-time code is not right.", code="credentials_invalid"
            )
        return user


class RefreshView(_TokenView):
    """`POST /api/token/refresh/`"""

    @extend_schema(operation_id="token_refresh", request=RefreshBody, responses=TokenPair)
    def post(self, request: Request) -> Response:
        """Exchange a refresh token for new tokens; it can be used once."""
        token = self.body(RefreshBody)["refresh"]
        with _refusal_is_401():
            return _answer(tokens.refresh(token, request=request._request))


class RevokeView(_TokenView):
    """`POST /api/token/revoke/`"""

    @extend_schema(operation_id="token_revoke", request=RefreshBody, responses={204: None})
    def post(self, request: Request) -> Response:
        """End the session that the token belongs to."""
        token = self.body(RefreshBody)["refresh"]
        with _refusal_is_401():
            tokens.revoke(token, request=request._request)
        return Response(status=status.HTTP_204_NO_CONTENT)


def _answer(pair: tokens.Pair) -> Response:
    return Response({"access": pair.access, "refresh": pair.refresh})


@contextmanager
def _refusal_is_401() -> Iterator[None]:
    try:
        yield
    except tokens.TokenRefused as error:
        raise AuthenticationFailed(error.message, code=error.code) from error
