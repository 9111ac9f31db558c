"""Countersigning killed at every step: either nothing counts, or the signature stands whole."""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from audit import failpoints
from audit.events import Actor, EventType
from evidence.services.vault import auditing, opening
from reports.models import Packet, PacketCountersignature
from reports.services import files, verification
from reports.services.errors import AlreadyCountersigned
from sealing import digests
from sealing.results import Verdict
from tests.factories import World
from tests.faults import processes
from tests.services.evidence import helpers
from tests.services.reports import packing

pytestmark = [pytest.mark.xdist_group("packets"), pytest.mark.usefixtures("rendered_here")]
BEFORE = ("countersign-1",)
AFTER = (
    "countersign-2", "countersign-3", "vault-6", "vault-7", "vault-9", "countersign-4",
    "countersign-3:2", "vault-9:2", "countersign-4:2",
)  # fmt: skip


@pytest.fixture
def packet(committed_world: World, local_vault: Path) -> Packet:
    packing.key_of(committed_world, "oscar")
    return packing.make(committed_world)


def killed(packet: Packet, step: str) -> None:
    """Oscar countersigns, in a process that ends at a step."""
    name, _, time = step.partition(":")

    def work() -> None:
        opening._in_s3.cache_clear()  # connections are not shared with the parent
        met: Counter[str] = Counter()

        def listener(reached: str) -> None:
            met[reached] += 1
            if reached == name and met[reached] == int(time or 1):
                os.kill(os.getpid(), signal.SIGKILL)

        failpoints.listener = listener
        packing.countersign(World.load(), packet)

    assert processes.finished(processes.start(work)) == -signal.SIGKILL


def check_countersigned(packet: Packet) -> None:
    """Six files, the same here and in the vault, one row, one event, and nothing besides."""
    packing.check_complete(packet, suffixes=packing.SIX)
    row = PacketCountersignature.objects.get()
    [recorded] = helpers.events_of(EventType.REPORTS_PACKET_COUNTERSIGNED, packet.name)
    assert recorded["data"]["pdf_sha256"] == row.pdf_sha256
    assert verification.check(packet).verdict is Verdict.VALID
    assert packing.left_over() == []


@pytest.mark.parametrize("step", BEFORE)
def test_killed_before_the_row_nothing_counts_and_it_is_signed_anew(
    committed_world: World, packet: Packet, step: str
) -> None:
    killed(packet, step)
    assert not PacketCountersignature.objects.exists()
    packing.check_complete(packet)
    packing.countersign(committed_world, packet)
    check_countersigned(packet)


@pytest.mark.parametrize("step", AFTER)
def test_killed_after_the_row_the_audit_finishes_it(packet: Packet, step: str) -> None:
    killed(packet, step)
    row = PacketCountersignature.objects.values().get()
    auditing.audit_vault(actor=Actor.system("tests"))
    check_countersigned(packet)
    assert PacketCountersignature.objects.values().get() == row


@pytest.mark.parametrize("step", ["countersign-2", "vault-7"])
def test_killed_after_the_row_the_next_call_finishes_it(
    committed_world: World, packet: Packet, step: str
) -> None:
    killed(packet, step)
    with pytest.raises(AlreadyCountersigned):
        packing.countersign(committed_world, packet)
    check_countersigned(packet)


@pytest.mark.parametrize("step", ["countersign-2", "vault-9", "countersign-4"])
def test_the_same_with_a_bucket(committed_world: World, s3_vault: Any, step: str) -> None:
    packing.key_of(committed_world, "oscar")
    packet = packing.make(committed_world)
    killed(packet, step)
    auditing.audit_vault(actor=Actor.system("tests"))
    check_countersigned(packet)


def test_what_waits_can_be_read_before_it_has_its_place(
    committed_world: World, packet: Packet
) -> None:
    killed(packet, "countersign-2")
    row = PacketCountersignature.objects.get()
    name = f"{packet.name}.countersigned.pdf"
    assert name not in {f"{packet.name}{suffix}" for suffix in packing.working_files(packet)}
    raw, _ = files.read(actor=committed_world.actor("olivia"), packet=packet, name=name)
    assert digests.sha256_tag(raw) == row.pdf_sha256


def test_two_officers_at_once_give_one_countersignature(
    committed_world: World, local_vault: Path
) -> None:
    packet = packing.scheduled()
    officers = ("olivia", "oscar")
    for name in officers:
        packing.key_of(committed_world, name)
    barrier, outcomes = threading.Barrier(len(officers)), []

    def together(name: str) -> None:
        if name == "countersign-1":
            barrier.wait(30)

    def sign(name: str) -> None:
        try:
            outcomes.append(packing.countersign(committed_world, packet, by=name))
        except AlreadyCountersigned:
            outcomes.append(None)
        finally:
            connection.close()

    threads = [threading.Thread(target=sign, args=(name,)) for name in officers]
    failpoints.listener = together
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        failpoints.listener = None
    assert outcomes.count(None) == 1
    check_countersigned(packet)
