"""Packets are made once for each client, period and revision, and lie in the vault as they are."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as current
from django.utils import timezone

from audit.events import EventType
from audit.services import clock
from evidence.services.errors import VaultNotConfigured
from evidence.services.vault.errors import VaultUnavailable
from ops import tasks
from ops.models import Run
from reports import selectors
from reports.formats.period import Period, PeriodRefused
from reports.models import Packet
from reports.services import outcomes, packets, planning, writing
from reports.services.errors import (
    NothingToRevise,
    PacketBeingMade,
    PacketFailed,
    RequestRefused,
)
from reports.services.requests import PacketRequest
from sealing.errors import IntegrityFailure
from tests.factories import World
from tests.services.evidence import helpers
from tests.services.reports import packing
from tests.services.reports.packing import JANUARY

pytestmark = pytest.mark.usefixtures("rendered_here")


def test_four_files_in_the_vault(committed_world: World, local_vault: Path) -> None:
    helpers.some_events()
    packet = packing.make(committed_world)
    assert packet.name == "SOC2_Evidence_clinic-001_2026-01-01_2026-01-31"
    packing.check_complete(packet)
    assert packing.left_over() == []
    assert packet.deposit is not None
    day = f"{packet.generated_at:%Y/%m/%d}"
    assert packet.deposit.folder == f"clinic-001/{day}/{packet.name}"
    told = packing.document(packet)
    assert (told["packetId"], told["revision"], told["supersedes"]) == (packet.name, 1, None)
    assert told["maker"]["person"] == str(committed_world.person("olivia").pk)
    assert told["log"]["treeSize"] == packet.tree_size
    assert packet.summary["controls"] == told["executiveSummary"]["controls"]
    assert packet.timestamp_status == "DISABLED"
    assert packet.unsigned_pdf_sha256 not in ("", packet.pdf_sha256)
    assert packet.retain_until >= packet.generated_at + timedelta(days=2557)


def test_four_files_in_a_bucket(committed_world: World, s3_vault: Any) -> None:
    packet = packing.make(committed_world, client=None)
    assert packet.name == "SOC2_Evidence_platform_2026-01-01_2026-01-31"
    assert packet.vault_mode == "s3"
    packing.check_complete(packet)


def test_asked_again_the_same_packet_is_given_and_nothing_is_made(
    committed_world: World, local_vault: Path
) -> None:
    packet = packing.make(committed_world)
    assert packing.make(committed_world, by="oscar") == packet
    told = packets.request_packet(
        actor=committed_world.actor("alice"), client_id="clinic-001", period=JANUARY
    )
    assert told == packets.Requested(packet.run, packet)
    assert packets.find(client_id="clinic-001", period=JANUARY) == packet
    assert packets.find(client_id="clinic-002", period=JANUARY) is None
    assert packets.find(client_id=None, period=JANUARY) is None
    assert Packet.objects.count() == Run.objects.count() == 1


def test_a_revision_needs_a_reason_and_tells_what_it_follows(
    committed_world: World, local_vault: Path
) -> None:
    first = packing.make(committed_world)
    before = packing.working_files(first)
    with pytest.raises(RequestRefused) as refused:
        packing.make(committed_world, revise=True, reason=" ")
    assert refused.value.field == "reason"
    second = packing.make(committed_world, revise=True, reason="A late export of Okta")
    assert (second.revision, second.name) == (2, f"{first.name}_r2")
    supersedes = packing.document(second)["supersedes"]
    assert (supersedes["packetId"], supersedes["sha256"]) == (first.name, first.json_sha256)
    assert supersedes["reason"] == second.reason == "A late export of Okta"
    assert packets.find(client_id="clinic-001", period=JANUARY) == second
    packing.check_complete(second)
    assert packing.working_files(first) == before
    third = packing.make(committed_world, revise=True, reason="And another")
    assert third.revision == 3


def test_made_before_the_period_was_over_it_is_revised_when_it_is_over(
    committed_world: World, local_vault: Path
) -> None:
    with packing.planned_at(JANUARY.end - timedelta(microseconds=1)):
        half = packing.make(committed_world)
        assert packing.make(committed_world) == half, "it is all that there can be"
    whole = packing.make(committed_world, by="oscar")
    assert packing.make(committed_world) == whole
    assert (whole.revision, whole.maker) == (2, committed_world.person("oscar"))
    assert whole.reason == "Revision 1 was made before the period was over."
    assert packing.document(whole)["supersedes"]["packetId"] == half.name
    packing.check_complete(whole)
    packing.check_complete(half)


def test_made_at_the_very_end_it_stands(committed_world: World, local_vault: Path) -> None:
    with packing.planned_at(JANUARY.end):
        packet = packing.make(committed_world)
    assert packing.make(committed_world) == packet


def test_who_saw_the_half_one_last_makes_no_third(
    committed_world: World, local_vault: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between his look and his plan another run has made the revision: he is put off."""
    with packing.planned_at(JANUARY.start):
        packing.make(committed_world)
    whole = packing.make(committed_world)
    with monkeypatch.context() as patch, pytest.raises(PacketFailed) as put_off:
        patch.setattr(planning, "standing", lambda client_id, period: None)
        packing.make(committed_world)
    assert put_off.value.code == "run_goes_on"
    run = Run.objects.get(status="QUEUED")
    assert run.error_code == PacketBeingMade.code
    Run.objects.filter(pk=run.pk).update(not_before=None)
    tasks.execute_run(str(run.pk))
    run.refresh_from_db()
    assert [item["id"] for item in run.result_summary["packets"]] == [str(whole.pk)]
    assert Packet.objects.count() == 2


