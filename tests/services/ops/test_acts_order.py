"""Whoever may not ask for something learns nothing from the refusal of what there is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from access.roles import Role
from audit.services import holds, switches
from ops.models import Approval
from ops.services import approvals, jobs, people
from sealing.errors import Forbidden, NotFound
from tests.admin.jobs import job as a_job
from tests.factories import World

ABSENT = "00000000-0000-4000-8000-000000000000"


def held(world: World) -> dict[str, Any]:
    holds.place(actor=world.actor("olivia"), case_id="C-7", reason="R")
    return {"case_id": "C-7", "start_day": None, "end_day": None, "reason": "R"}


def released(world: World) -> dict[str, Any]:
    hold = holds.place(actor=world.actor("olivia"), case_id="C-7", reason="R")
    holds.release(actor=world.actor("olivia"), hold=hold, reason="R")
    return {"hold_id": hold.pk, "reason": "R"}


def absent_hold(world: World) -> dict[str, Any]:
    return {"hold_id": 4711, "reason": "R"}


def paused(world: World) -> dict[str, Any]:
    switches.pause(actor=world.actor("alice"), what="archiver", reason="R")
    return {"reason": "R"}


def taken_client(world: World) -> dict[str, Any]:
    return {"client_id": "clinic-001", "name": "x", "redaction_pointers": []}


def merged(world: World) -> dict[str, Any]:
    one, other = (str(world.person(name).pk) for name in ("olivia", "olivia2"))
    return {"person": one, "into": other, "reason": "R"}


def absent_person(world: World) -> dict[str, Any]:
    return {"person": ABSENT, "into": str(world.person("olivia").pk), "reason": "R"}


def granted(world: World) -> dict[str, Any]:
    return {"username": "olivia", "role": "compliance-officer", "client_id": None}


def unknown_account(world: World) -> dict[str, Any]:
    return {"username": "nobody-of-that-name", "role": "admin", "client_id": None}


@pytest.mark.parametrize(
    ("action", "params"),
    [
        ("legal_hold.place", held),
        ("legal_hold.release", released),
        ("legal_hold.release", absent_hold),
        ("archiver.pause", paused),
        ("client.create", taken_client),
        ("people.merge", merged),
        ("people.merge", absent_person),
        ("grant.create", granted),
        ("grant.create", unknown_account),
    ],
)
def test_the_platform_tells_nothing_to_a_clients_administrator(
    world: World, action: str, params: Callable[[World], Mapping[str, Any]]
) -> None:
    given = params(world)
    people.grant(
        actor=world.actor("alice"),
        user=world.user("audrey"),
        role=Role.ADMIN,
        client=world.client("clinic-001"),
    )
    with pytest.raises(Forbidden, match="Your roles do not allow this"):
        approvals.request(
            actor=world.actor("audrey"), action=action, params=given, reason="Curious."
        )
    assert not Approval.objects.exists()


def test_another_clients_job_is_as_if_it_were_not_there(world: World) -> None:
    job = a_job(world)
    assert job.client_id == "clinic-001"
    jobs.disable_job(actor=world.actor("alice"), job=job, reason="R")
    said = set()
    for job_id in (str(job.pk), ABSENT):
        with pytest.raises(NotFound) as refused:
            approvals.request(
                actor=world.actor("ben"),
                action="job.disable",
                params={"job_id": job_id, "reason": "R"},
                reason="Curious.",
            )
        said.add((refused.value.code, refused.value.message, refused.value.field))
    assert len(said) == 1
