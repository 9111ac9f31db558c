"""Countersigning: another person, with a key of his own, and the first revision stays."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.utils import timezone

from access.models import Person, User
from audit import failpoints
from audit.events import Actor, EventType
from audit.services import keys
from evidence.services.vault import auditing
from reports.formats.pdf_errors import KeyUnsuitable
from reports.models import Packet, PacketCountersignature
from reports.services import (
    countersigned_files,
    countersigning,
    files,
    verification,
    writing,
)
from reports.services.errors import (
    AlreadyCountersigned,
    CountersignerIsMaker,
    KeyIsNotYours,
    PacketNotFound,
    PacketNotValid,
    ReauthenticationFailed,
    SignerIsNotYou,
)
from sealing import digests
from sealing.errors import Forbidden, StrongroomError
from sealing.results import Verdict
from tests.factories import PASSWORD, World
from tests.services.evidence import helpers
from tests.services.reports import packing

pytestmark = pytest.mark.usefixtures("rendered_here")


@pytest.fixture
def packet(committed_world: World, local_vault: Path) -> Packet:
    """A packet that olivia asked for."""
    return packing.make(committed_world)


def test_the_second_signature_leaves_the_first_as_it_is(
    committed_world: World, packet: Packet
) -> None:
    before = packing.working_files(packet)
    assert verification.check(packet).verdict is Verdict.INVALID
    row = packing.countersign(committed_world, packet, meaning="read and compared", note="ok")
    after = packing.working_files(packet)
    assert {name: after[name] for name in before} == before
    signed = after[".countersigned.pdf"]
    assert signed.startswith(before[".pdf"])
    assert len(signed) > len(before[".pdf"])
    assert (row.pdf_sha256, row.pdf_size_bytes) == (digests.sha256_tag(signed), len(signed))
    assert row.sig_sha256 == digests.sha256_tag(after[".countersigned.pdf.sig"])
    assert (row.json_sha256, row.first_pdf_sha256) == (packet.json_sha256, packet.pdf_sha256)
    assert (row.person, row.maker) == (
        committed_world.person("oscar"),
        committed_world.person("olivia"),
    )
    report = verification.check(packet)
    assert report.verdict is Verdict.VALID, report.as_dict()
    assert report.countersigner is not None
    packing.check_complete(packet, suffixes=packing.SIX)
    assert packing.left_over() == []
    [event] = helpers.events_of(EventType.REPORTS_PACKET_COUNTERSIGNED, packet.name)
    assert event["data"]["pdf_sha256"] == row.pdf_sha256
    assert files.names_of(packet) == [f"{packet.name}{suffix}" for suffix in packing.SIX]


def test_what_the_schedule_made_any_officer_may_countersign(
    committed_world: World, local_vault: Path
) -> None:
    packet = packing.scheduled()
    row = packing.countersign(committed_world, packet, by="olivia")
    assert row.maker is None
    assert verification.check(packet).verdict is Verdict.VALID


REFUSALS: dict[str, tuple[dict[str, Any], type[StrongroomError]]] = {
    "the-maker": ({"by": "olivia"}, CountersignerIsMaker),
    "another-account-of-hers": ({"by": "olivia2"}, CountersignerIsMaker),
    "a-wrong-password": ({"password": "wrong"}, ReauthenticationFailed),
    "a-key-that-is-not-there": ({"signing_key_id": "sha256:" + "0" * 64}, KeyIsNotYours),
    "in-another-name": ({"signer": "olivia"}, SignerIsNotYou),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_what_is_refused_is_recorded(committed_world: World, packet: Packet, case: str) -> None:
    options, refusal = REFUSALS[case]
    with pytest.raises(refusal):
        packing.countersign(committed_world, packet, **options)
    assert not PacketCountersignature.objects.exists()
    assert sorted(packing.working_files(packet)) == sorted(packing.FOUR)
    [event] = helpers.events_of(EventType.REPORTS_PACKET_COUNTERSIGN_REFUSED, packet.name)
    assert (event["outcome"], event["data"]["code"]) == ("denied", refusal.code)


def test_somebody_elses_key_is_refused(committed_world: World, packet: Packet) -> None:
    other = packing.key_of(committed_world, "olivia")
    with pytest.raises(KeyIsNotYours):
        packing.countersign(committed_world, packet, signing_key_id=other.key_id)


def test_a_retired_key_is_refused(committed_world: World, packet: Packet) -> None:
    key = packing.key_of(committed_world, "oscar")
    keys.retire_key(actor=committed_world.actor("oscar"), key=key)
    with pytest.raises(KeyIsNotYours):
        packing.countersign(committed_world, packet, signing_key_id=key.key_id)


def test_a_key_that_readers_do_not_understand_is_refused_with_advice(
    committed_world: World, packet: Packet
) -> None:
    oscar = committed_world.person("oscar")
    keys.create_person_key(
        actor=committed_world.actor("oscar"), person=oscar, password=PASSWORD, algorithm="ed25519"
    )
    with pytest.raises(KeyUnsuitable) as refused:
        packing.countersign(committed_world, packet)
    assert "Rotate" in refused.value.message
    assert packing.told(EventType.REPORTS_PACKET_COUNTERSIGN_REFUSED, packet) == 1


@pytest.mark.parametrize(
    ("username", "refusal"),
    [
        ("alice", Forbidden), ("audrey", Forbidden), ("omar", PacketNotFound),
        ("ben", PacketNotFound), ("nobody", PacketNotFound), ("root", PacketNotFound),
        ("svc-clinic-001", PacketNotFound), ("svc-clinic-002", PacketNotFound),
    ],
)  # fmt: skip
def test_who_is_no_officer_of_the_client_may_not(
    committed_world: World, packet: Packet, username: str, refusal: type[StrongroomError]
) -> None:
    with pytest.raises(refusal):
        packing.countersign(committed_world, packet, by=username, signing_key_id="sha256:x")


def test_once_is_enough(committed_world: World, packet: Packet) -> None:
    packing.countersign(committed_world, packet)
    before = packing.working_files(packet)
    with pytest.raises(AlreadyCountersigned):
        packing.countersign(committed_world, packet)
    assert packing.working_files(packet) == before


def test_a_changed_packet_is_not_countersigned(committed_world: World, packet: Packet) -> None:
    path = writing.file_of(packet, f"{packet.name}.pdf")
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(PacketNotValid):
        packing.countersign(committed_world, packet)
    assert not PacketCountersignature.objects.exists()


def test_a_revision_is_countersigned_by_itself(committed_world: World, packet: Packet) -> None:
    packing.countersign(committed_world, packet)
    second = packing.make(committed_world, revise=True, reason="One thing more")
    assert not PacketCountersignature.objects.filter(packet=second).exists()
    packing.countersign(committed_world, second)
    assert PacketCountersignature.objects.count() == 2


def closed(world: World, packet: Packet) -> None:
    User.objects.filter(username="oscar").update(is_active=False)


def without_grants(world: World, packet: Packet) -> None:
    world.user("oscar").grants.update(revoked_at=timezone.now())


def key_retired(world: World, packet: Packet) -> None:
    keys.retire_key(actor=world.actor("oscar"), key=packing.key_of(world, "oscar"))


def found_to_be_the_maker(world: World, packet: Packet) -> None:
    Person.objects.filter(pk=world.person("oscar").pk).update(merged_into=packet.maker)


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        (closed, Forbidden),
        (without_grants, Forbidden),
        (key_retired, KeyIsNotYours),
        (found_to_be_the_maker, CountersignerIsMaker),
    ],
)
def test_what_changed_while_it_was_signed_counts(
    committed_world: World,
    packet: Packet,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[World, Packet], None],
    refusal: type[StrongroomError],
) -> None:
    """Signing takes a while: an authority is asked for the time."""
    key = packing.key_of(committed_world, "oscar")

    def listener(name: str) -> None:
        if name == "countersign-1":
            change(committed_world, packet)

    monkeypatch.setattr(failpoints, "listener", listener)
    with pytest.raises(refusal):
        packing.countersign(committed_world, packet, signing_key_id=key.key_id)
    assert not PacketCountersignature.objects.exists()
    [event] = helpers.events_of(EventType.REPORTS_PACKET_COUNTERSIGN_REFUSED, packet.name)
    assert (event["outcome"], event["data"]["code"]) == ("denied", refusal.code)


def test_what_the_table_refuses_is_told_as_what_it_is(
    committed_world: World, packet: Packet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Found to be the maker at the last moment, which the trigger sees."""
    monkeypatch.setattr(
        countersigning,
        "_ensure_still_allowed",
        lambda *_: found_to_be_the_maker(committed_world, packet),
    )
    with pytest.raises(CountersignerIsMaker):
        packing.countersign(committed_world, packet)
    [event] = helpers.events_of(EventType.REPORTS_PACKET_COUNTERSIGN_REFUSED, packet.name)
    assert event["data"]["code"] == CountersignerIsMaker.code


