"""The parts of django-allauth that are open: login, logout, passwords and second factors.

Sign-up, e-mail addresses and reset by mail keep their names, which allauth's own code looks up,
but lead nowhere: accounts are made, and reset, by an administrator. What changes an account runs in
one transaction with the event that tells of it.
"""

from __future__ import annotations

from allauth.account import views as account
from allauth.mfa.base import views as mfa_base
from allauth.mfa.recovery_codes import views as recovery_codes
from allauth.mfa.totp import views as totp
from django.db.transaction import atomic
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import path


def closed(request: HttpRequest, **kwargs: str) -> HttpResponse:
    """Answers 404 for what allauth offers and this installation does not."""
    raise Http404


urlpatterns = [
    path("login/", account.login, name="account_login"),
    path("logout/", account.logout, name="account_logout"),
    path("inactive/", account.account_inactive, name="account_inactive"),
    path("reauthenticate/", account.reauthenticate, name="account_reauthenticate"),
    path("password/change/", atomic(account.password_change), name="account_change_password"),
    path("2fa/", mfa_base.index, name="mfa_index"),
    path("2fa/authenticate/", mfa_base.authenticate, name="mfa_authenticate"),
    path("2fa/reauthenticate/", mfa_base.reauthenticate, name="mfa_reauthenticate"),
    path("2fa/totp/activate/", atomic(totp.activate_totp), name="mfa_activate_totp"),
    path("2fa/totp/deactivate/", atomic(totp.deactivate_totp), name="mfa_deactivate_totp"),
    path(
        "2fa/recovery-codes/",
        recovery_codes.view_recovery_codes,
        name="mfa_view_recovery_codes",
    ),
    path(
        "2fa/recovery-codes/generate/",
        atomic(recovery_codes.generate_recovery_codes),
        name="mfa_generate_recovery_codes",
    ),
    path(
        "2fa/recovery-codes/download/",
        recovery_codes.download_recovery_codes,
        name="mfa_download_recovery_codes",
    ),
    path("signup/", closed, name="account_signup"),
    path("email/", closed, name="account_email"),
    path("password/set/", closed, name="account_set_password"),
    path("password/reset/", closed, name="account_reset_password"),
    path("confirm-email/", closed, name="account_email_verification_sent"),
    path("confirm-email/<str:key>/", closed, name="account_confirm_email"),
]
