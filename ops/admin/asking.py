"""Doors that ask for an act which takes two people: what their pages say, and where they lead."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.urls import reverse

from access.admin.acts import Decision, Done
from ops import approvable
from ops.models import Approval
from ops.services import deciders

RECORDED = "That you asked for it, and why, is recorded in the audit trail."
NOTHING_YET = "Nothing changes yet: another person has to approve it first."


def decision(
    action: str,
    act: str,
    *,
    facts: Sequence[tuple[str, Any]] = (),
    digest: str | None = None,
    danger: bool = False,
) -> Decision:
    """What the page of a request says: what would happen, once somebody approved it.

    Args:
        action: the name of the approvable act.
        act: the words of heading and button ("Ask to release the hold of case C-7").
    """
    wanted = approvable.get(action)
    return Decision(
        act=act,
        digest=digest,
        facts=facts,
        consequences=(NOTHING_YET, *wanted.consequences, RECORDED),
        irreversible=wanted.irreversible,
        danger=danger,
    )


def requested(approval: Approval) -> Done:
    """A request that was made: leads to its page, and says who may decide."""
    return Done(
        message=f"Asked for. {deciders.in_words(approval)}",
        url=reverse("admin:ops_approval_change", args=[approval.pk]),
    )