def test_a_run_from_before_the_end_is_not_waited_for_after_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packets, "wait_for", lambda run, seconds: run)
    now = timezone.now().replace(microsecond=0)
    period = Period(now - timedelta(days=1), now + timedelta(minutes=1))

    def asked() -> Run | None:
        return packets.request_packet(
            actor=world.actor("alice"), client_id="clinic-001", period=period
        ).run

    early = asked()
    assert asked() == early
    with monkeypatch.context() as patch:
        patch.setattr(clock, "host_clock", lambda: period.end)
        assert asked() != early


def test_what_is_not_there_is_not_revised(committed_world: World, local_vault: Path) -> None:
    with pytest.raises(NothingToRevise):
        packing.make(committed_world, revise=True, reason="Why not")
    assert not Packet.objects.exists()
    assert not Run.objects.exists()


def test_a_reason_without_a_revision_is_refused(world: World) -> None:
    with pytest.raises(RequestRefused) as refused:
        packing.make(world, reason="Why not")
    assert refused.value.field == "reason"


@pytest.mark.parametrize("field", ["startDate", "endDate"])
def test_a_period_is_of_whole_seconds(world: World, field: str) -> None:
    name = "start" if field == "startDate" else "end"
    moved = getattr(JANUARY, name) + timedelta(microseconds=500_000)
    with pytest.raises(PeriodRefused) as refused:
        packing.make(world, period=replace(JANUARY, **{name: moved}))
    assert refused.value.field == field


def test_a_period_that_has_not_begun_is_refused(world: World) -> None:
    later = timezone.now().replace(microsecond=0) + timedelta(days=1)
    with pytest.raises(PeriodRefused) as refused:
        packing.make(world, period=Period(later, later + timedelta(days=1)))
    assert refused.value.field == "startDate"


def test_without_a_vault_no_packet_is_made(committed_world: World) -> None:
    with pytest.raises(PacketFailed) as failed:
        packing.make(committed_world)
    assert failed.value.code == VaultNotConfigured.code
    assert "COMPLIANCE_EVIDENCE_VAULT_DIR" in failed.value.message
    assert not Packet.objects.exists()
    name = "SOC2_Evidence_clinic-001_2026-01-01_2026-01-31"
    [event] = helpers.events_of(EventType.REPORTS_PACKET_FAILED, name)
    assert event["data"]["code"] == VaultNotConfigured.code


def failed_after_its_lock(world: World) -> Packet:
    """A packet that could not be recorded once its files were locked away."""

    def refused(**_: Any) -> None:
        raise IntegrityFailure("refused")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(outcomes, "record_success", refused)
        with pytest.raises(PacketFailed):
            packing.make(world)
    return Packet.objects.get(status="failed")


def test_a_vault_that_is_configured_no_more_blocks_nothing(
    committed_world: World, local_vault: Path, s3_vault: Any, settings: Any
) -> None:
    """Whether files of the attempt lie there can't be told: its name is left alone."""
    assert failed_after_its_lock(committed_world).vault_mode == "local"
    settings.COMPLIANCE_EVIDENCE_VAULT_DIR = ""
    packet = packing.make(committed_world)
    assert (packet.revision, packet.vault_mode) == (2, "s3")
    assert packet.reason == planning._UNKNOWN
    packing.check_complete(packet)


def test_another_vault_that_is_away_blocks_nothing_but_its_own_does(
    committed_world: World, s3_vault: Any, settings: Any
) -> None:
    assert failed_after_its_lock(committed_world).vault_mode == "s3"
    asked = PacketRequest("clinic-001", JANUARY)
    assert planning._revision(asked, "local") == (2, planning._BURNT)
    settings.AUDIT_S3_ENDPOINT_URL = "http://127.0.0.1:9"
    assert planning._revision(asked, "local") == (2, planning._UNKNOWN)
    with pytest.raises(VaultUnavailable):
        planning._revision(asked, "s3")


def test_what_lies_in_the_way_is_not_replaced(committed_world: World, local_vault: Path) -> None:
    """Somebody put a file there: the packet fails, and his file stays as it is."""
    folder = Path(current.EVIDENCE_PACKAGE_DIR) / "clinic-001"
    folder.mkdir()
    strange = folder / "SOC2_Evidence_clinic-001_2026-01-01_2026-01-31.pdf"
    strange.write_bytes(b"mine")
    with pytest.raises(PacketFailed) as failed:
        packing.make(committed_world)
    assert failed.value.code == "storage_error"
    assert strange.name in failed.value.message
    packet = Packet.objects.get()
    assert packing.working_files(packet) == {".pdf": b"mine"}
    assert packing.left_over() == []
    strange.unlink()
    packing.check_complete(packing.make(committed_world))


def test_whom_a_failed_attempt_belongs_to_takes_nothing_of_the_next(
    committed_world: World, local_vault: Path
) -> None:
    """What a failed run began is taken away again for a day; a later packet has the same name."""
    (Path(current.EVIDENCE_PACKAGE_DIR) / "clinic-001").write_bytes(b"in the way")
    with pytest.raises(PacketFailed):
        packing.make(committed_world)
    failed = Packet.objects.get()
    (Path(current.EVIDENCE_PACKAGE_DIR) / "clinic-001").unlink()
    alice = committed_world.user("alice")
    assert list(selectors.failed(alice)) == [failed]
    packet = packing.make(committed_world)
    assert packet.name == failed.name
    assert not selectors.failed(alice).exists()
    assert failed.run is not None
    packets.abandon(run=failed.run, code="x", message="x")
    packing.check_complete(packet)


def test_the_working_copy_is_told_by_its_own_file_from_another(
    committed_world: World, local_vault: Path
) -> None:
    packet = packing.make(committed_world)
    writing.withdraw(packet)
    packing.check_complete(packet)
