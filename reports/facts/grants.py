"""Grants of roles, their approvals, and reviews of who has access."""

from __future__ import annotations

from audit.events import EventType
from audit.models import Duty
from ops.acts.people import GRANT
from reports.facts.base import Fact, Reach, not_stored
from reports.facts.events import counted
from reports.facts.records import rows
from reports.facts.roster import PRIVILEGED

_AT_END = """
SELECT id FROM access_grant
WHERE created_at < %(until)s AND (revoked_at IS NULL OR revoked_at >= %(until)s)
  AND (%(client)s::text IS NULL OR client_id = %(client)s OR client_id IS NULL)
"""
_PRIVILEGED_AT_END = """
SELECT id FROM access_grant
WHERE created_at < %(until)s AND (revoked_at IS NULL OR revoked_at >= %(until)s)
  AND (%(client)s::text IS NULL OR client_id = %(client)s OR client_id IS NULL)
  AND group_id IN (SELECT id FROM auth_group WHERE name = ANY(%(privileged)s))
"""
_APPROVED = """
SELECT id FROM ops_approval
WHERE action = %(action)s AND state = 'used'
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
        rows("grants.in_force", "Grants in force", "grant", _AT_END, unit="grants", is_state=True),
        rows(
            "grants.privileged_in_force",
            "Grants of administrator or compliance officer in force",
            "grant",
            _PRIVILEGED_AT_END,
            unit="grants",
            is_state=True,
            privileged=[str(role) for role in PRIVILEGED],
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
