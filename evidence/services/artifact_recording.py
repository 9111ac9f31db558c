"""Records artefacts that lie in the vault: at once, or by the audit where a process died before."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import structlog
from django.db import DatabaseError, transaction

from audit.events import Actor, EventType
from audit.services import trail
from evidence.formats.contents import VaultMode
from evidence.models import Artifact, DepositIntent, DepositKind
from evidence.services.vault import depositing, intents
from evidence.services.vault.base import Source
from evidence.services.vault.depositing import Committed, Plan
from evidence.services.vault.making_up import MadeUp
from evidence.services.vault.opening import vault_of
from sealing.errors import StrongroomError
from sealing.times import format_time

# Nobody takes that long between the lock and the record and lives.
_LEFT: Final = timedelta(hours=1)
_TEXTS: Final = ("framework", "control_id", "title", "origin", "note", "file_name", "media_type")
_NOTE: Final = (
    "Recorded by the audit of the vault: the process that took it in ended before it could."
)
log = structlog.get_logger(__name__)


def about(artifact: Artifact) -> dict[str, Any]:
    """What an intent has to keep, so that the audit can record the artefact."""
    told: dict[str, Any] = {name: getattr(artifact, name) for name in _TEXTS}
    return told | {
        "id": str(artifact.pk),
        "account": artifact.account_id,
        "person": str(artifact.person_id) if artifact.person_id else None,
    }


def record(artifact: Artifact, committed: Committed, *, actor: Actor, note: str = "") -> Artifact:
    """Stores the row and the event of what lies in the vault; what is stored already stays.

    Args:
        note: for the event, where it was not recorded as usual.
    """
    with transaction.atomic():
        intents.locked(committed.plan)
        stored = Artifact.objects.filter(pk=artifact.pk).first()
        if stored is not None:
            return stored
        artifact.deposit = depositing.record(committed, actor_id=actor.id)
        artifact.save(force_insert=True)
        data = {
            "framework": artifact.framework,
            "control": artifact.control_id,
            "period_start": format_time(artifact.period_start),
            "period_end": format_time(artifact.period_end),
            "file": artifact.file_name,
            "media_type": artifact.media_type,
            "sha256": artifact.sha256,
            "size_bytes": artifact.size_bytes,
            "vault": f"{artifact.deposit.mode}:{artifact.deposit.folder}",
        }
        trail.record(
            EventType.EVIDENCE_ARTIFACT_RECEIVED,
            actor=actor,
            client=artifact.client,
            obj=("artifact", str(artifact.pk)),
            data=data | ({"note": note} if note else {}),
        )
    artifact.refresh_from_db()
    return artifact


def make_up() -> MadeUp:
    """Records what was put into the vault and not recorded, in the name of whoever sent it.

    An intent of which nothing reached the vault is forgotten. What can't be recorded stays as it
    is, and the audit tells of its folder.
    """
    repaired: list[str] = []
    left = DepositIntent.objects.filter(
        kind=DepositKind.ARTEFACT, created_at__lt=datetime.now(UTC) - _LEFT
    ).select_related("client")
    for intent in left:
        try:
            if _recorded(intent):
                repaired.append(f"{intent.folder}: recorded")
        except (StrongroomError, OSError, DatabaseError) as error:
            log.error(
                "an artefact in the vault could not be recorded",
                folder=intent.folder,
                kind=type(error).__name__,
                reason=str(error),
            )
    return MadeUp(tuple(repaired))


def _recorded(intent: DepositIntent) -> bool:
    vault = vault_of(intent.mode)
    found = intents.found_of(vault, intent)
    if found is None:
        return False  # a stranger's: the audit says so
    if not found:
        intent.delete()
        return False
    sources = [
        Source(name, lambda name=name: vault.look(intent.folder, name)[1])  # type: ignore[misc]
        for name in intent.files
    ]
    staged = depositing.stage(_plan_of(intent), sources)
    try:
        committed = depositing.commit(staged, actor_id=intent.actor_id, about=intent.about)
    finally:
        depositing.discard(staged)
    record(_artifact_of(intent), committed, actor=Actor(id=intent.actor_id), note=_NOTE)
    return True


def _plan_of(intent: DepositIntent) -> Plan:
    return Plan(
        kind=DepositKind(intent.kind),
        client=intent.client,
        folder=intent.folder,
        mode=VaultMode(intent.mode),
        retention_policy=intent.retention_policy,
        retain_until=intent.retain_until,
        period_start=intent.period_start,
        period_end=intent.period_end,
    )


def _artifact_of(intent: DepositIntent) -> Artifact:
    told, ((_, file),) = intent.about, intent.files.items()
    return Artifact(
        id=uuid.UUID(told["id"]),
        client=intent.client,
        period_start=intent.period_start,
        period_end=intent.period_end,
        sha256=file["sha256"],
        size_bytes=file["size_bytes"],
        account_id=told["account"],
        person_id=told["person"],
        **{name: told[name] for name in _TEXTS},
    )
