"""Acts that need a second person: what was asked for, what became of it, and by whom."""

from __future__ import annotations

from audit.events import EventType
from reports.facts.base import Fact
from reports.facts.events import counted
from reports.facts.records import rows

# An act was carried out for as long as nobody knew better by the moment of the packet: what failed,
# or turned out to have been cut short, after that moment is of a later packet.
_USED = """
SELECT id FROM ops_approval
WHERE closed_at >= %(start)s AND closed_at < %(until)s
  AND (state = 'used' OR state = 'failed' AND executed_at >= %(now)s)
  AND (%(client)s::text IS NULL OR client_id = %(client)s)
"""
_FAILED = """
SELECT id FROM ops_approval
WHERE closed_at >= %(start)s AND closed_at < %(until)s
  AND state = 'failed' AND executed_at < %(now)s
  AND (%(client)s::text IS NULL OR client_id = %(client)s)
"""
_DECISIONS = """
SELECT decision.id FROM ops_approvaldecision decision
JOIN ops_approval approval ON approval.id = decision.approval_id
WHERE decision.decided_at >= %(start)s AND decision.decided_at < %(until)s
  AND (%(client)s::text IS NULL OR approval.client_id = %(client)s)
"""
_SAME_HUMAN = (
    _DECISIONS
    + """
  AND access_person_root(decision.person_id) = access_person_root(approval.requester_id)
"""
)


def facts() -> tuple[Fact, ...]:
    """The facts of this subject."""
    return (
        _asked("approvals.requested", "Approvals asked for", EventType.OPS_APPROVAL_REQUESTED),
        _asked("approvals.approved", "Decisions to approve", EventType.OPS_APPROVAL_APPROVED),
        rows("approvals.used", "Approved acts carried out", "approval", _USED, unit="approvals"),
        rows(
            "approvals.failed", "Approved acts that failed", "approval", _FAILED, unit="approvals"
        ),
        _asked("approvals.rejected", "Requests rejected", EventType.OPS_APPROVAL_REJECTED),
        _asked("approvals.withdrawn", "Requests withdrawn", EventType.OPS_APPROVAL_WITHDRAWN),
        _asked("approvals.expired", "Requests that expired", EventType.OPS_APPROVAL_EXPIRED),
        _asked("approvals.voided", "Requests that became void", EventType.OPS_APPROVAL_VOIDED),
        _asked("approvals.refused", "Attempts that were refused", EventType.OPS_APPROVAL_REFUSED),
        rows("approvals.decisions", "Decisions made", "decision", _DECISIONS, unit="decisions"),
        rows(
            "approvals.own_decisions",
            "Decisions of whoever had asked",
            "decision",
            _SAME_HUMAN,
            unit="decisions",
        ),
    )


def _asked(name: str, label: str, kind: EventType) -> Fact:
    return counted(name, label, kind, unit="approvals")
