"""What the tests of approvals at the desk share."""

from __future__ import annotations

from typing import Any

from django.test import Client as Browser

from ops.models import Approval
from ops.services import proposals
from tests.factories import PASSWORD, World
from tests.services.ops.approving import decide

APPROVALS = "/admin/ops/approval/"
REASON = "Litigation, case C-7"


def page(approval: Approval, act: str = "change") -> str:
    """The address of a request's page, or of one of its decision pages."""
    return f"{APPROVALS}{approval.pk}/{act}/"


def given(approval: Approval, **changes: Any) -> dict[str, Any]:
    """What somebody who saw the request types and sends."""
    return {
        "comment": "Looked at it.",
        "password": PASSWORD,
        "request_sha256": approval.request_sha256,
        **changes,
    }


def asked(desk: Browser, address: str, data: dict[str, Any]) -> Approval:
    """Sends a request's form, and gives what was asked for; the answer leads to its page."""
    response = desk.post(address, data)
    assert response.status_code == 302, response.content[:2_000]
    approval = Approval.objects.latest("created_at")
    assert response["Location"] == page(approval)
    return approval


def approved(world: World, approval: Approval, by: str = "oscar") -> Approval:
    """Approved by another person, by the service."""
    return decide(world, approval, by)


def pause(world: World, by: str = "alice") -> Approval:
    """A request that the archiver be paused."""
    return proposals.pause(actor=world.actor(by), what="archiver", reason="The bucket moves")
