"""What a packet changed against the revision before it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings

from evidence.services.vault import depositing
from reports.formats import document, names
from reports.models import Packet, PacketStatus
from sealing import digests
from sealing.errors import IntegrityFailure, NotFound, TooLarge
from sealing.files import read_regular, safe_join


class RevisionLost(IntegrityFailure):
    """The document of an earlier revision is not there any more, or is not what it was."""

    code = "revision_lost"


@dataclass(frozen=True, slots=True)
class Former:
    """The revision before: its record and its document."""

    packet: Packet
    document: dict[str, Any]


def before(packet: Packet) -> Former | None:
    """The newest complete revision before this one; None for the first.

    Raises:
        RevisionLost. VaultUnavailable: its document is in the vault alone, which can't be asked.
    """
    found = (
        Packet.objects.filter(
            framework=packet.framework,
            client_id=packet.client_id,
            period_start=packet.period_start,
            period_end=packet.period_end,
            revision__lt=packet.revision,
            status=PacketStatus.COMPLETE,
        )
        .order_by("-revision")
        .first()
    )
    return None if found is None else Former(found, document.parse(_json_of(found)))


def supersedes(
    packet: Packet, former: Former | None, facts: dict[str, Any]
) -> dict[str, Any] | None:
    """The document's ``supersedes``: what it takes the place of, why, and which facts differ."""
    if former is None:
        return None
    old = {name: fact["value"] for name, fact in former.document["facts"].items()}
    new = {name: fact["value"] for name, fact in facts.items()}
    return {
        "packetId": former.packet.name,
        "sha256": former.packet.json_sha256,
        "reason": packet.reason,
        "changes": [
            {"fact": name, "before": old.get(name), "after": new.get(name)}
            for name in sorted(old.keys() | new.keys())
            if old.get(name) != new.get(name)
        ],
    }


def _json_of(packet: Packet) -> bytes:
    name = names.files(packet.name).json
    path = safe_join(Path(settings.EVIDENCE_PACKAGE_DIR), f"{packet.folder}/{name}")
    try:
        raw = read_regular(path, document.MAX_BYTES)
    except (NotFound, TooLarge):
        raw = b""
    if digests.sha256_tag(raw) == packet.json_sha256:
        return raw
    if packet.deposit is None:
        raise RevisionLost(f"The document of {packet.name} is not in the working folder.")
    raw = depositing.read(packet.deposit, name)
    if digests.sha256_tag(raw) != packet.json_sha256:
        raise RevisionLost(f"The document of {packet.name} in the vault is not what was made.")
    return raw
