"""How often: by account, or by address where nobody is signed in (DRF's throttles)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle

if TYPE_CHECKING:
    # rest_framework.views loads the throttles of the settings: no import at run time.
    from rest_framework.views import APIView


class _Throttle(SimpleRateThrottle):
    def get_cache_key(self, request: Request, view: APIView) -> str:
        """One counter for each account, or for each address."""
        user = request.user
        if user is not None and user.is_authenticated:
            who = f"account-{user.pk}"
        else:
            # Not DRF's get_ident(): headers that claim another address are anybody's to write.
            who = f"address-{request.META.get('REMOTE_ADDR', '')}"
        return f"throttle-{self.scope}-{who}"


class BurstThrottle(_Throttle):
    """Everything."""

    scope = "burst"
    rate = "3000/min"


class TokenThrottle(_Throttle):
    """Passwords tried for tokens, and tokens renewed."""

    scope = "token"
    rate = "30/min"


class SigningThrottle(_Throttle):
    """Passwords given to sign."""

    scope = "signing"
    rate = "20/min"
