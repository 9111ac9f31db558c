"""Who gets what from every address: the table of roles, address by address.

The table is compared with the URL resolver: an address that it does not list fails the suite, so
that nothing is added without somebody deciding who may use it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.urls import URLPattern, URLResolver, get_resolver

from tests.factories import World
from tests.house.scene import PERSONAS, Row, Scene


def row(name: str, method: str, expected: str, body: Any = None, address: str = "") -> Row:
    return Row(name, method, tuple(int(code) for code in expected.split()), body, address)


# Where everybody gets the same, because nobody has to sign in, or nobody gets in.
OPEN = "200 200 200 200 200 200 200 200 200 200"
CLOSED = "404 404 404 404 404 404 404 404 404 404"

API = [
    #                              anon root nob. alic oliv audr omar ben  svc1 svc2
    row("public-key", "GET", OPEN),
    row("public-keys", "GET", OPEN),
    row("healthz", "GET", OPEN),
    row("token-obtain", "POST", "400 400 400 400 400 400 400 400 400 400", {}),
    row("token-refresh", "POST", "400 400 400 400 400 400 400 400 400 400", {}),
    row("token-revoke", "POST", "400 400 400 400 400 400 400 400 400 400", {}),
    row("schema", "GET", "401 200 200 200 200 200 200 200 200 200"),
    row("docs", "GET", "401 200 200 200 200 200 200 200 200 200"),
    row("audit-events", "GET", "401 403 403 200 200 200 200 200 200 200"),
    row("audit-events", "POST", "401 403 403 403 403 403 403 403 400 400", {"type": "x"}),
    row("audit-event", "GET", "401 404 404 200 200 200 404 404 200 404"),
    row("audit-proof", "GET", "401 404 404 200 200 200 404 404 200 404"),
    row("audit-checkpoint", "GET", "401 403 403 200 200 200 200 200 200 200"),
    row(
        "audit-consistency",
        "GET",
        "401 403 403 200 200 200 200 200 200 200",
        address="?from=1&to=1",
    ),
    row("audit-status", "GET", "401 403 403 200 200 200 200 200 200 200"),
    row("audit-verify", "POST", "401 403 403 400 400 400 403 400 403 403", {}),
    row(
        "audit-verify",
        "POST",
        "401 403 403 200 200 200 403 200 403 403",
        {"storage": "database"},
    ),
    row("audit-verification", "GET", "401 403 403 200 200 200 403 200 403 403"),
    row("metrics", "GET", OPEN),
    row("evidence-export", "POST", "401 400 400 400 400 400 400 400 400 400", {}),
    row("evidence-export", "POST", "401 404 404 201 201 403 403 404 403 404", "EXPORT"),
    row("evidence-countersign", "POST", "401 404 404 403 403 403 403 404 403 404", "COUNTERSIGN"),
    row("evidence-verify", "POST", "401 404 404 200 200 200 403 404 403 404", "VERIFY"),
    row("evidence-packages", "GET", "401 403 403 200 200 200 200 200 200 200"),
    row("evidence-package", "GET", "401 404 404 200 200 200 404 404 404 404"),
    row("evidence-file", "GET", "401 404 404 200 200 200 404 404 404 404"),
    row("verify", "GET", OPEN),
    row("approvals", "GET", "401 403 403 200 200 200 200 200 200 200"),
    row("approval", "GET", "401 404 404 200 200 200 404 404 404 404"),
    row("approval-approve", "POST", "401 404 404 403 200 403 404 404 404 404", "DECISION"),
    row("approval-reject", "POST", "401 404 404 403 200 403 404 404 404 404", "DECISION"),
    row("approval-withdraw", "POST", "401 404 404 200 403 403 404 404 404 404", {}),
    row("approval-use", "POST", "401 404 404 409 403 403 404 404 404 404", {}),
    row("keys", "GET", "401 403 403 200 200 200 403 200 403 403"),
    row("keys", "POST", "401 403 403 403 202 403 403 202 403 403", "NEW KEY"),
    row("keys", "POST", "401 403 403 202 202 403 403 403 403 403", "RETIRE KEY"),
    row("legal-holds", "GET", "401 403 403 200 200 403 403 403 403 403"),
    row("legal-holds", "POST", "401 403 403 202 202 403 403 403 403 403", "HOLD"),
    row("jobs", "GET", "401 403 403 200 200 200 200 200 200 200"),
    row("jobs", "POST", "401 403 403 201 202 403 403 404 403 403", "NEW JOB"),
    row("job-run", "POST", "401 404 404 202 202 403 403 404 202 404", {}),
    row("job-runs", "GET", "401 404 404 200 200 200 200 404 200 404"),
    row("job-enable", "POST", "401 404 404 409 403 403 403 404 403 404", {}),
    row("job-disable", "POST", "401 404 404 202 202 403 403 404 403 404", "REASON"),
    row("jobs-sla", "GET", "401 403 403 200 200 200 200 200 200 200"),
    row("run", "GET", "401 404 404 200 200 200 404 404 404 404"),
]

# Pages need a session: services have none, so their two columns are left out.
IN = "302 403 403 200 200 200 200 200"
# What needs a grant for all clients; an empty form is refused to those who may.
PLATFORM = "302 403 403 200 200 403 403 403"
REFUSED_THERE = "302 403 403 400 400 403 403 403"
ADMIN = [
    #                                              anon root nob. alic oliv audr omar ben
    row("admin:index", "GET", IN),
    row("admin:switch_client", "POST", "302 403 403 302 302 302 302 302", {"client": ""}),
    row("admin:evidence_package_changelist", "GET", IN),
    row("admin:evidence_package_change", "GET", "302 403 403 200 200 200 404 404"),
    row("admin:evidence_package_export", "GET", "302 403 403 200 200 403 403 200"),
    row("admin:evidence_package_export", "POST", "302 403 403 400 400 403 403 400", {}),
    row("admin:evidence_package_countersign", "GET", "302 403 403 403 409 403 404 404"),
    row("admin:evidence_package_countersign", "POST", "302 403 403 403 400 403 404 404", {}),
    row("admin:evidence_package_download", "GET", "302 403 403 200 200 200 404 404"),
    row("admin:evidence_package_download", "POST", "302 403 403 400 400 400 404 404", {}),
    row("admin:evidence_package_verify", "GET", "302 403 403 200 200 200 404 404"),
    row("admin:evidence_package_verify", "POST", "302 403 403 200 200 200 404 404", {}),
    row("admin:access_client_changelist", "GET", IN),
    row("admin:access_client_change", "GET", "302 403 403 200 200 200 200 404"),
    row("admin:access_client_new", "GET", "302 403 403 200 200 403 403 409"),
    row("admin:access_client_new", "POST", "302 403 403 400 400 403 403 400", {}),
    row("admin:access_person_changelist", "GET", "302 403 403 200 200 403 403 403"),
    row("admin:access_person_change", "GET", "302 403 403 200 200 403 403 403"),
    row("admin:access_person_merge", "GET", "302 403 403 200 403 404 404 404"),
    row("admin:access_person_merge", "POST", "302 403 403 400 403 404 404 404", {}),
    row("admin:access_user_changelist", "GET", "302 403 403 200 200 403 403 403"),
    row("admin:access_user_change", "GET", "302 403 403 200 200 403 403 403"),
    row("admin:access_user_new-person", "GET", "302 403 403 200 403 403 403 403"),
    row("admin:access_user_new-person", "POST", "302 403 403 400 403 403 403 403", {}),
    row("admin:access_user_another", "GET", "302 403 403 200 200 403 403 200"),
    row("admin:access_user_another", "POST", "302 403 403 400 400 403 403 400", {}),
    row("admin:access_user_new-service", "GET", "302 403 403 200 403 403 403 403"),
    row("admin:access_user_new-service", "POST", "302 403 403 400 403 403 403 403", {}),
    row("admin:access_user_grant", "GET", "302 403 403 200 403 404 404 404"),
    row("admin:access_user_grant", "POST", "302 403 403 400 403 404 404 404", {}),
    row("admin:access_user_api-key", "GET", "302 403 403 409 403 404 404 404"),
    row("admin:access_user_api-key", "POST", "302 403 403 400 403 404 404 404", {}),
    row("admin:access_user_deactivate", "GET", "302 403 403 200 403 404 404 404"),
    row("admin:access_user_deactivate", "POST", "302 403 403 302 403 404 404 404", {}),
    row("admin:access_grant_changelist", "GET", "302 403 403 200 200 403 403 200"),
    row("admin:access_grant_change", "GET", "302 403 403 200 200 403 403 404"),
    row("admin:access_grant_revoke", "GET", "302 403 403 200 403 404 404 404"),
    row("admin:access_grant_revoke", "POST", "302 403 403 302 403 404 404 404", {}),
    row("admin:access_apikey_changelist", "GET", "302 403 403 200 200 403 403 403"),
    row("admin:access_apikey_change", "GET", "302 403 403 200 200 403 403 403"),
    row("admin:access_apikey_revoke", "GET", "302 403 403 200 403 404 404 404"),
    row("admin:access_apikey_revoke", "POST", "302 403 403 302 403 404 404 404", {}),
    row("admin:access_tokensession_changelist", "GET", IN),
    row("admin:access_tokensession_change", "GET", "302 403 403 200 404 404 404 404"),
    row("admin:audit_auditevent_changelist", "GET", IN),
    row("admin:audit_auditevent_change", "GET", "302 403 403 200 200 200 404 404"),
    row("admin:audit_checkpoint_changelist", "GET", IN),
    row("admin:audit_checkpoint_change", "GET", IN),
    row("admin:audit_verificationrun_changelist", "GET", IN),
    row("admin:audit_verificationrun_change", "GET", IN),
    row("admin:audit_verificationrun_verify", "GET", "302 403 403 200 200 200 403 200"),
    row("admin:audit_verificationrun_verify", "POST", "302 403 403 200 200 200 403 200", {}),
    row("admin:audit_verificationrequest_changelist", "GET", IN),
    row("admin:audit_verificationrequest_change", "GET", IN),
    row("admin:audit_verificationrequest_progress", "GET", IN),
    row("admin:audit_verificationrequest_new", "GET", "302 403 403 200 200 200 403 200"),
    row("admin:audit_verificationrequest_new", "POST", "302 403 403 400 400 400 403 400", {}),
    row("admin:audit_archiverstate_changelist", "GET", IN),
    *(
        entry
        for what in ("archiver", "retention-sweep")
        for entry in (
            row(f"admin:audit_archiverstate_pause-{what}", "GET", PLATFORM),
            row(f"admin:audit_archiverstate_pause-{what}", "POST", REFUSED_THERE, {}),
            row(
                f"admin:audit_archiverstate_resume-{what}",
                "GET",
                "302 403 403 409 409 403 403 403",
            ),
            row(f"admin:audit_archiverstate_resume-{what}", "POST", REFUSED_THERE, {}),
        )
    ),
    row("admin:audit_segment_changelist", "GET", IN),
    row("admin:audit_segment_change", "GET", IN),
    row("admin:audit_dutyrecord_changelist", "GET", IN),
    row("admin:audit_dutyrecord_change", "GET", IN),
    row("admin:audit_dutyrecord_record", "GET", PLATFORM),
    row("admin:audit_dutyrecord_record", "POST", REFUSED_THERE, {}),
    row("admin:audit_legalhold_changelist", "GET", PLATFORM),
    row("admin:audit_legalhold_change", "GET", PLATFORM),
    row("admin:audit_legalhold_place", "GET", PLATFORM),
    row("admin:audit_legalhold_place", "POST", REFUSED_THERE, {}),
    row("admin:audit_legalhold_release", "GET", "302 403 403 200 200 404 404 404"),
    row("admin:audit_legalhold_release", "POST", "302 403 403 400 400 404 404 404", {}),
    row("admin:audit_custodyrecord_changelist", "GET", PLATFORM),
    row("admin:audit_custodyrecord_change", "GET", PLATFORM),
    row("admin:audit_pendingevent_changelist", "GET", "302 403 403 200 200 403 403 403"),
    row("admin:audit_pendingevent_change", "GET", "302 403 403 200 200 403 403 403"),
    row("admin:audit_signingkey_changelist", "GET", "302 403 403 200 200 200 403 200"),
    row("admin:audit_signingkey_change", "GET", "302 403 403 200 200 200 403 200"),
    row("admin:audit_signingkey_create", "GET", "302 403 403 403 200 403 403 200"),
    row("admin:audit_signingkey_create", "POST", "302 403 403 403 400 403 403 400", {}),
    row("admin:audit_signingkey_rotate", "GET", "302 403 403 409 409 403 404 403"),
    row("admin:audit_signingkey_rotate", "POST", "302 403 403 400 400 403 404 403", {}),
    row("admin:audit_signingkey_retire", "GET", "302 403 403 200 200 403 404 403"),
    row("admin:audit_signingkey_retire", "POST", "302 403 403 400 400 403 404 403", {}),
    row("admin:audit_signingkey_compromised", "GET", "302 403 403 200 200 403 404 403"),
    row("admin:audit_signingkey_compromised", "POST", "302 403 403 400 400 403 404 403", {}),
    row("admin:ops_approval_changelist", "GET", IN),
    row("admin:ops_approval_change", "GET", "302 403 403 200 200 200 404 404"),
    # Alice asked for it; Olivia can decide.
    *(
        entry
        for act in ("approve", "reject")
        for entry in (
            row(f"admin:ops_approval_{act}", "GET", "302 403 403 409 200 403 404 404"),
            row(f"admin:ops_approval_{act}", "POST", "302 403 403 400 400 403 404 404", {}),
            row(f"admin:ops_approval_{act}", "POST", "302 403 403 403 302 403 404 404", "DECISION"),
        )
    ),
    row("admin:ops_approval_withdraw", "GET", "302 403 403 200 409 403 404 404"),
    row("admin:ops_approval_withdraw", "POST", "302 403 403 302 403 403 404 404", {}),
    row("admin:ops_approval_carry-out", "GET", "302 403 403 409 409 403 404 404"),
    row("admin:ops_approval_carry-out", "POST", "302 403 403 409 403 403 404 404", {}),
    row("admin:ops_job_changelist", "GET", IN),
    row("admin:ops_job_change", "GET", "302 403 403 200 200 200 200 404"),
    row("admin:ops_job_new", "GET", "302 403 403 200 200 403 403 200"),
    row("admin:ops_job_new", "POST", "302 403 403 400 400 403 403 400", {}),
    row("admin:ops_job_run", "GET", "302 403 403 200 200 403 403 404"),
    row("admin:ops_job_run", "POST", "302 403 403 302 302 403 403 404", {}),
    row("admin:ops_job_enable", "GET", "302 403 403 409 403 403 403 404"),
    row("admin:ops_job_enable", "POST", "302 403 403 409 403 403 403 404", {}),
    row("admin:ops_job_disable", "GET", "302 403 403 200 200 403 403 404"),
    row("admin:ops_job_disable", "POST", "302 403 403 400 400 403 403 404", {}),
    row("admin:ops_run_changelist", "GET", IN),
    row("admin:ops_run_change", "GET", "302 403 403 200 200 200 404 404"),
    row("admin:ops_run_progress", "GET", "302 403 403 200 200 200 404 404"),
]

# allauth's own pages: they concern nobody but oneself, or are closed to all.
SIGNED_IN = "302 200 200 200 200 200 200 200"
ACCOUNTS = [
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
TABLE = API + ADMIN + ACCOUNTS


def addresses() -> Iterator[str]:
    """The name of every address that the resolver knows."""

    def walk(patterns: list[Any], namespace: str) -> Iterator[str]:
        for entry in patterns:
            if isinstance(entry, URLResolver):
                inner = f"{namespace}{entry.namespace}:" if entry.namespace else namespace
                yield from walk(entry.url_patterns, inner)
            elif isinstance(entry, URLPattern) and entry.name is not None:
                yield f"{namespace}{entry.name}"
            else:
                yield f"{namespace}{entry.pattern}"

    yield from walk(get_resolver().url_patterns, "")


def test_every_address_is_in_the_table() -> None:
    catch_all = "admin:(?P<url>.*)$"  # Django's own: adds a slash, or answers 404
    assert set(addresses()) - {catch_all} == {entry.name for entry in TABLE}


@pytest.mark.parametrize("entry", TABLE, ids=lambda e: f"{e.name}-{e.method}-{e.body or ''}"[:70])
def test_who_gets_what(entry: Row, world: World, settings: Any) -> None:
    from django.db import transaction

    scene = Scene(world)
    memory = settings.AUDIT_SIGNER_STATE.read_bytes()
    personas = PERSONAS[: len(entry.expected)]
    wrong = {}
    for persona, expected in zip(personas, entry.expected, strict=True):
        point = transaction.savepoint()
        got = scene.status(entry, persona)
        transaction.savepoint_rollback(point)
        settings.AUDIT_SIGNER_STATE.write_bytes(memory)
        if got != expected:
            wrong[persona] = f"{got} instead of {expected}"
    assert not wrong, f"{entry.method} {entry.name}: {wrong}"
