"""Whether somebody is who he says: password, and the second factor where there is one."""

from __future__ import annotations

from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP
from django.contrib.auth.hashers import make_password

from access.models import User


def account_with(*, username: str, password: str, otp: str = "") -> User | None:
    """The account that these credentials open, or None.

    An unknown name takes as long as a wrong password, and the answer gives no reason: neither
    tells which accounts exist. Service accounts have no password.
    """
    user = User.objects.filter(username=username).first()
    if user is None:
        make_password(password)
        return None
    if not user.check_password(password) or not user.is_active or user.is_service:
        return None
    return user if second_factor_holds(user, otp) else None


def second_factor_holds(user: User, otp: str) -> bool:
    """Whether ``otp`` is the account's code of now or an unused recovery code; or none is needed.

    An account whose only second factor is a passkey has no code, so none holds.
    """
    if not get_adapter().is_mfa_enabled(user):
        return True
    if not otp:
        return False
    checks = {
        Authenticator.Type.TOTP: TOTP,
        Authenticator.Type.RECOVERY_CODES: RecoveryCodes,
    }
    known = Authenticator.objects.filter(user=user, type__in=checks)
    return any(checks[found.type](found).validate_code(otp) for found in known.order_by("-type"))
