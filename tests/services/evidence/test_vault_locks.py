"""Locks get longer and holds come and go, in the records, in the vault and in the store."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import DatabaseError, transaction

from audit.events import Actor, EventType
from audit.models import LegalHold
from audit.services import holds
from evidence import acts
from evidence.formats.vault import WormLock, ruling
from evidence.models import Package, VaultLock
from evidence.services.vault import holding, locks, opening
from evidence.services.vault.errors import NotInVault, RetentionNotExtended, VaultUnavailable
from ops import approvable
from ops.services import approvals
from sealing.errors import Forbidden, Invalid, NotFound
from sealing.times import format_time
from tests.factories import World
from tests.servers.buckets import Bucket
from tests.services.evidence import helpers, vaults
from tests.services.evidence.helpers import export

pytestmark = pytest.mark.django_db
SYSTEM = Actor.system("tests")


@pytest.fixture(params=["local", "s3"])
def mode(request: pytest.FixtureRequest) -> str:
    """Each kind of vault."""
    request.getfixturevalue(f"{request.param}_vault")
    return str(request.param)


@pytest.fixture
def package(world: World, mode: str) -> Package:
    """A package in the vault."""
    made: Package = export(world, vault_mode=mode)
    return made


def later(package: Package, days: int = 30) -> datetime:
    return locks.current(package).retain_until + timedelta(days=days)


def documents(package: Package) -> dict[int, WormLock]:
    """Every lock document that lies in the vault, by its number."""
    return {
        state.number: WormLock.parse(
            vaults.read(package, state.name.removeprefix(package.bundle_id))
        )
        for state in package.vault_locks.all()
    }


def in_store(package: Package) -> set[tuple[datetime | None, bool]]:
    """End of the lock and hold of every object, as the server says."""
    vault = vaults.vault(package)
    found = set()
    for row in package.vault_objects.all():
        kept, _ = vault.look(package.vault_copy.folder, row.name, row.version_id)
        found.add((kept.retention and kept.retention.until, kept.is_held))
    return found


def test_a_lock_gets_longer(world: World, package: Package, mode: str) -> None:
    before, until = locks.current(package), later(package)
    lock = locks.extend(actor=world.actor("olivia"), package=package, until=until)
    assert (lock.number, lock.retain_until, lock.actor_id) == (2, until, "user:olivia")
    found = documents(package)
    assert found[2] == ruling(found)
    assert (found[1].retain_until, found[2].retain_until) == (
        format_time(before.retain_until),
        format_time(until),
    )
    assert found[2].signature_path == found[1].signature_path
    (event,) = helpers.events_of(EventType.EVIDENCE_PACKAGE_LOCK_CHANGED, package.bundle_id)
    assert event["data"]["retain_until_before"] == format_time(before.retain_until)
    assert event["data"]["retain_until"] == format_time(until)
    assert event["client_id"] == "clinic-001"
    if mode == "s3":
        assert in_store(package) == {(until, False)}


@pytest.mark.parametrize(
    "wanted",
    [
        lambda now: now,
        lambda now: now - timedelta(seconds=1),
        lambda now: now + timedelta(microseconds=1),
        lambda now: (now + timedelta(days=1)).replace(tzinfo=None),
        lambda now: datetime.now(UTC).replace(microsecond=0) + timedelta(days=36_526),
    ],
    ids=["same", "shorter", "fraction", "no-zone", "too-late"],
)
def test_a_lock_never_gets_anything_but_longer(
    world: World, local_vault: Path, wanted: Any
) -> None:
    package = export(world, vault_mode="local")
    before = locks.current(package)
    with pytest.raises(RetentionNotExtended) as refused:
        locks.extend(
            actor=world.actor("olivia"), package=package, until=wanted(before.retain_until)
        )
    assert refused.value.field == "until"
    assert locks.current(package) == before


@pytest.mark.parametrize(("by", "error"), [("audrey", Forbidden), ("ben", NotFound)])
def test_not_everybody_may_extend(
    world: World, local_vault: Path, by: str, error: type[Exception]
) -> None:
    package = export(world, vault_mode="local")
    with pytest.raises(error):
        locks.extend(actor=world.actor(by), package=package, until=later(package))
    assert locks.current(package).number == 1


def test_a_package_in_no_vault_has_no_lock(world: World) -> None:
    package = export(world, vault_mode="none")
    until = datetime.now(UTC).replace(microsecond=0) + timedelta(days=9000)
    with pytest.raises(NotInVault):
        locks.extend(actor=world.actor("olivia"), package=package, until=until)


@pytest.mark.parametrize(
    ("number", "days"), [(2, -1), (1, 1), (3, 1), (0, 1)], ids=["shorter", "again", "gap", "zero"]
)
def test_the_database_keeps_locks_in_order(
    world: World, local_vault: Path, number: int, days: int
) -> None:
    package = export(world, vault_mode="local")
    first = locks.current(package)
    state = VaultLock(
        package=package,
        number=number,
        retention_policy=first.retention_policy,
        retain_until=first.retain_until + timedelta(days=days),
        name="x",
        sha256="x",
        locked_at=first.locked_at,
        actor_id="user:alice",
    )
    with pytest.raises(DatabaseError), transaction.atomic():
        state.save(force_insert=True)
    with pytest.raises(DatabaseError), transaction.atomic():
        VaultLock.objects.filter(pk=first.pk).update(retain_until=first.locked_at)
    assert locks.current(package) == first


def test_holds_come_and_go(world: World, package: Package, mode: str) -> None:
    actor = world.actor("olivia")
    hold = holds.place(actor=actor, case_id="case 7", reason="Asked for")
    holds.place(actor=actor, case_id="case 3", reason="Asked for")
    applied = locks.apply_holds(actor=actor)
    assert (applied.changed, applied.finished, applied.failures) == ((package.bundle_id,), (), ())
    assert documents(package)[2].legal_holds == ("case 3", "case 7")
    until = package.retain_until
    if mode == "s3":
        assert in_store(package) == {(until, True)}
    assert locks.apply_holds(actor=actor).changed == ()
    holds.release(actor=actor, hold=hold, reason="Over")
    assert locks.apply_holds(actor=actor).changed == (package.bundle_id,)
    assert documents(package)[3].legal_holds == ("case 3",)
    if mode == "s3":
        assert in_store(package) == {(until, True)}
    holds.release(actor=actor, hold=LegalHold.objects.get(case_id="case 3"), reason="Over")
    assert locks.apply_holds(actor=actor).changed == (package.bundle_id,)
    assert documents(package)[4].legal_holds == ()
    if mode == "s3":
        assert in_store(package) == {(until, False)}
    told = helpers.events_of(EventType.EVIDENCE_PACKAGE_LOCK_CHANGED, package.bundle_id)
    assert [event["data"]["legal_holds"] for event in told] == [
        ["case 3", "case 7"],
        ["case 3"],
        [],
    ]


def test_an_extension_keeps_the_holds(world: World, package: Package, mode: str) -> None:
    actor = world.actor("olivia")
    holds.place(actor=actor, case_id="case 7", reason="Asked for")
    locks.apply_holds(actor=actor)
    until = later(package)
    locks.extend(actor=actor, package=package, until=until)
    assert documents(package)[3].legal_holds == ("case 7",)
    if mode == "s3":
        assert in_store(package) == {(until, True)}


@pytest.mark.parametrize(
    ("first", "last", "is_held"),
    [
        (None, None, True),
        (date(2026, 1, 31), None, True),
        (date(2026, 2, 1), None, False),
        (None, date(2026, 1, 1), True),
        (None, date(2025, 12, 31), False),
        (date(2026, 1, 10), date(2026, 1, 10), True),
        (date(2025, 12, 1), date(2026, 3, 1), True),
    ],
    ids=["open", "last-day", "after", "first-day", "before", "within", "around"],
)
def test_a_hold_covers_packages_by_their_period(
    first: date | None, last: date | None, is_held: bool
) -> None:
    package = Package(period_start=helpers.START, period_end=helpers.END)
    hold = LegalHold(case_id="case 7", start_day=first, end_day=last)
    assert bool(holding.cases_of(package, [hold])) is is_held


def test_a_vault_that_fails_is_made_up_for(
    world: World, package: Package, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault = opening.vault_of(mode)
    until = later(package)

    def fail(*args: Any, **kwargs: Any) -> None:
        raise VaultUnavailable("The vault does not answer.")

    with monkeypatch.context() as patch:
        patch.setattr(type(vault), "protect", fail)
        with pytest.raises(VaultUnavailable):
            locks.extend(actor=world.actor("olivia"), package=package, until=until)
        applied = locks.apply_holds(actor=SYSTEM)
        assert applied.failures == ((package.bundle_id, "The vault does not answer."),)
    assert locks.current(package).number == 2
    assert locks.apply_holds(actor=SYSTEM).finished == (package.bundle_id,)
    assert documents(package)[2].retain_until == format_time(until)
    if mode == "s3":
        assert in_store(package) == {(until, False)}


def test_a_file_that_comes_later_is_locked_as_long(world: World, s3_vault: Bucket) -> None:
    package = export(world, vault_mode="s3")
    until = later(package)
    locks.extend(actor=world.actor("olivia"), package=package, until=until)
    holds.place(actor=world.actor("olivia"), case_id="case 7", reason="Asked for")
    locks.apply_holds(actor=SYSTEM)
    helpers.countersign(world, package)
    row = package.vault_objects.get(name__endswith=".countersign-0001.json")
    assert row.retain_until == until
    assert in_store(package) == {(until, True)}


# --- the act that is approved -----------------------------------------------------------------


def test_the_act_describes_and_extends(world: World, local_vault: Path) -> None:
    package = export(world, vault_mode="local")
    act = approvable.get(acts.EXTEND)
    until = later(package)
    params = act.validate({"bundle_id": package.bundle_id, "until": until.isoformat()})
    assert params == {"bundle_id": package.bundle_id, "until": format_time(until)}
    assert act.client_of(params) == "clinic-001"
    subject = act.subject(params)
    assert dict(act.describe(params))["Digest"] == package.package_sha256
    told = act.execute(world.actor("olivia"), params, {})
    assert told == {"lock": 2, "retain_until": format_time(until)}
    assert act.subject(params) != subject
    with pytest.raises(RetentionNotExtended):
        act.execute(world.actor("olivia"), params, {})


def test_the_act_stands_though_the_vault_fails(
    world: World, local_vault: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = export(world, vault_mode="local")

    def fail(*args: Any, **kwargs: Any) -> None:
        raise VaultUnavailable("The vault does not answer.")

    monkeypatch.setattr(locks, "carry_out", fail)
    params = {"bundle_id": package.bundle_id, "until": format_time(later(package))}
    told = approvable.get(acts.EXTEND).execute(world.actor("olivia"), params, {})
    assert told == {
        "lock": 2,
        "retain_until": params["until"],
        "not_yet": "The vault does not answer.",
    }


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"until": "tomorrow"}, "until"),
        ({"until": 5}, "until"),
        ({"until": "2026-01-01T00:00:00Z"}, "until"),
        ({"bundle_id": "../x"}, "bundle_id"),
        ({"bundle_id": "evidence_20260101T000000Z_00000000"}, "bundle_id"),
        ({"more": 1}, "more"),
    ],
    ids=["no-time", "no-text", "past", "no-id", "no-package", "more"],
)
def test_the_act_refuses(
    world: World, local_vault: Path, changed: dict[str, Any], field: str
) -> None:
    package = export(world, vault_mode="local")
    params = {"bundle_id": package.bundle_id, "until": format_time(later(package))}
    with pytest.raises((Invalid, NotFound)) as refused:
        approvals.request(
            actor=world.actor("alice"),
            action=acts.EXTEND,
            params=params | changed,
            reason="The case goes on.",
        )
    assert refused.value.field == field
