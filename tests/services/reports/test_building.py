"""The document of a packet, made from a stored plan over the world."""

from __future__ import annotations

import threading
import time
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import InternalError, connection, connections, transaction

from audit.formats import event as events
from audit.models import AuditEvent
from audit.services import sealing
from evidence.services.errors import LogInvalid
from ops.models import Run
from reports.facts import registry
from reports.facts.base import NO_DATA, Scope
from reports.facts.snapshot import snapshot
from reports.formats import document
from reports.models import Packet, PacketStatus
from reports.services import building, revisions
from sealing import digests, merkle
from sealing.times import format_time
from tests.databases import CommittedDatabase
from tests.factories import World
from tests.services.reports.plans import Unwatched, plan

NOW = datetime.now(UTC).replace(microsecond=0)
START, END = NOW - timedelta(days=3), NOW + timedelta(days=1)


@pytest.mark.parametrize("client_id", [None, "clinic-001"], ids=["platform", "client"])
def test_a_document_is_what_its_reader_takes(world: World, client_id: str | None) -> None:
    made = building.document_of(plan(client_id, START, END), watch=Unwatched())
    assert document.parse(document.build(made)) == made


def test_the_same_plan_gives_the_same_document(world: World) -> None:
    packet = plan(None, START, END)
    first = building.document_of(packet, watch=Unwatched())
    world.key("olivia")  # what is recorded later is not part of it
    sealing.seal_pending()
    second = building.document_of(packet, watch=Unwatched())
    moving = "completeness"  # the archive and the outbox go on
    assert {**first, moving: None} == {**second, moving: None}


def test_the_samples_lead_to_the_signed_root(world: World) -> None:
    packet = plan(None, START, END)
    made = building.document_of(packet, watch=Unwatched())
    lines = [events.parse_line(line.encode(), strict=True) for line in made["samples"]["lines"]]
    hashes = [digests.untag(item) for item in made["samples"]["proof"]["hashes"]]
    leaves = {line.seq: line.hash for line in lines}
    root = merkle.root_from_compact(packet.tree_size, leaves, hashes)
    assert digests.b64(root) == made["log"]["rootHash"]
    assert len(lines) > 5


def test_lines_that_are_not_those_that_were_signed_are_refused(world: World) -> None:
    packet = plan(None, START, END)
    text = packet.checkpoint.split("\n")
    text[2] = digests.b64(bytes(32))
    packet.checkpoint = "\n".join(text)
    with pytest.raises(LogInvalid):
        building.document_of(packet, watch=Unwatched())


def test_a_client_s_packet_tells_nothing_of_the_platform(world: World) -> None:
    made = building.document_of(plan("clinic-001", START, END), watch=Unwatched())
    for name in ("sign_ins.failed", "keys.created", "vault.audits", "factors.changed"):
        assert made["facts"][name]["value"] == NO_DATA
        assert made["facts"][name]["source"] is None
    names = {
        row[0] for annex in made["annexes"] if annex["id"] == "accounts" for row in annex["rows"]
    }
    assert "audrey" in names and "alice" in names
    assert "ben" not in names and "svc-clinic-002" not in names


def test_an_empty_period_is_nothing_and_not_an_error(world: World) -> None:
    start = datetime(2001, 1, 1, tzinfo=UTC)
    made = building.document_of(plan(None, start, start + timedelta(days=31)), watch=Unwatched())
    assert document.parse(document.build(made)) == made
    assert made["facts"]["events.recorded"]["value"] == 0
    assert made["facts"]["mfa.coverage"]["value"] == NO_DATA
    assert made["samples"]["lines"] == []


def test_all_is_read_at_one_moment(committed_db: CommittedDatabase, committed_world: World) -> None:
    def fail_a_run() -> None:
        Run.objects.bulk_create(
            [
                Run(
                    job_type="export", triggered_by="user:alice", intended_at=START,
                    finished_at=START + timedelta(hours=1), status="FAILED", error_message="x",
                )
            ]
        )  # fmt: skip
        connections.close_all()

    fact, scope = registry.get("runs.failed"), Scope(None, START, END, 0, NOW)
    with snapshot():
        assert registry.measure(fact, scope).value == 0
        other = threading.Thread(target=fail_a_run)
        other.start()
        other.join()
        assert registry.measure(fact, scope).value == 0
    assert registry.measure(fact, scope).value == 1


