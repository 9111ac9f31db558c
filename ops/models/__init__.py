"""Jobs, their runs, and approvals."""

from ops.models.job import Job, Run, RunStatus

__all__ = ["Job", "Run", "RunStatus"]
