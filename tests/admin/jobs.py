"""Jobs and runs for the tests of their pages: rows as the services and the worker leave them."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib.auth.models import Group
from django.utils import timezone

from access.models import Grant
from access.roles import Role
from ops.models import Job, Run
from ops.services import jobs
from tests.factories import World

JOB_TYPE = "compliance_evidence_export"
PAYLOAD: dict[str, Any] = {"client_id": "clinic-001", "period": "previous_month"}
DIGEST = f"sha256:{'ab' * 32}"


def job(world: World, name: str = "Monthly export", **changes: Any) -> Job:
    """A job of the export type, registered by the administrator."""
    given = {
        "job_type": JOB_TYPE,
        "schedule_cron": "0 3 1 * *",
        "payload": PAYLOAD,
        "description": "For the board",
        "enabled": True,
        "owner": world.user("alice"),
        **changes,
    }
    return jobs.register_job(actor=world.actor("alice"), name=name, **given)


def run(of: Job | None, status: str = "SUCCESS", **changes: Any) -> Run:
    """A run in a state, begun a minute ago, that took twelve seconds where it has ended."""
    now = timezone.now()
    started = changes.pop("started_at", now - timedelta(minutes=1))
    given: dict[str, Any] = {
        "job": of,
        "job_type": of.job_type if of else JOB_TYPE,
        "client_id": of.client_id if of else "clinic-001",
        "payload": of.payload if of else PAYLOAD,
        "triggered_by": "schedule",
        "account": of.owner if of else None,
        "intended_at": started,
        "status": status,
        "attempts": 1,
    }
    if status == "QUEUED":
        given["attempts"] = 0
    else:
        given["started_at"] = started
    if status == "RUNNING":
        given |= {
            "lease": uuid.uuid4(),
            "lease_expires_at": now + timedelta(minutes=1),
            "heartbeat_at": now,
        }
    if status in ("SUCCESS", "FAILED"):
        given["finished_at"] = started + timedelta(seconds=12)
    if status == "FAILED":
        given |= {"error_code": "unavailable", "error_message": "The vault is full."}
    found = Run.objects.create(**{**given, **changes})
    found.refresh_from_db()
    return found


def nightly(of: Job, states: str, first: datetime | None = None) -> list[Run]:
    """A run a night, oldest first; ``s``, ``f``, ``r`` and ``q`` say how each stands."""
    names = {"s": "SUCCESS", "f": "FAILED", "r": "RUNNING", "q": "QUEUED"}
    first = first or datetime(2026, 1, 1, 3, tzinfo=UTC)
    return [
        run(of, names[state], started_at=first + timedelta(days=night))
        for night, state in enumerate(states)
    ]


def of_one_client(world: World, username: str) -> None:
    """Makes somebody administrator of one client."""
    group = Group.objects.get(name=Role.ADMIN)
    Grant.objects.create(user=world.user(username), group=group, client=world.client())