def test_nothing_can_be_written_meanwhile(
    committed_db: CommittedDatabase, committed_world: World
) -> None:
    with pytest.raises(InternalError, match="read-only"), snapshot():
        Run.objects.create(job_type="export", triggered_by="schedule", intended_at=NOW)
    with pytest.raises(RuntimeError), transaction.atomic(), snapshot():
        raise AssertionError("it has to be a transaction of its own")


def complete(packet: Packet, raw: bytes) -> None:
    """Ends a packet's plan as if everything had been written, without a vault."""
    Packet.objects.filter(pk=packet.pk).update(
        status=PacketStatus.COMPLETE,
        json_sha256=digests.sha256_tag(raw),
        json_size_bytes=len(raw),
        pdf_sha256=digests.sha256_tag(b"pdf"),
        completed_at=NOW,
    )


def test_a_revision_tells_what_changed(world: World, settings: Any) -> None:
    first = plan("clinic-001", START, END, vault_mode="none")
    raw = document.build(building.document_of(first, watch=Unwatched()))
    complete(first, raw)
    folder = Path(settings.EVIDENCE_PACKAGE_DIR) / "clinic-001"
    folder.mkdir()
    (folder / f"{first.name}.json").write_bytes(raw)
    Run.objects.bulk_create(
        [
            Run(
                job_type="export", client_id="clinic-001", triggered_by="user:alice",
                intended_at=START, finished_at=START + timedelta(hours=1), status="SUCCESS",
            )
        ]
    )  # fmt: skip
    second = plan("clinic-001", START, END, revision=2, vault_mode="none")
    made = building.document_of(second, watch=Unwatched())
    assert document.parse(document.build(made)) == made
    assert made["supersedes"] == {
        "packetId": first.name,
        "sha256": digests.sha256_tag(raw),
        "reason": "Something was added.",
        "changes": [
            {"fact": "checkpoints.signed", "before": 1, "after": 2},
            {"fact": "runs.succeeded", "before": 0, "after": 1},
        ],
    }
    (folder / f"{first.name}.json").write_bytes(raw.replace(b"clinic", b"clinik"))
    with pytest.raises(revisions.RevisionLost):
        building.document_of(second, watch=Unwatched())


def _many(count: int) -> None:
    """So many events of the month, as if they had been recorded and sealed."""
    rows = []
    for number in range(count):
        at = format_time(START + timedelta(seconds=number % 200_000))
        kind = ("access.login.failed", "access.grant.created", "ops.run.failed")[number % 3]
        raw = events.build(
            id=str(uuid.UUID(int=number + 1, version=4)),
            type=kind,
            occurred_at=at,
            actor={"id": "user:alice"},
            recorder="strongroom",
            client_id="clinic-001" if number % 2 else None,
            outcome="failure" if number % 5 == 0 else "success",
            object={"type": "account", "id": "alice"},
            data={"kind": "totp"},
        )
        rows.append((raw.decode(),))
    with connection.cursor() as cursor:
        cursor.executemany("INSERT INTO audit_pendingevent (event) VALUES (%s)", rows)
    while AuditEvent.objects.count() < count:
        sealing.seal_pending()


def test_a_month_of_many_events_takes_seconds(world: World) -> None:
    _many(20_000)
    packet = plan(None, START, END)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE audit_events")
    begun = time.process_time(), time.monotonic()
    made = building.document_of(packet, watch=Unwatched())
    assert made["facts"]["events.recorded"]["value"] >= 20_000
    # Generous: the machine has other things to do. Ours alone takes a fraction of it.
    assert time.process_time() - begun[0] < 5
    assert time.monotonic() - begun[1] < 30
    assert len(document.build(made)) < 4 << 20
