"""What the tests of packets share: shorthands, and what has to hold of what was made."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, LiteralString

import psycopg
import pytest
from django.conf import settings
from django.db import connections

from access.models import Client
from audit.events import Actor, EventType
from audit.models import SigningKey
from audit.services import keys
from evidence.services.vault import auditing, depositing
from evidence.services.vault.opening import vault_of
from ops.models import Job
from ops.services import execution, jobs, windows
from reports.formats.period import Period, month_before
from reports.models import Packet, PacketCountersignature
from reports.services import countersigning, packets, planning, writing
from sealing import digests
from sealing.keys import ECDSA_P256
from sealing.results import Verdict
from tests.factories import PASSWORD, World
from tests.services.evidence import helpers
from tests.settings import TEST_SUPERUSER_URL

# Before every period of the tests.
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
JANUARY = Period(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC))
FOUR = (".json", ".json.sig", ".pdf", ".pdf.sig")
SIX = (*FOUR, ".countersigned.pdf", ".countersigned.pdf.sig")


def make(
    world: World,
    *,
    by: str = "olivia",
    client: str | None = "clinic-001",
    period: Period = JANUARY,
    **options: Any,
) -> Packet:
    """A packet that somebody asked for, made in this process."""
    return packets.generate_now(actor=world.actor(by), client_id=client, period=period, **options)


def month(year: int, number: int) -> Period:
    """A calendar month."""
    return month_before(datetime(year + number // 12, number % 12 + 1, 1, tzinfo=UTC))


def monthly_job() -> Job:
    """The built-in job, as every installation has it."""
    jobs.ensure_builtin_jobs()
    return Job.objects.get(name=packets.JOB_TYPE)


def came(moment: datetime, *client_ids: str) -> None:
    """The clients (all, if none is named) were taken in at that moment: it never changes later."""
    names = list(client_ids or Client.objects.values_list("pk", flat=True))
    _overwrite("access_client", "created_at = %s WHERE id = ANY(%s)", [moment, names])


@contextlib.contextmanager
def planned_at(moment: datetime) -> Iterator[None]:
    """What is planned meanwhile was generated at that moment; the keys are older than that."""
    _overwrite("audit_signingkey", "not_before = %s", [LONG_AGO])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(planning, "timezone", SimpleNamespace(now=lambda: moment))
        yield


def _overwrite(table: LiteralString, what: LiteralString, values: list[Any]) -> None:
    """Writes over what triggers keep: only a superuser can, in a database that is thrown away."""
    database = connections["default"].settings_dict["NAME"]
    with psycopg.connect(TEST_SUPERUSER_URL, dbname=database) as superuser:
        superuser.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        superuser.execute(f"UPDATE {table} SET {what}", values)
        superuser.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


def scheduled() -> Packet:
    """The platform's packet of a month, as the schedule makes it: it has no maker."""
    Client.objects.update(is_active=False)
    job = monthly_job()
    Job.objects.filter(pk=job.pk).update(windows_through=datetime(2026, 2, 1, 3, tzinfo=UTC))
    [run] = windows.open_due_windows(job, datetime(2026, 3, 1, 3, tzinfo=UTC))
    execution.execute(run.pk)
    return Packet.objects.get(run=run)


def key_of(world: World, username: str) -> SigningKey:
    """A signing key of somebody's own whose signatures readers of PDFs understand."""
    user = world.user(username)
    found = SigningKey.objects.filter(person_id=user.person_id, status="active").first()
    if found is not None:
        return found
    assert user.person is not None
    return keys.create_person_key(
        actor=world.actor(username), person=user.person, password=PASSWORD, algorithm=ECDSA_P256
    )


def countersign(
    world: World, packet: Packet, *, by: str = "oscar", **options: Any
) -> PacketCountersignature:
    """A countersignature of somebody with his own key, who says who he is."""
    wanted: dict[str, Any] = {"name": packet.name, "password": PASSWORD, **options}
    if "signing_key_id" not in wanted:
        wanted["signing_key_id"] = key_of(world, by).key_id
    return countersigning.countersign(actor=world.actor(by), **wanted)


def document(packet: Packet) -> dict[str, Any]:
    """What the packet says."""
    found: dict[str, Any] = json.loads(writing.file_of(packet, f"{packet.name}.json").read_bytes())
    return found


def working_files(packet: Packet) -> dict[str, bytes]:
    """What lies in the working folder under the packet's name, by the end of its name."""
    folder = Path(settings.EVIDENCE_PACKAGE_DIR) / packet.folder
    found = folder.glob(f"{packet.name}.*") if folder.is_dir() else ()
    return {path.name.removeprefix(packet.name): path.read_bytes() for path in found}


def vault_files(packet: Packet) -> dict[str, bytes]:
    """What lies in the packet's folder of the vault, by the end of its name."""
    deposit = packet.deposit
    assert deposit is not None
    vault = vault_of(deposit.mode)
    return {
        entry.name.removeprefix(packet.name): vault.read(
            deposit.folder, entry.name, entry.version_id
        )
        for entry in vault.entries(deposit.folder)
    }


def left_over() -> list[str]:
    """What lies aside, in the working folder and in a local vault, and belongs to nothing."""
    roots = [Path(settings.EVIDENCE_PACKAGE_DIR) / writing.MAKING]
    if settings.COMPLIANCE_EVIDENCE_VAULT_DIR:
        roots.append(Path(settings.COMPLIANCE_EVIDENCE_VAULT_DIR) / ".staging")
    found = [path.name for root in roots for path in root.glob("*")]
    return sorted(name for name in found if name != "adding")


def told(kind: EventType, packet: Packet) -> int:
    """How many events of a type there are of a packet."""
    return len(helpers.events_of(kind, packet.name))


def check_complete(packet: Packet, *, suffixes: tuple[str, ...] = FOUR) -> None:
    """The files are complete, the same in the vault and as recorded, and told of once."""
    packet.refresh_from_db()
    assert (packet.status, packet.error_code) == ("complete", "")
    here, there = working_files(packet), vault_files(packet)
    assert sorted(here) == sorted(suffixes)
    assert here == there
    recorded = {entry["name"].removeprefix(packet.name): entry for entry in packet.files}
    assert sorted(recorded) == sorted(FOUR)
    for suffix, entry in recorded.items():
        assert entry["sha256"] == digests.sha256_tag(here[suffix])
        assert entry["size_bytes"] == len(here[suffix])
    assert (packet.json_sha256, packet.pdf_sha256) == (
        recorded[".json"]["sha256"],
        recorded[".pdf"]["sha256"],
    )
    assert told(EventType.REPORTS_PACKET_GENERATED, packet) == 1
    assert depositing.read(packet.deposit, f"{packet.name}.json") == here[".json"]
    audit = auditing.audit_vault(actor=Actor.system("tests"))
    assert audit.verdict is Verdict.VALID, audit.as_dict()


def check_failed(packet: Packet, code: str) -> None:
    """The row says so, the event too, and nothing looks like a packet."""
    packet.refresh_from_db()
    assert (packet.status, packet.error_code) == ("failed", code)
    assert packet.error_message
    assert working_files(packet) == {}
    assert left_over() == []
    assert told(EventType.REPORTS_PACKET_FAILED, packet) == 1
    assert told(EventType.REPORTS_PACKET_GENERATED, packet) == 0
