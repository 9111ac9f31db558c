"""The job types of this room."""

from __future__ import annotations

from access.roles import Action
from evidence.services import exporting, packages, payloads
from ops import registry
from ops.registry import JobType, MakeUp


def connect() -> None:
    """Registers them."""
    registry.register(
        JobType(
            name=exporting.JOB_TYPE,
            description="Exports a signed package of a client's events, and locks it away.",
            run=exporting.carry_out,
            validate=payloads.validated,
            client_of=payloads.client_of,
            permission=Action.EXPORT,
            job_permission=Action.EXPORT_ON_SCHEDULE,
            is_builtin=False,
            may_register=True,
            timeout_seconds=6 * 3600,
            make_up=MakeUp.EACH,
            on_failed=packages.abandon,
        )
    )
