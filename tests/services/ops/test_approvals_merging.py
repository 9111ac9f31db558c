"""Two persons who are one human: merged once, for ever, and counted as one from then on."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import IntegrityError, connections, transaction

from access import policy
from access.models import Person
from access.roles import Action, Role
from audit.events import EventType
from ops.models import ApprovalState
from ops.services import approval_errors as errors
from ops.services import approvals, deciders, merging, people
from sealing.errors import Forbidden, Invalid, NotFound
from tests.factories import PASSWORD, World
from tests.services.ops.approval_rows import merge, refusal_of
from tests.services.ops.approving import Acts, approved, ask, close, decide, events, use

django_db = pytest.mark.django_db


def persons(count: int) -> list[Person]:
    return [Person.objects.create(display_name=f"Person {number}") for number in range(count)]


def set_merged(person: Person, into: Person | None) -> None:
    with transaction.atomic():
        Person.objects.filter(pk=person.pk).update(merged_into=into)


# --- who is who -----------------------------------------------------------------------------------


@django_db
def test_a_person_is_himself_until_merged() -> None:
    one, two, three, other = persons(4)
    assert policy.root_person(one.pk) == one.pk
    assert policy.root_person(str(one.pk)) == one.pk
    assert policy.people_of(one.pk) == {one.pk}
    set_merged(one, two)
    set_merged(two, three)
    for person in (one, two, three):
        assert policy.root_person(person.pk) == three.pk
        assert policy.people_of(person.pk) == {one.pk, two.pk, three.pk}
    assert policy.people_of(other.pk) == {other.pk}


@django_db
def test_services_are_nobody() -> None:
    assert policy.root_person(None) is None
    assert policy.people_of(None) == frozenset()
    assert policy.roles_of_person(None) == frozenset()


@django_db
def test_roles_are_those_of_all_accounts(world: World) -> None:
    merge(world, "nobody", "audrey")
    for username in ("nobody", "audrey"):
        assert policy.roles_of_person(world.person(username).pk) == {Role.AUDITOR}
    merge(world, "oscar", "nobody")
    with pytest.raises(people.RolesConflict):
        people.grant(
            actor=world.actor("alice"), user=world.user("nobody"), role=Role.ADMIN, client=None
        )


@django_db
def test_who_may_do_something(world: World) -> None:
    able = policy.people_who_may(Action.APPROVE_KEYS)
    assert able == {world.person("olivia").pk, world.person("oscar").pk}
    assert policy.people_who_may(Action.APPROVE_KEYS, "clinic-002") == able | {
        world.person("ben").pk
    }
    merge(world, "oscar", "olivia")
    assert policy.people_who_may(Action.APPROVE_KEYS) == {world.person("olivia").pk}
    close(world, "olivia", "olivia2", "oscar")
    assert policy.people_who_may(Action.APPROVE_KEYS) == frozenset()


# --- what the database refuses --------------------------------------------------------------------


@django_db
def test_a_merge_stays() -> None:
    one, two, three = persons(3)
    set_merged(one, two)
    assert refusal_of(set_merged, one, three) == "access_person_merged_once"
    assert refusal_of(set_merged, one, None) == "access_person_merged_once"


@django_db
def test_there_are_no_circles() -> None:
    one, two, three = persons(3)
    assert refusal_of(set_merged, one, one) == "access_person_no_circle"
    set_merged(one, two)
    set_merged(two, three)
    assert refusal_of(set_merged, three, one) == "access_person_no_circle"


@django_db
def test_no_circle_is_inserted() -> None:
    def insert() -> None:
        one, two = Person(display_name="One"), Person(display_name="Two")
        one.merged_into, two.merged_into = two, one
        with transaction.atomic():
            Person.objects.bulk_create([one, two])

    assert refusal_of(insert) == "access_person_no_circle"


@django_db
@pytest.mark.parametrize("column", ["id", "created_at"])
def test_what_a_person_is_stays(column: str) -> None:
    one, two = persons(2)
    value = Person().pk if column == "id" else two.created_at.replace(year=2020)
    with pytest.raises(IntegrityError, match="records of fact"), transaction.atomic():
        Person.objects.filter(pk=one.pk).update(**{column: value})


def test_two_merges_at_once_make_no_circle(committed_world: World) -> None:
    one, two = persons(2)
    refusals: list[str | None] = []
    both_wrote = threading.Barrier(2)

    def run(gone: Person, kept: Person) -> None:
        def write() -> None:
            with transaction.atomic():
                both_wrote.wait()
                Person.objects.filter(pk=gone.pk).update(merged_into=kept)

        try:
            write()
        except IntegrityError as error:
            refusals.append(getattr(getattr(error.__cause__, "diag", None), "constraint_name", ""))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=pair) for pair in ((one, two), (two, one))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert refusals == ["access_person_no_circle"]
    assert policy.root_person(one.pk) == policy.root_person(two.pk)


# --- the service and its act ----------------------------------------------------------------------


def asked(world: World, gone: str = "oscar", kept: str = "olivia", **changes: Any) -> Any:
    params = {
        "person": str(world.person(gone).pk),
        "into": str(world.person(kept).pk),
        "reason": "One passport.",
        **changes,
    }
    return ask(world, action="people.merge", params=params)


@django_db
def test_a_merge_takes_an_officer_whom_it_is_not_about(world: World) -> None:
    other = people.create_person_account(
        actor=world.actor("alice"), username="olga", display_name="Olga", password=PASSWORD
    )
    people.grant(actor=world.actor("alice"), user=other, role=Role.OFFICER, client=None)
    approval = asked(world)
    for username in ("olivia", "olivia2", "oscar"):
        with pytest.raises(errors.OwnRequest):
            decide(world, approval, username)
    done = decide(world, approval, "olga")
    assert done.state == ApprovalState.USED
    olivia = world.person("olivia")
    assert done.result == {"counted_as": str(olivia.pk)}
    assert policy.root_person(world.person("oscar").pk) == olivia.pk
    (event,) = events(EventType.ACCESS_PEOPLE_MERGED)
    assert event["actor"]["id"] == "user:alice"
    assert event["object"] == {"type": "person", "id": str(world.person("oscar").pk)}
    assert event["data"] == {"into": str(olivia.pk), "reason": "One passport."}


@django_db
def test_what_hangs_on_a_merged_person_is_merged_too(world: World) -> None:
    alice = world.actor("alice")
    one, two, three = persons(3)
    merging.merge_people(actor=alice, person=one, into=two, reason="x")
    kept = merging.merge_people(actor=alice, person=one, into=three, reason="x")
    assert kept == three
    assert policy.people_of(two.pk) == {one.pk, two.pk, three.pk}
    with pytest.raises(merging.OneHuman):
        merging.merge_people(actor=alice, person=three, into=one, reason="x")


@django_db
@pytest.mark.parametrize(
    ("by", "pair", "reason", "refusal"),
    [
        ("olivia", ("oscar", "olivia"), "x", Forbidden),
        ("alice", ("oscar", "olivia"), " ", Invalid),
        ("alice", ("alice", "olivia"), "x", people.RolesConflict),
        ("alice", ("olivia2", "olivia"), "x", merging.OneHuman),
    ],
)
def test_what_is_not_merged(
    world: World, by: str, pair: tuple[str, str], reason: str, refusal: type[Exception]
) -> None:
    gone, kept = (world.person(username) for username in pair)
    with pytest.raises(refusal):
        merging.merge_people(actor=world.actor(by), person=gone, into=kept, reason=reason)
    assert not Person.objects.exclude(merged_into=None).exists()


@django_db
@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"person": "x"}, Invalid),
        ({"person": 7}, Invalid),
        ({"into": str(Person(pk="00000000-0000-4000-8000-000000000000").pk)}, NotFound),
        ({"reason": ""}, Invalid),
        ({"more": "x"}, Invalid),
    ],
)
def test_parameters_that_are_refused(
    world: World, changes: dict[str, Any], refusal: type[Exception]
) -> None:
    with pytest.raises(refusal):
        asked(world, **changes)


@django_db
def test_new_rights_void_a_merge(world: World) -> None:
    approval = asked(world, "audrey", "omar")
    people.grant(
        actor=world.actor("alice"), user=world.user("omar"), role=Role.AUDITOR, client=None
    )
    with pytest.raises(errors.ApprovalVoid):
        decide(world, approval)


@django_db
def test_the_decision_page_names_the_accounts(world: World) -> None:
    from ops import approvable

    facts = dict(approvable.get("people.merge").describe(asked(world).params))
    assert facts["Its accounts"] == "oscar"
    assert facts["Whose accounts are"] == "olivia, olivia2"


# --- what it means for approvals ----------------------------------------------------------------


@django_db
def test_nobody_approves_what_his_other_person_asked_for(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    Acts.registered(monkeypatch)
    approval = ask(world, "oscar")
    assert approval in approvals.pending_for(world.user("olivia"))
    merge(world, "oscar", "olivia")
    assert not approvals.pending_for(world.user("olivia")).exists()
    with pytest.raises(errors.OwnRequest):
        decide(world, approval, "olivia")


@django_db
def test_a_merge_after_the_approval_voids_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    acts = Acts.registered(monkeypatch)
    approval = approved(world, acts)
    merge(world, "alice", "olivia")
    with pytest.raises(errors.ApprovalVoid):
        use(world, approval, password="x")
    assert not acts.done


@django_db
def test_administrators_do_not_merge_officers_among_themselves(world: World) -> None:
    """That the two may not decide on it makes no administrator their judge."""
    alice = world.actor("alice")
    adam = people.create_person_account(
        actor=alice, username="adam", display_name="Adam", password=PASSWORD
    )
    people.grant(actor=alice, user=adam, role=Role.ADMIN, client=None)
    approval = asked(world, "oscar", "olivia")
    with pytest.raises(errors.NotADecider):
        decide(world, approval, "adam")
    assert deciders.people_for(approval) == []
    assert approval not in approvals.pending_for(adam)
    close(world, "olivia", "olivia2", "oscar")
    with pytest.raises(errors.NotADecider):
        decide(world, approval, "adam")
    assert policy.root_person(world.person("oscar").pk) == world.person("oscar").pk
