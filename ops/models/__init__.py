"""Jobs, their runs, and approvals."""

from ops.models.approval import OPEN_STATES, Approval, ApprovalDecision, ApprovalState
from ops.models.job import Job, Run, RunStatus

__all__ = [
    "OPEN_STATES",
    "Approval",
    "ApprovalDecision",
    "ApprovalState",
    "Job",
    "Run",
    "RunStatus",
]