def lost(packet: Packet) -> dict[str, bytes]:
    """Both countersigned working copies, taken away."""
    before = packing.working_files(packet)
    for suffix in (".countersigned.pdf", ".countersigned.pdf.sig"):
        writing.file_of(packet, f"{packet.name}{suffix}").unlink()
    return before


def test_a_lost_working_copy_comes_back_from_the_vault(
    committed_world: World, packet: Packet
) -> None:
    packing.countersign(committed_world, packet)
    before = lost(packet)
    assert verification.check(packet).verdict is Verdict.VALID, "by the vault's copy"
    assert list(countersigned_files.unfinished()) == [packet]
    with pytest.raises(AlreadyCountersigned):
        packing.countersign(committed_world, packet)
    assert packing.working_files(packet) == before
    lost(packet)
    audit = auditing.audit_vault(actor=Actor.system("tests"))
    assert any(packet.name in item for item in audit.repaired)
    packing.check_complete(packet, suffixes=packing.SIX)
    assert list(countersigned_files.unfinished()) == []


def test_what_is_lost_everywhere_is_countersigned_nevertheless(
    committed_world: World, packet: Packet, settings: Any
) -> None:
    packing.countersign(committed_world, packet)
    lost(packet)
    settings.COMPLIANCE_EVIDENCE_VAULT_DIR = ""
    with pytest.raises(AlreadyCountersigned):
        packing.countersign(committed_world, packet)
    assert packing.told(EventType.EVIDENCE_VAULT_DELAYED, packet) == 1
    assert "packet_file_missing" in [issue.code for issue in verification.check(packet).issues]


