"""The job types of this room."""

from __future__ import annotations

from access.roles import Action
from ops import registry
from ops.registry import JobType, MakeUp
from reports.services import packets, requests


def connect() -> None:
    """Registers them."""
    registry.register(
        JobType(
            name=packets.JOB_TYPE,
            description="Makes the SOC 2 packets of the month before: the platform's and every"
            " client's.",
            run=packets.carry_out,
            validate=requests.validated,
            client_of=requests.client_of,
            permission=Action.EXPORT,
            default_cron="0 3 1 * *",
            timeout_seconds=6 * 3600,
            max_attempts=5,
            make_up=MakeUp.EACH,
            on_failed=packets.abandon,
        )
    )
