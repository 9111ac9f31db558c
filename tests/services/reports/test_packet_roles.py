"""Who may ask for a packet, take a file of it, or see that it is there, by role and client."""

from __future__ import annotations

from pathlib import Path

import pytest

from access import policy
from audit.events import EventType
from evidence.services.vault import depositing
from ops.models import Run
from reports import selectors
from reports.formats.period import Period
from reports.models import Packet
from reports.services import files, packets, requests, writing
from reports.services.errors import (
    FileMissing,
    NotAPerson,
    PacketNotFound,
    PacketUnfinished,
    RequestRefused,
)
from sealing.errors import Forbidden, NotFound, StrongroomError
from tests.factories import World
from tests.services.evidence import helpers
from tests.services.reports import packing
from tests.services.reports.packing import JANUARY
from tests.services.reports.plans import plan

pytestmark = pytest.mark.usefixtures("rendered_here")
OK = None
# Who asks, and what he is told: for clinic-001, for the platform, for a client that is not there.
ASKS: dict[str, tuple[type[StrongroomError] | None, ...]] = {
    "alice": (OK, OK, NotFound),
    "olivia": (OK, OK, NotFound),
    "olivia2": (OK, OK, NotFound),
    "audrey": (Forbidden, Forbidden, NotFound),
    "omar": (Forbidden, Forbidden, NotFound),
    "ben": (NotFound, Forbidden, NotFound),
    "nobody": (NotFound, Forbidden, NotFound),
    "root": (NotFound, Forbidden, NotFound),
    "svc-clinic-001": (Forbidden, Forbidden, NotFound),
    "svc-clinic-002": (NotFound, Forbidden, NotFound),
}
SCOPES = ("clinic-001", None, "clinic-999")
# Who takes a file: of clinic-001's packet, of the platform's.
TAKES: dict[str, tuple[type[StrongroomError] | None, ...]] = {
    "alice": (OK, OK),
    "olivia": (OK, OK),
    "audrey": (OK, PacketNotFound),
    "omar": (PacketNotFound, PacketNotFound),
    "ben": (PacketNotFound, PacketNotFound),
    "nobody": (PacketNotFound, PacketNotFound),
    "root": (PacketNotFound, PacketNotFound),
    "svc-clinic-001": (PacketNotFound, PacketNotFound),
}


@pytest.mark.parametrize("username", ASKS)
def test_who_may_ask(world: World, monkeypatch: pytest.MonkeyPatch, username: str) -> None:
    """Asked for is a run; that it is carried out is another test."""
    monkeypatch.setattr(packets, "wait_for", lambda run, seconds: run)
    for client_id, refusal in zip(SCOPES, ASKS[username], strict=True):
        before = Run.objects.count()
        if refusal is not None:
            with pytest.raises(refusal):
                ask(world, username, client_id)
            assert Run.objects.count() == before
            continue
        requested = ask(world, username, client_id)
        assert requested.packet is None
        assert requested.run is not None
        assert requested.run.account == world.user(username)
        assert requested.run.client_id == client_id


def ask(world: World, username: str, client_id: str | None) -> packets.Requested:
    return packets.request_packet(
        actor=world.actor(username), client_id=client_id, period=JANUARY, wait_seconds=0
    )


def test_a_service_that_may_export_is_no_person(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policy, "require", lambda *args, **kwargs: None)
    with pytest.raises(NotAPerson):
        ask(world, "svc-clinic-001", "clinic-001")


def test_asked_at_once_there_is_one_run(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packets, "wait_for", lambda run, seconds: run)
    runs = {ask(world, username, "clinic-001").run for username in ("alice", "olivia", "alice")}
    assert len(runs) == 1
    assert ask(world, "alice", None).run not in runs


@pytest.mark.parametrize(
    ("payload", "field"),
    [
        ({"client_id": 1, "period_start": "2026-01-01T00:00:00Z"}, "period_end"),
        ({"period_start": "2026-01-01", "period_end": "2026-02-01T00:00:00Z"}, "period_start"),
        (packets.PacketRequest("clinic-001", JANUARY).payload() | {"revise": 1}, "revise"),
        (packets.PacketRequest("clinic-001", JANUARY).payload() | {"reason": None}, "reason"),
        (packets.PacketRequest("clinic-001", JANUARY).payload() | {"reason": "x\0"}, "reason"),
        (packets.PacketRequest("clinic-001", JANUARY).payload() | {"more": 1}, "more"),
    ],
    ids=["no-end", "a-day", "revise", "reason", "control-character", "unknown"],
)
def test_payloads_of_runs(world: World, payload: dict[str, object], field: str) -> None:
    with pytest.raises(RequestRefused) as refused:
        requests.validated(payload)
    assert refused.value.field == field


