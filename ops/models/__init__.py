"""Jobs, their runs and tallies, and approvals."""

from ops.models.approval import OPEN_STATES, Approval, ApprovalDecision, ApprovalState
from ops.models.job import Job, Run, RunStatus
from ops.models.tally import BOUNDS, RunTally

__all__ = [
    "BOUNDS",
    "OPEN_STATES",
    "Approval",
    "ApprovalDecision",
    "ApprovalState",
    "Job",
    "Run",
    "RunStatus",
    "RunTally",
]
