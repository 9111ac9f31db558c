"""Rows of approvals written past every service, and by what the database refuses them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from access.models import Person
from ops.models import Approval, ApprovalDecision
from tests.factories import World
from tests.services.ops.approving import ask, constraint_of, outlive


def row(world: World, approval: Approval, by: str = "olivia", **changes: Any) -> ApprovalDecision:
    """A decision as the service would store it, but for the changes."""
    user = world.user(by)
    values: dict[str, Any] = {
        "approval": approval,
        "requester_id": approval.requester_id,
        "request_sha256": approval.request_sha256,
        "person_id": user.person_id,
        "account": user,
        "approves": True,
        **changes,
    }
    return ApprovalDecision(**values)


def insert(*rows: ApprovalDecision) -> None:
    with transaction.atomic():
        ApprovalDecision.objects.bulk_create(rows)


def update(approval: Approval, **changes: Any) -> None:
    with transaction.atomic():
        Approval.objects.filter(pk=approval.pk).update(**changes)


def refusal_of(change: Any, *args: Any, **options: Any) -> str | None:
    """The constraint that refuses a change."""
    with pytest.raises(IntegrityError) as refused:
        change(*args, **options)
    return constraint_of(refused.value)


def merge(world: World, gone: str, kept: str) -> None:
    changed = Person.objects.filter(pk=world.person(gone).pk)
    changed.update(merged_into=world.person(kept))


def in_state(world: World, state: str) -> Approval:
    """A request that came to a state in the shortest way, each with the people that it needs."""
    short = state == "expired"
    approval = ask(world, left=timedelta(microseconds=1) if short else None)
    if short:
        outlive(approval)
        update(approval, state=state)
    elif state in ("approved", "used", "failed"):
        insert(row(world, approval))
        for step in ("approved", "used", "failed"):
            update(approval, state=step, outcome_code="x" if step == "failed" else "")
            if step == state:
                break
    elif state == "rejected":
        insert(row(world, approval, approves=False, comment="No."))
        update(approval, state=state)
    elif state != "pending":
        update(approval, state=state)
    approval.refresh_from_db()
    assert approval.state == state
    return approval