def test_who_may_take_a_file(committed_world: World, local_vault: Path) -> None:
    both = [packing.make(committed_world), packing.make(committed_world, client=None)]
    for username, refusals in TAKES.items():
        for packet, refusal in zip(both, refusals, strict=True):
            before = packing.told(EventType.REPORTS_PACKET_DOWNLOADED, packet)
            if refusal is None:
                raw, media_type = take(committed_world, username, packet, ".pdf")
                assert (raw, media_type) == (
                    packing.working_files(packet)[".pdf"],
                    "application/pdf",
                )
            else:
                with pytest.raises(refusal):
                    take(committed_world, username, packet, ".pdf")
            after = packing.told(EventType.REPORTS_PACKET_DOWNLOADED, packet)
            assert after == before + (refusal is None)


def take(world: World, username: str, packet: Packet, suffix: str) -> tuple[bytes, str]:
    name = f"{packet.name}{suffix}"
    return files.read(actor=world.actor(username), packet=packet, name=name)


def test_files_and_what_is_none(
    committed_world: World, local_vault: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packet = packing.make(committed_world)
    kinds = {
        ".json": "application/json",
        ".json.sig": "text/plain; charset=us-ascii",
        ".pdf.sig": "text/plain; charset=us-ascii",
    }
    for suffix, kind in kinds.items():
        raw, media_type = take(committed_world, "olivia", packet, suffix)
        assert (raw, media_type) == (packing.working_files(packet)[suffix], kind)
    for suffix in (".countersigned.pdf", "", ".pdf/../x", "/../../x.json"):
        with pytest.raises(PacketNotFound):
            take(committed_world, "olivia", packet, suffix)
    event = helpers.events_of(EventType.REPORTS_PACKET_DOWNLOADED, packet.name)[0]
    assert event["data"]["sha256"] == packet.json_sha256


def test_the_vault_stands_in_for_a_working_copy(
    committed_world: World, local_vault: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packet = packing.make(committed_world)
    right = packing.working_files(packet)
    writing.file_of(packet, f"{packet.name}.json").unlink()
    writing.file_of(packet, f"{packet.name}.pdf").write_bytes(b"%PDF-1.7 something else")
    for suffix in (".json", ".pdf"):
        assert take(committed_world, "olivia", packet, suffix)[0] == right[suffix]
    monkeypatch.setattr(depositing, "read", lambda deposit, name: b"something else")
    with pytest.raises(FileMissing):
        take(committed_world, "olivia", packet, ".json")


def test_what_is_not_complete_is_not_handed_out(world: World) -> None:
    packet = plan("clinic-001", JANUARY.start, JANUARY.end)
    with pytest.raises(PacketUnfinished):
        take(world, "olivia", packet, ".json")
    assert files.names_of(packet) == []


def test_lists(committed_world: World, local_vault: Path) -> None:
    """Who sees what, and whom what waits for."""
    first = packing.make(committed_world)
    second = packing.make(committed_world, client=None, by="oscar")
    see = {name: set(selectors.visible(committed_world.user(name))) for name in ASKS}
    both = {first, second}
    assert see["alice"] == see["olivia"] == both
    assert see["audrey"] == {first}
    for name in ("omar", "ben", "nobody", "root", "svc-clinic-001", "svc-clinic-002"):
        assert see[name] == set()
    waits = {
        name: set(selectors.awaiting_countersignature(committed_world.user(name))) for name in ASKS
    }
    assert waits["olivia"] == waits["olivia2"] == {second}
    assert set(selectors.awaiting_countersignature(committed_world.user("oscar"))) == {first}
    assert waits["alice"] == waits["audrey"] == waits["ben"] == waits["root"] == set()
    packing.countersign(committed_world, first)
    assert not selectors.awaiting_countersignature(committed_world.user("oscar")).exists()
    assert not selectors.failed(committed_world.user("alice")).exists()


def test_what_the_schedule_made_waits_for_every_officer(
    committed_world: World, local_vault: Path
) -> None:
    packet = packing.scheduled()
    for name in ("olivia", "oscar"):
        assert list(selectors.awaiting_countersignature(committed_world.user(name))) == [packet]


def test_a_list_of_another_client_is_as_if_there_were_none(world: World) -> None:
    with pytest.raises(PacketNotFound):
        selectors.packets(actor=world.actor("audrey"), client_id="clinic-002")
    with pytest.raises(Forbidden):
        selectors.packets(actor=world.actor("nobody"))
    with pytest.raises(RequestRefused):
        selectors.packets(actor=world.actor("alice"), status="x")
    assert not selectors.packets(actor=world.actor("alice"), status="failed").exists()


def test_periods_of_other_lengths_have_other_names(
    committed_world: World, local_vault: Path
) -> None:
    longer = Period(JANUARY.start, packing.month(2026, 2).end)
    packet = packing.make(committed_world, period=longer)
    assert packet.name == "SOC2_Evidence_clinic-001_2026-01-01_2026-02-28"
