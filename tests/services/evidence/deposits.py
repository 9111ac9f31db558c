"""Deposits of the tests: packets of four small files, put into a vault in one go."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.db import transaction

from access.models import Client
from evidence.formats.contents import VaultMode
from evidence.models import Deposit, DepositKind
from evidence.services.vault import depositing
from evidence.services.vault.base import of_bytes
from evidence.services.vault.depositing import Plan
from evidence.services.vault.opening import vault_of

START, END = datetime(2025, 1, 1, tzinfo=UTC), datetime(2025, 2, 1, tzinfo=UTC)
NAME = "SOC2_Evidence_clinic-001_2025-01-01_2025-01-31"
FOLDER = f"clinic-001/2025/02/01/{NAME}"
FILES = {
    f"{NAME}.json": b'{"packetId":"x"}\n',
    f"{NAME}.json.sig": b"c2ln\n",
    f"{NAME}.pdf": b"%PDF-1.7 pages\n" * 1000,
    f"{NAME}.pdf.sig": b"c2lnMg==\n",
}


def plan(mode: str, **changes: Any) -> Plan:
    """The plan of a packet's deposit for the first client and January 2025."""
    facts: dict[str, Any] = {
        "kind": DepositKind.PACKET,
        "client": Client.objects.get(pk="clinic-001"),
        "folder": FOLDER,
        "mode": VaultMode(mode),
        "retention_policy": "regulatory_7y",
        "retain_until": datetime(2040, 1, 1, tzinfo=UTC),
        "period_start": START,
        "period_end": END,
    }
    return Plan(**(facts | changes))


def put(mode: str, files: dict[str, bytes] | None = None, **changes: Any) -> Deposit:
    """A deposit, complete and recorded."""
    wanted = FILES if files is None else files
    staged = depositing.stage(
        plan(mode, **changes), [of_bytes(name, raw) for name, raw in wanted.items()]
    )
    committed = depositing.commit(staged)
    with transaction.atomic():
        return depositing.record(committed, actor_id="service:tests")


def path(deposit: Deposit, name: str = "") -> Path:
    """Where a deposit, or a file of it, lies in a local vault."""
    return Path(vault_of(deposit.mode).path(deposit.folder, name))


def in_store(deposit: Deposit) -> set[tuple[datetime | None, bool]]:
    """End of the lock and hold of every object, as the server says."""
    vault, found = vault_of(deposit.mode), set()
    for row in deposit.objects_kept.all():
        kept, _ = vault.look(deposit.folder, row.name, row.version_id)
        found.add((kept.retention and kept.retention.until, kept.is_held))
    return found
