"""Grants of roles, their approvals, and reviews of who has access."""

from __future__ import annotations

from typing import Any

from audit.events import EventType
from audit.models import Duty
from ops.acts.people import GRANT
from reports.facts import roster
from reports.facts.base import Fact, Measured, Reach, Scope, not_stored
from reports.facts.events import counted
from reports.facts.records import found_by, rows
from reports.facts.roster import PRIVILEGED

_AT_END = """
SELECT id FROM access_grant
WHERE created_at < %(until)s AND (revoked_at IS NULL OR revoked_at >= %(until)s)
  AND (%(client)s::text IS NULL OR client_id = %(client)s OR client_id IS NULL)
  AND (user_id = ANY(%(open)s)) = %(is_open)s
"""
_OF_PRIVILEGED = """
  AND group_id IN (SELECT id FROM auth_group WHERE name = ANY(%(privileged)s))
"""
_APPROVED = """
SELECT id FROM ops_approval
WHERE action = %(action)s AND (state = 'used' OR state = 'failed' AND executed_at >= %(now)s)
  AND closed_at >= %(start)s AND closed_at < %(until)s
  AND (%(client)s::text IS NULL OR client_id = %(client)s)
"""
_DUTY = """
SELECT id FROM audit_dutyrecord
WHERE duty = %(duty)s AND done_at >= %(start)s AND done_at < %(until)s
"""


def facts() -> tuple[Fact, ...]:
    """The facts of this subject."""
    return (
        counted("grants.made", "Grants made", EventType.ACCESS_GRANT_CREATED, unit="grants"),
        counted("grants.revoked", "Grants revoked", EventType.ACCESS_GRANT_REVOKED, unit="grants"),
        _in_force("grants.in_force", "Grants in force", _AT_END),
        _in_force(
            "grants.privileged_in_force",
            "Grants of administrator or compliance officer in force",
            _AT_END + _OF_PRIVILEGED,
            privileged=[str(role) for role in PRIVILEGED],
        ),
        _in_force(
            "grants.of_closed_accounts",
            "Grants of closed accounts, not revoked",
            _AT_END,
            is_open=False,
        ),
        rows(
            "grants.approved",
            "Grants that another person approved",
            "approval",
            _APPROVED,
            unit="grants",
            action=GRANT,
        ),
        not_stored("reviews.access", "Reviews of the rights of people", "reviews"),
        rows(
            "reviews.archive_permissions",
            "Audits of who may reach the archive",
            "duty",
            _DUTY,
            unit="reviews",
            reach=Reach.LOG,
            is_nothing_without=True,
            duty=str(Duty.PERMISSION_AUDIT),
        ),
        rows(
            "reviews.keys",
            "Reviews of the rotation of keys",
            "duty",
            _DUTY,
            unit="reviews",
            reach=Reach.LOG,
            is_nothing_without=True,
            duty=str(Duty.KEY_REVIEW),
        ),
        rows(
            "reviews.retention",
            "Reviews of retention against policy",
            "duty",
            _DUTY,
            unit="reviews",
            reach=Reach.LOG,
            is_nothing_without=True,
            duty=str(Duty.RETENTION_REVIEW),
        ),
    )


def _in_force(name: str, label: str, sql: str, *, is_open: bool = True, **more: Any) -> Fact:
    """Grants at the end: those by which somebody could do something, or the others."""

    def measure(scope: Scope) -> Measured:
        able = [account.id for account in roster.accounts(scope) if account.is_active]
        found = found_by("grant", sql, scope, open=able, is_open=is_open, **more)
        return Measured(len(found.ids), found, scope.until)

    return Fact(name, label, "grants", Reach.CLIENT, measure)
