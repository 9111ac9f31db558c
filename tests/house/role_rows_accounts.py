"""Who gets what from allauth's own pages: they concern nobody but oneself, or are closed to all."""

from __future__ import annotations

from tests.house.role_rows import CLOSED, row

SIGNED_IN = "302 200 200 200 200 200 200 200"
ROWS = [
    row("home", "GET", "302 302 302 302 302 302 302 302"),
    row("account_login", "GET", "200 302 302 302 302 302 302 302"),
    row("account_logout", "GET", "302 200 200 200 200 200 200 200"),
    row("account_inactive", "GET", "200 200 200 200 200 200 200 200"),
    row("account_reauthenticate", "GET", SIGNED_IN),
    row("account_change_password", "GET", SIGNED_IN),
    row("mfa_index", "GET", SIGNED_IN),
    row("mfa_authenticate", "GET", "302 302 302 302 302 302 302 302"),
    row("mfa_reauthenticate", "GET", "302 302 302 302 302 302 302 302"),
    row("mfa_activate_totp", "GET", "302 302 302 302 302 302 302 302"),
    row("mfa_deactivate_totp", "GET", "302 404 404 404 404 404 404 404"),
    row("mfa_view_recovery_codes", "GET", "302 404 404 404 404 404 404 404"),
    row("mfa_generate_recovery_codes", "GET", "302 302 302 302 302 302 302 302"),
    row("mfa_download_recovery_codes", "GET", "302 404 404 404 404 404 404 404"),
    row("account_signup", "GET", CLOSED),
    row("account_email", "GET", CLOSED),
    row("account_set_password", "GET", CLOSED),
    row("account_reset_password", "GET", CLOSED),
    row("account_email_verification_sent", "GET", CLOSED),
    row("account_confirm_email", "GET", CLOSED),
    row("admin:login", "GET", "302 403 403 302 302 302 302 302"),
    row("admin:logout", "GET", "302 403 403 302 302 302 302 302"),
]
