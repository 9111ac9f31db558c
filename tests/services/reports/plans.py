"""Plans of packets, stored as the planning service stores them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from audit.events import Actor
from audit.models import SigningKey
from audit.services import checkpoints, keys, sealing
from reports.formats.names import packet_name
from reports.formats.period import Period
from reports.models import Packet


class Unwatched:
    """Is told and asked nothing."""

    def progress(
        self, done: int, total: int | None = None, *, unit: str = "", step: str = ""
    ) -> None:
        """See `Watch`."""

    def ensure_held(self) -> None:
        """See `Watch`."""


def service_key() -> SigningKey:
    """The artefact key, registered."""
    keys.ensure_service_keys(actor=Actor.system("tests"))
    return SigningKey.objects.get(key_id=keys.signer_for("packet").key_id)


def plan(
    client_id: str | None,
    start: datetime,
    end: datetime,
    *,
    at: datetime | None = None,
    **more: Any,
) -> Packet:
    """Stores a plan over everything recorded so far."""
    sealed = sealing.seal_pending()
    checkpoint = checkpoints.issue(covering=sealed.size - 1 if sealed.size else None)
    revision = more.pop("revision", 1)
    now = at or datetime.now(UTC)
    values: dict[str, Any] = {
        "framework": "SOC2",
        "client_id": client_id,
        "period_start": start,
        "period_end": end,
        "revision": revision,
        "reason": "Something was added." if revision > 1 else "",
        "name": packet_name("SOC2", client_id, Period(start, end), revision),
        "categories": ["availability"],
        "signing_key": service_key(),
        "retention_policy": "regulatory_7y",
        "retain_until": now + timedelta(days=7 * 366),
        "vault_mode": "local",
        "generated_at": now,
        "tree_size": checkpoint.size,
        "checkpoint": checkpoint.note,
    }
    return Packet.objects.create(**values | more)
