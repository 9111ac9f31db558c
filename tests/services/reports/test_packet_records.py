"""Rows that name files of another packet, or that the log does not tell of."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from audit.events import EventType
from audit.models import PendingEvent
from audit.services import sealing, trail
from reports.models import Packet
from reports.services import files, serving, verification, writing
from reports.services.errors import PacketNotValid, RecordDiffers
from sealing.results import Verdict
from tests.factories import World
from tests.services.reports import packing

pytestmark = pytest.mark.django_db
FEBRUARY = "SOC2_Evidence_clinic-001_2026-02-01_2026-02-28"


@pytest.fixture
def packet(world: World, local_vault: Path, rendered_here: None) -> Packet:
    return packing.make(world)


def codes(packet: Packet) -> set[str]:
    return {issue.code for issue in verification.check(packet).issues}


def wheres(packet: Packet) -> set[str | None]:
    issues = verification.check(packet).issues
    return {issue.where for issue in issues if issue.code == "record_differs"}


def inserted(packet: Packet) -> Packet:
    """A row of February, as somebody with rights in the database writes it, with its files."""
    period, entries = packing.month(2026, 2), []
    for suffix, raw in packing.working_files(packet).items():
        writing.file_of(packet, f"{FEBRUARY}{suffix}").write_bytes(raw)
    for entry in packet.files:
        entries.append({**entry, "name": entry["name"].replace(packet.name, FEBRUARY)})
    row = Packet.objects.get(pk=packet.pk)
    row.pk, row.name, row.files = uuid.uuid4(), FEBRUARY, entries
    row.period_start, row.period_end = period.start, period.end
    row.deposit, row.vault_mode = None, "none"
    row._state.adding = True
    row.save(force_insert=True)
    return Packet.objects.get(pk=row.pk)


def test_a_row_with_the_files_of_another_packet(world: World, packet: Packet) -> None:
    row = inserted(packet)
    assert {"record_differs", "record_event_missing"} <= codes(row)
    assert {"/packetId", "/auditPeriod", "pdf.pdf"} == wheres(row)
    assert verification.check(row).verdict is Verdict.INVALID
    with pytest.raises(PacketNotValid):
        packing.countersign(world, row)
    actor, period = world.actor("olivia"), packing.month(2026, 2)
    for form in serving.DocumentFormat:
        with pytest.raises(RecordDiffers):
            serving.serve(actor=actor, client_id="clinic-001", period=period, document_format=form)
    with pytest.raises(RecordDiffers):
        files.read(actor=actor, packet=row, name=f"{FEBRUARY}.json")


def test_the_log_tells_of_it_before_and_after_it_is_sealed(world: World, packet: Packet) -> None:
    packing.countersign(world, packet)
    assert PendingEvent.objects.filter(event__contains=packet.name).exists()
    assert codes(packet) == set()
    sealing.seal_pending()
    assert not PendingEvent.objects.exists()
    assert codes(packet) == set()


def test_the_log_does_not_tell_of_it(packet: Packet) -> None:
    packet.name = FEBRUARY
    assert "record_event_missing" in codes(packet)


def test_a_row_that_differs_from_what_is_signed(packet: Packet) -> None:
    packet.revision, packet.maker_id, packet.tree_size = 7, None, packet.tree_size + 1
    packet.required_countersignatures = 0
    assert wheres(packet) == {
        "/revision", "/maker", "/log/treeSize", "/signaturePolicy/countersignatures",
    }  # fmt: skip


def test_the_log_names_other_files(packet: Packet) -> None:
    sealing.seal_pending()
    packet.pdf_sha256 = packet.json_sha256
    assert "record_event_differs" in codes(packet)


def test_the_log_tells_of_a_countersignature_that_no_row_does(world: World, packet: Packet) -> None:
    trail.record(
        EventType.REPORTS_PACKET_COUNTERSIGNED,
        actor=world.actor("oscar"),
        client=packet.client_id,
        obj=("packet", packet.name),
        data={"json_sha256": packet.json_sha256},
    )
    assert codes(packet) == {"record_event_differs", "countersignature_missing"}
