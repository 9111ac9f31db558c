"""The job types of the vault: the daily audit, and legal holds as soon as they change."""

from __future__ import annotations

from typing import Any

from evidence.models import Deposit, VaultCopy
from evidence.services.vault import auditing, locks, opening
from evidence.services.vault.errors import VaultDiffers, VaultUnavailable
from ops import registry
from ops.registry import JobType, RunContext
from sealing.results import Verdict

AUDIT, HOLDS = "vault_audit", "vault_holds"


def connect() -> None:
    """Registers them."""
    registry.register(
        JobType(
            name=AUDIT,
            description="Compares every copy and deposit in the vault with its records.",
            run=_audit,
            validate=registry.no_payload,
            client_of=registry.platform,
            default_cron="40 1 * * *",
            timeout_seconds=6 * 3600,
            is_wanted=_has_vault,
            needs_trail=False,
        )
    )
    registry.register(
        JobType(
            name=HOLDS,
            description="Puts legal holds on what is in the vault, and takes them off.",
            run=_apply_holds,
            validate=registry.no_payload,
            client_of=registry.platform,
            default_cron="*/5 * * * *",
            is_recorded=False,
            is_wanted=_has_vault,
        )
    )


def _has_vault() -> bool:
    """A vault that is not configured any more is missed as long as there is anything in it."""
    return bool(opening.configured()) or VaultCopy.objects.exists() or Deposit.objects.exists()


def _audit(context: RunContext) -> dict[str, Any]:
    """Its summary. Raises VaultDiffers or VaultUnavailable, so that the run counts as failed."""
    found = auditing.audit_vault(
        actor=context.actor,
        progress=lambda done, total: context.progress(done, total, unit="folders"),
    )
    if found.verdict is Verdict.INVALID:
        raise VaultDiffers(found.message)
    if found.is_unsure:
        raise VaultUnavailable(f"Not everything could be checked: {found.message}")
    told = found.as_dict()
    shown = ("verdict", "message", "copies", "deposits", "files", "bytes")
    return {name: told[name] for name in shown}


def _apply_holds(context: RunContext) -> dict[str, Any]:
    """Its summary. Raises VaultUnavailable where a vault did not do its part."""
    applied = locks.apply_holds(actor=context.actor)
    if applied.failures:
        bundle_id, reason = applied.failures[0]
        raise VaultUnavailable(f"{len(applied.failures)} failed, first {bundle_id}: {reason}")
    return {"changed": len(applied.changed), "finished": len(applied.finished)}
