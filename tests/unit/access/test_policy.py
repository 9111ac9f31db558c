"""The table of roles, cell by cell, as it is published, and the rules beside it."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, Group
from django.db.models import Q
from django.utils import timezone

from access import policy
from access.models import Client, Grant, User
from access.policy import OutOfScope
from access.roles import MATRIX, OWN_ONLY, Action, Role
from sealing.errors import Forbidden
from tests.factories import World

ROLES = tuple(Role)
# One line for each action; columns: admin, compliance-officer, auditor, operator, automation.
# yes: may; own: may with its own things; -: may not.
TABLE = """
view                yes  yes  yes  own  own
verify              yes  yes  yes  own  own
run_job             yes  yes  -    yes  yes
execute_runbook     -    -    -    yes  yes
approve_runbook     -    yes  -    -    -
export              yes  yes  -    -    -
export_on_schedule  -    -    -    -    yes
download            yes  yes  yes  -    -
countersign         -    yes  -    -    -
view_keys           yes  yes  yes  -    -
manage_own_key      -    yes  -    -    -
manage_keys         yes  yes  -    -    -
approve_keys        -    yes  -    -    -
propose_retention   yes  yes  -    -    -
approve_retention   -    yes  -    -    -
view_people         yes  yes  -    -    -
manage_people       yes  -    -    -    -
approve_grants      -    yes  -    -    -
ingest              -    -    -    -    yes
manage_jobs         yes  -    -    -    -
request_jobs        yes  yes  -    -    -
manage_clients      yes  -    -    -    -
request_clients     yes  yes  -    -    -
create_incident     yes  yes  -    yes  yes
upload_artefact     yes  yes  -    yes  yes
assess_control      -    yes  -    -    -
propose_exception   -    yes  -    -    -
approve_exception   -    yes  -    -    -
propose_recovery    yes  -    -    -    -
approve_recovery    -    yes  -    -    -
"""
LINES = [line.split() for line in TABLE.strip().splitlines()]
CELLS = [
    (Action(name), role, cell)
    for name, *cells in LINES
    for role, cell in zip(ROLES, cells, strict=True)
]


@pytest.fixture
def holder(world: World) -> Any:
    """Makes an account that holds one role, for clinic-001 or for all clients."""

    def make(role: Role, client_id: str | None = "clinic-001") -> User:
        user = User.objects.create_user(f"{role}-{client_id}", is_service=role == Role.AUTOMATION)
        Grant.objects.create(user=user, group=Group.objects.get(name=role), client_id=client_id)
        return user

    return make


def test_table_names_every_action_and_every_role() -> None:
    assert [Action(line[0]) for line in LINES] == list(Action)
    assert all(len(line) == 1 + len(ROLES) for line in LINES)
    assert set(MATRIX) == set(Action)


def test_every_role_is_a_group(world: World) -> None:
    assert set(Group.objects.values_list("name", flat=True)) == {role.value for role in Role}


@pytest.mark.parametrize(("action", "role", "cell"), CELLS)
def test_cell(holder: Any, action: Action, role: Role, cell: str) -> None:
    user = holder(role)
    assert policy.can(user, action, "clinic-001") is (cell == "yes")
    assert policy.can(user, action, "clinic-001", own=True) is (cell in ("yes", "own"))
    # Whatever the role, it counts for its own client only, and never for the platform.
    assert policy.can(user, action, "clinic-002", own=True) is False
    assert policy.can(user, action, None, own=True) is False
    assert policy.scope(user, action) == policy.Scope(
        False, frozenset({"clinic-001"} if cell != "-" else ())
    )


@pytest.mark.parametrize(("action", "role", "cell"), CELLS)
def test_cell_for_all_clients(holder: Any, action: Action, role: Role, cell: str) -> None:
    user = holder(role, None)
    for client_id in ("clinic-001", "clinic-002", None):
        assert policy.can(user, action, client_id) is (cell == "yes")
        assert policy.can(user, action, client_id, own=True) is (cell != "-")
    assert policy.scope(user, action).all_clients is (cell != "-")


def test_own_only_is_a_part_of_the_matrix() -> None:
    for action, roles in OWN_ONLY.items():
        assert roles < MATRIX[action]


@pytest.mark.parametrize("action", list(Action))
def test_superuser_without_a_grant_may_nothing(world: World, action: Action) -> None:
    root = world.user("root")
    assert root.is_superuser and root.has_perm("access.add_user")
    assert not policy.can(root, action, "clinic-001", own=True)
    assert not policy.can(root, action, None, own=True)
    assert not policy.scope(root, action)


@pytest.mark.parametrize("action", list(Action))
@pytest.mark.parametrize("who", ["nobody", "anonymous", "none"])
def test_strangers_may_nothing(world: World, action: Action, who: str) -> None:
    user = {"nobody": world.user("nobody"), "anonymous": AnonymousUser(), "none": None}[who]
    assert not policy.can(user, action, "clinic-001", own=True)
    assert not policy.scope(user, action)
    assert not policy.visible(Client.objects.all(), user, field="id", action=action).exists()


def test_inactive_account_may_nothing(world: World) -> None:
    User.objects.filter(username="alice").update(is_active=False)
    assert not policy.scope(world.user("alice"))
    assert policy.roles_of(world.user("alice")) == frozenset()


def test_revoked_grant_counts_no_more(world: World) -> None:
    assert policy.can(world.user("audrey"), Action.VIEW, "clinic-001")
    Grant.objects.filter(user=world.user("audrey")).update(revoked_at=timezone.now())
    assert not policy.can(world.user("audrey"), Action.VIEW, "clinic-001")


def test_membership_in_the_group_is_no_grant(world: World) -> None:
    nobody = world.user("nobody")
    nobody.groups.add(Group.objects.get(name=Role.ADMIN))
    assert not policy.scope(nobody)


def test_another_group_grants_nothing(world: World) -> None:
    Grant.objects.create(user=world.user("nobody"), group=Group.objects.create(name="staff"))
    assert policy.roles_of(world.user("nobody")) == frozenset()
    assert not policy.scope(world.user("nobody"))


def test_require_of_another_client_is_not_found(world: World) -> None:
    with pytest.raises(OutOfScope) as raised:
        policy.require(world.user("ben"), Action.EXPORT, "clinic-001")
    assert raised.value.code == "not_found"


def test_require_answers_the_same_for_a_client_that_is_not_there(world: World) -> None:
    messages = set()
    for client_id in ("clinic-001", "no-such-client"):
        with pytest.raises(OutOfScope) as raised:
            policy.require(world.user("ben"), Action.EXPORT, client_id)
        messages.add(raised.value.message)
    assert len(messages) == 1


@pytest.mark.parametrize(
    ("username", "action", "client_id"),
    [
        ("audrey", Action.EXPORT, "clinic-001"),
        ("omar", Action.VIEW, "clinic-001"),  # only his own
        ("ben", Action.MANAGE_KEYS, None),  # the platform needs a grant for all clients
        ("root", Action.MANAGE_PEOPLE, None),
    ],
)
def test_require_refuses(
    world: World, username: str, action: Action, client_id: str | None
) -> None:
    with pytest.raises(Forbidden) as raised:
        policy.require(world.user(username), action, client_id)
    assert raised.value.code == "forbidden"


def test_require_lets_pass(world: World) -> None:
    policy.require(world.user("audrey"), Action.VIEW, world.client("clinic-001"))
    policy.require(world.user("omar"), Action.VIEW, "clinic-001", own=True)
    policy.require(world.user("alice"), Action.MANAGE_PEOPLE)


@pytest.mark.parametrize(
    ("username", "own", "expected"),
    [
        ("alice", None, {"clinic-001", "clinic-002", None}),
        ("audrey", None, {"clinic-001"}),
        ("ben", None, {"clinic-002"}),
        ("omar", None, set()),
        ("omar", Q(user__username="omar"), {"clinic-001"}),
        ("omar", Q(user__username="audrey"), {"clinic-001"}),
        ("omar", Q(user__username="ben"), set()),  # in the condition, but of another client
        ("nobody", Q(user__username="ben"), set()),
        ("root", Q(), set()),
    ],
)
def test_visible(world: World, username: str, own: Q | None, expected: set[str | None]) -> None:
    found = policy.visible(Grant.objects.all(), world.user(username), own=own)
    assert set(found.values_list("client_id", flat=True)) == expected


def test_visible_adds_own_rows_to_those_of_other_roles(world: World) -> None:
    omar = world.user("omar")
    Grant.objects.create(
        user=omar, group=Group.objects.get(name=Role.AUDITOR), client_id="clinic-002"
    )
    found = policy.visible(Grant.objects.all(), omar, own=Q(user=omar))
    assert {(g.user.username, g.client_id) for g in found} == {
        ("omar", "clinic-001"),
        ("omar", "clinic-002"),
        ("ben", "clinic-002"),
        ("svc-clinic-002", "clinic-002"),
    }


def test_own_rows_of_the_platform_need_a_grant_for_all_clients(world: World, holder: Any) -> None:
    alices = Q(user__username="alice")
    everywhere = holder(Role.OPERATOR, None)
    assert policy.visible(Grant.objects.all(), everywhere, own=alices).count() == 1
    here = holder(Role.OPERATOR)
    assert not policy.visible(Grant.objects.all(), here, own=alices).exists()


@pytest.mark.parametrize(
    ("roles", "expected"),
    [
        ({Role.ADMIN, Role.OFFICER}, True),
        (set(Role), True),
        ({Role.ADMIN}, False),
        ({Role.OFFICER, Role.AUDITOR, Role.OPERATOR}, False),
        ({Role.ADMIN, Role.AUDITOR, Role.OPERATOR}, False),
        (set(), False),
    ],
)
def test_roles_conflict(roles: set[Role], expected: bool) -> None:
    assert policy.roles_conflict(roles) is expected


def test_roles_of_person_adds_all_accounts(world: World) -> None:
    Grant.objects.create(user=world.user("olivia2"), group=Group.objects.get(name=Role.AUDITOR))
    User.objects.filter(username="olivia2").update(is_active=False)
    assert policy.roles_of_person(world.person("olivia").pk) == {Role.OFFICER, Role.AUDITOR}
    assert policy.roles_of_person(None) == frozenset()