def test_what_the_vault_did_not_take_is_made_up_by_its_audit(
    committed_world: World, packet: Packet, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    vault = settings.COMPLIANCE_EVIDENCE_VAULT_DIR
    key = packing.key_of(committed_world, "oscar")

    def unplugged(name: str) -> None:
        if name == "countersign-2":
            settings.COMPLIANCE_EVIDENCE_VAULT_DIR = ""

    monkeypatch.setattr(failpoints, "listener", unplugged)
    packing.countersign(committed_world, packet, signing_key_id=key.key_id)
    monkeypatch.setattr(failpoints, "listener", None)
    settings.COMPLIANCE_EVIDENCE_VAULT_DIR = vault
    assert packing.told(EventType.EVIDENCE_VAULT_DELAYED, packet) == 1
    assert packing.told(EventType.EVIDENCE_VAULT_DIFFERS, packet) == 0
    assert sorted(packing.working_files(packet)) == sorted(packing.SIX)
    assert sorted(packing.vault_files(packet)) == sorted(packing.FOUR)
    assert list(countersigned_files.unfinished()) == [packet]
    audit = auditing.audit_vault(actor=Actor.system("tests"))
    assert any(packet.name in item for item in audit.repaired)
    packing.check_complete(packet, suffixes=packing.SIX)
    assert list(countersigned_files.unfinished()) == []
    assert packing.left_over() == []


def test_the_database_refuses_the_maker_too(committed_world: World, packet: Packet) -> None:
    packing.countersign(committed_world, packet)
    row = PacketCountersignature.objects.values().get()
    second = packing.make(committed_world, revise=True, reason="One thing more")
    olivia = committed_world.user("olivia")
    values = {
        **row,
        "packet_id": second.pk,
        "json_sha256": second.json_sha256,
        "first_pdf_sha256": second.pdf_sha256,
        "person_id": olivia.person_id,
        "account_id": olivia.pk,
        "key_id": packing.key_of(committed_world, "olivia").pk,
    }
    with pytest.raises(IntegrityError), transaction.atomic():
        PacketCountersignature.objects.create(**values)
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE reports_packetcountersignature SET note = 'x'")
