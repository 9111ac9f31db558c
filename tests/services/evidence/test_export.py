"""Exports: the package on the disk, its record and its event."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.utils import timezone

from audit.events import Actor, EventType
from audit.models import SigningKey
from audit.services import keys, trail
from evidence.models import Package, PackageStatus, Signature
from evidence.services import checking
from evidence.services.errors import ExportFailed
from sealing import digests
from sealing.errors import Forbidden, Invalid, NotFound
from sealing.results import Verdict
from sealing.times import format_time
from tests.factories import World
from tests.services.evidence import helpers
from tests.services.evidence.helpers import END, START, export

pytestmark = pytest.mark.django_db


def test_package_record_and_event_agree(world: World) -> None:
    helpers.some_events()
    package = export(world, note="For the auditor")
    raw = helpers.file(package).read_bytes()
    assert package.status == PackageStatus.COMPLETE
    assert package.package_sha256 == digests.sha256_tag(raw)
    assert package.size_bytes == len(raw)
    assert package.event_count == 3
    assert package.maker_id == world.person("olivia").pk
    (event,) = helpers.events_of(EventType.EVIDENCE_PACKAGE_EXPORTED, package.bundle_id)
    assert event["data"]["package_sha256"] == package.package_sha256
    assert event["client_id"] == "clinic-001"
    assert event["actor"]["person"] == str(package.maker_id)
    assert package.signature.digest == package.package_sha256
    assert sorted(f.name for f in helpers.file(package).parent.iterdir()) == sorted(
        f"{package.bundle_id}{suffix}" for suffix in (".zip", ".zip.sig", ".signature.json")
    )


def test_nothing_is_wrong_but_that_a_countersignature_is_missing(world: World) -> None:
    report = checking.check_files(export(world))
    assert report.awaits_countersignature
    assert report.verdict is Verdict.INVALID
    no_need = checking.check_files(export(world, required_countersignatures=0))
    assert no_need.verdict is Verdict.VALID


def test_only_the_client_s_events_of_the_period(world: World) -> None:
    tick = timedelta(microseconds=1)
    helpers.record(START - tick, START, END - tick, END)
    helpers.some_events("clinic-002")
    helpers.some_events(None)
    found = helpers.lines(export(world))
    assert [line["event"]["occurred_at"] for line in found] == [
        format_time(START),
        format_time(END - tick),
    ]
    assert {line["event"]["client_id"] for line in found} == {"clinic-001"}


def test_the_platform_s_own_events(world: World) -> None:
    helpers.some_events()
    helpers.some_events(None, count=2)
    package = export(world, client=None)
    assert package.package_path.startswith("platform/")
    assert [line["event"]["client_id"] for line in helpers.lines(package)] == [None, None]


def test_only_the_types_asked_for(world: World) -> None:
    helpers.some_events()
    with transaction.atomic():
        trail.record(
            EventType.ACCESS_LOGOUT,
            actor=Actor.system("tests"),
            client="clinic-001",
            occurred_at=START,
        )
    package = export(world, event_types=["access.logout", "access.logout"])
    assert [line["event"]["type"] for line in helpers.lines(package)] == ["access.logout"]
    assert helpers.member(package, "manifest.json")["request"]["event_types"] == ["access.logout"]
    assert checking.check_files(package).awaits_countersignature


def test_a_period_without_events(world: World) -> None:
    package = export(world)
    assert package.event_count == 0
    assert helpers.member(package, "audit_chain_verify.json")["verdict"] == "INCONCLUSIVE"
    assert checking.check_files(package).awaits_countersignature


def test_completeness_tells_what_is_known(world: World) -> None:
    helpers.some_events()  # occurred long before they are sealed
    now = helpers.datetime.now(helpers.UTC)
    helpers.record(now)
    package = export(world, period_end=now + timedelta(days=1))
    told = helpers.member(package, "completeness.json")
    found = helpers.lines(package)
    assert told["events_included"] == len(found)
    old = {line["seq"] for line in found if line["event"]["occurred_at"] < format_time(END)}
    late = [n for first, last in told["late_arrivals"]["ranges"] for n in range(first, last + 1)]
    assert set(late) == old
    assert told["late_arrivals"]["count"] == len(late) == 3 < len(found)
    assert told["log_size_at_export"] == package.tree_size > found[-1]["seq"]
    assert (told["pending_at_export"], told["set_aside"]) == (0, 0)
    assert told["period_over_at_export"] is False
    assert helpers.member(export(world), "completeness.json")["period_over_at_export"] is True


def test_set_aside_rows_are_told(world: World) -> None:
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO audit_pendingevent (event) VALUES ('{}')")
    package = export(world)
    assert helpers.member(package, "completeness.json")["set_aside"] == 1


def test_checkpoint_covers_what_was_acknowledged_before(world: World) -> None:
    export(world)
    helpers.some_events()
    assert export(world).event_count == 3


def test_unsigned(world: World) -> None:
    package = export(world, sign_bundle=False)
    assert package.required_countersignatures == 0
    assert not Signature.objects.filter(package=package).exists()
    assert not helpers.file(package, ".zip.sig").exists()
    assert checking.check_files(package).verdict is Verdict.INCONCLUSIVE


def test_mac_where_a_secret_is_configured(world: World, settings: Any) -> None:
    settings.COMPLIANCE_EVIDENCE_SIGNING_SECRET = b"of older times"
    package = export(world, required_countersignatures=0)
    report = checking.check_files(package)
    assert (report.mac_checked, report.mac_valid, report.verdict) == (True, True, Verdict.VALID)
    settings.COMPLIANCE_EVIDENCE_SIGNING_SECRET = b"rotated"
    report = checking.check_files(package)
    assert (report.mac_checked, report.mac_valid, report.verdict) == (True, False, Verdict.VALID)


def test_signer_may_be_named_if_it_is_the_one(world: World) -> None:
    key = SigningKey.objects.get(key_id=keys.signer_for("package").key_id)
    package = export(world, signer=key.name, signing_key_id=key.key_id)
    assert package.signature.signer == key.name


@pytest.mark.parametrize(
    ("field", "options"),
    [
        ("period_end", {"period_end": START}),
        ("period_end", {"period_end": START - timedelta(days=1)}),
        ("package_prefix", {"package_prefix": "../evidence"}),
        ("package_prefix", {"package_prefix": ""}),
        ("retention_policy", {"retention_policy": "for ever"}),
        ("vault_mode", {"vault_mode": "local"}),
        ("required_countersignatures", {"required_countersignatures": -1}),
        ("required_countersignatures", {"required_countersignatures": 9}),
        ("required_countersignatures", {"sign_bundle": False, "required_countersignatures": 1}),
        ("event_types", {"event_types": []}),
        ("event_types", {"event_types": ["a\0b"]}),
        ("note", {"note": "x" * 1001}),
        ("note", {"note": "bell \x07"}),
        ("note", {"note": "half \ud800"}),
        ("kms_key_id", {"kms_key_id": "\x1b[2J"}),
        ("signer", {"signer": "somebody else"}),
        ("signing_key_id", {"signing_key_id": "sha256:" + "0" * 64}),
        ("external_worm", {"external_worm": True, "external_require_success": True}),
        ("external_kms", {"external_kms": True, "external_require_success": True}),
    ],
)
def test_a_field_that_can_not_be_accepted_is_named(
    world: World, field: str, options: dict[str, Any]
) -> None:
    before = Package.objects.count()
    with pytest.raises(Invalid) as caught:
        export(world, **options)
    assert caught.value.field == field
    assert Package.objects.count() == before


@pytest.mark.parametrize(
    ("who", "client", "error"),
    [
        ("alice", "clinic-001", None),
        ("olivia", "clinic-001", None),
        ("ben", "clinic-002", None),
        ("ben", "clinic-001", NotFound),
        ("ben", None, Forbidden),
        ("audrey", "clinic-001", Forbidden),
        ("audrey", "clinic-002", NotFound),
        ("omar", "clinic-001", Forbidden),
        ("root", "clinic-001", NotFound),
        ("nobody", "clinic-001", NotFound),
        ("svc-clinic-001", "clinic-001", Forbidden),
    ],
)
def test_who_may_export(
    world: World, who: str, client: str | None, error: type[Exception] | None
) -> None:
    if error is None:
        assert export(world, by=who, client=client).is_complete
        return
    with pytest.raises(error):
        export(world, by=who, client=client)
    assert not Package.objects.exists()


def test_nothing_is_exported_unrecorded(world: World, settings: Any) -> None:
    settings.AUDIT_ENABLED = False
    with pytest.raises(trail.AuditDisabled):
        export(world)
    assert not Package.objects.exists()
    assert not list(settings.EVIDENCE_PACKAGE_DIR.rglob("*"))


# --- what the database refuses --------------------------------------------------------------------


def refused(change: dict[str, Any], package: Package) -> None:
    with pytest.raises(IntegrityError, match="refused"), transaction.atomic():
        Package.objects.filter(pk=package.pk).update(**change)


@pytest.mark.parametrize(
    "change",
    [
        {"bundle_id": "other_20260101T000000Z_00000000"},
        {"maker_id": None},
        {"period_end": END + timedelta(days=1)},
        {"required_countersignatures": 0},
        {"required_signatures": 0},
        {"tree_size": 1},
        {"generated_at": START},
        {"status": "writing"},
        {"status": "failed", "error_code": "x", "package_sha256": ""},
        {"package_sha256": "sha256:" + "0" * 64},
        {"size_bytes": 1},
        {"files": []},
        {"completed_at": START},
    ],
)
def test_a_finished_package_stays_as_it_is(world: World, change: dict[str, Any]) -> None:
    package = export(world)
    if "maker_id" in change:
        change = {"maker_id": world.person("oscar").pk}
    refused(change, package)


def test_packages_are_not_deleted(world: World) -> None:
    package = export(world, sign_bundle=False)
    with pytest.raises(IntegrityError, match="refused"), transaction.atomic():
        Package.objects.filter(pk=package.pk).delete()


def test_signatures_are_facts(world: World) -> None:
    package = export(world)
    with pytest.raises(DatabaseError, match="permission denied"), transaction.atomic():
        Signature.objects.filter(pk=package.pk).update(signer="x")


def test_the_maker_is_the_person_of_the_account(world: World) -> None:
    template = export(world)
    wrong = Package(
        **{
            field.attname: getattr(template, field.attname)
            for field in Package._meta.concrete_fields
            if field.attname not in ("id", "bundle_id", "created_at", "maker_id", "run_id")
        },
        bundle_id="other_20260101T000000Z_00000000",
        maker_id=world.person("oscar").pk,
    )
    with (
        pytest.raises(IntegrityError, match="evidence_package_maker_account"),
        transaction.atomic(),
    ):
        wrong.save(force_insert=True)


def test_retired_service_key_signs_nothing_new(world: World) -> None:
    SigningKey.objects.filter(purposes__contains=["package"]).update(
        status="retired", not_after=timezone.now()
    )
    with pytest.raises(ExportFailed, match="SIGNING_PRIVATE_KEY is not registered"):
        export(world)
    assert not Package.objects.exists()
