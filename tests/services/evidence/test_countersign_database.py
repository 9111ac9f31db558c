"""What the database refuses by itself, whoever asks and past every service."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from audit.events import EventType
from audit.models import SigningKey
from audit.services import keys
from evidence.formats import countersign as formats
from evidence.models import CountersignEntry, Package
from evidence.services import countersigning, errors
from tests.factories import PASSWORD, World
from tests.services.evidence import helpers
from tests.services.evidence.helpers import countersign, export

pytestmark = pytest.mark.django_db


@pytest.fixture
def package(world: World) -> Package:
    """Made by olivia."""
    return export(world)


def row(world: World, package: Package, **changes: Any) -> CountersignEntry:
    """A row as the service would store it, but for the changes; its entry says what it says."""
    signer = changes.pop("signed_by", "oscar")
    values: dict[str, Any] = {
        "package": package,
        "maker_id": package.maker_id,
        "number": 1,
        "person": world.person(signer),
        "account": world.user(signer),
        "key": world.key(signer),
        "signer": signer,
        "signed_at": package.generated_at,
        "digest": package.package_sha256,
        "meaning": "reviewed and approved",
        "note": "",
        "nonce": "0" * 32,
        "previous": package.package_sha256,
        "scheme": formats.SCHEME,
        **changes,
    }
    said = ("signer", "digest", "meaning", "note", "nonce", "previous", "scheme")
    entry = {name: values[name] for name in said} | {"person": str(values["person"].pk)}
    return CountersignEntry(**{"entry": json.dumps(entry), **values})


def insert(*rows: CountersignEntry) -> None:
    with transaction.atomic():
        CountersignEntry.objects.bulk_create(rows)


def test_an_honest_row_is_accepted(world: World, package: Package) -> None:
    insert(row(world, package))


def test_bulk_create_by_the_maker(world: World, package: Package) -> None:
    with pytest.raises(IntegrityError, match="evidence_countersign_not_maker"):
        insert(row(world, package, signed_by="olivia"))


def test_bulk_create_by_the_maker_s_second_account(world: World, package: Package) -> None:
    with pytest.raises(IntegrityError, match="evidence_countersign_not_maker"):
        insert(row(world, package, signed_by="olivia", account=world.user("olivia2")))


def test_bulk_create_with_another_maker_written_in(world: World, package: Package) -> None:
    other = world.person("alice")
    with pytest.raises(IntegrityError, match="evidence_countersign_package_maker"):
        insert(row(world, package, signed_by="olivia", maker_id=other.pk))


def test_bulk_create_for_a_person_by_another_s_account(world: World, package: Package) -> None:
    with pytest.raises(IntegrityError, match="evidence_countersign_account_person"):
        insert(row(world, package, account=world.user("olivia2")))


def test_bulk_create_with_another_person_s_key(world: World, package: Package) -> None:
    with pytest.raises(IntegrityError, match="evidence_countersign_key_person"):
        insert(row(world, package, key=world.key("olivia")))


def test_bulk_create_with_the_service_s_key(world: World, package: Package) -> None:
    service = SigningKey.objects.get(purposes__contains=["package"])
    with pytest.raises(IntegrityError, match="evidence_countersign_key_person"):
        insert(row(world, package, key=service))


def test_bulk_create_twice(world: World, package: Package) -> None:
    with pytest.raises(IntegrityError, match=r"evidence_countersign_one_per_(person|key)"):
        insert(row(world, package), row(world, package, number=2))


def test_bulk_create_twice_with_another_key(world: World, package: Package) -> None:
    first = row(world, package)
    keys.retire_key(actor=world.actor("oscar"), key=world.key("oscar"))
    with pytest.raises(IntegrityError, match="evidence_countersign_one_per_person"):
        insert(first, row(world, package, number=2))


def test_bulk_create_of_a_number_twice(world: World) -> None:
    package = export(world, client="clinic-002")
    with pytest.raises(IntegrityError, match="evidence_countersign_number"):
        insert(row(world, package), row(world, package, signed_by="ben"))


def test_columns_say_what_the_entry_says(world: World, package: Package) -> None:
    wrong = row(world, package)
    wrong.note = "something else"
    with pytest.raises(IntegrityError, match="evidence_countersign_says_so"):
        insert(wrong)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE evidence_countersignentry SET note = 'x'",
        "DELETE FROM evidence_countersignentry",
        "TRUNCATE evidence_countersignentry",
        "DELETE FROM evidence_signature",
        "UPDATE evidence_signature SET signer = 'x'",
        "TRUNCATE evidence_package CASCADE",
    ],
)
def test_facts_stay(world: World, package: Package, statement: str) -> None:
    countersign(world, package)
    with (
        pytest.raises(DatabaseError, match="permission denied"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)


def test_a_race_is_decided_by_the_constraint(
    world: World, package: Package, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Were the service's own look too early, the constraint would still refuse, by name."""
    countersign(world, package)
    monkeypatch.setattr(countersigning, "_refuse_second", lambda *args: None)
    with pytest.raises(errors.AlreadyCountersigned):
        countersign(world, package)


def test_password_is_not_kept(world: World, package: Package) -> None:
    entry = countersign(world, package)
    assert PASSWORD not in entry.entry
    for event in helpers.events_of(EventType.EVIDENCE_PACKAGE_COUNTERSIGNED):
        assert PASSWORD not in json.dumps(event)
