"""Exports as runs: what the doors ask for, and what the worker does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from access import policy
from access.models import Client
from access.roles import Action
from audit.events import Actor
from evidence.formats import names
from evidence.formats.contents import VaultMode
from evidence.models import Package, PackageStatus, ReceiptKind
from evidence.services import packages, payloads
from evidence.services.errors import ExportFailed, NotAPerson
from ops.models import Run, RunStatus
from ops.registry import RunContext
from ops.services.execution import execute
from ops.services.runs import request_once, wait_for
from sealing.external import OK
from sealing.times import format_time

JOB_TYPE = "compliance_evidence_export"
WAIT_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Export:
    """An export that was asked for.

    Attributes:
        run: carries it out.
        package: what came of it; None while the run goes on.
    """

    run: Run
    package: Package | None


def request_export(
    *, actor: Actor, payload: Mapping[str, Any], wait_seconds: float = WAIT_SECONDS
) -> Export:
    """Queue an export, and wait a while for it.

    Args:
        actor: Who asks; the person becomes the maker.
        payload: See `evidence.services.payloads`.
        wait_seconds: How long to wait; the run goes on afterwards.

    Raises:
        Forbidden, NotFound: The actor may not export for this client, or is not a person.
        Invalid: A key of the payload can't be accepted.
        ExportFailed: The run failed meanwhile, with its code and message.
    """
    _require_person(actor, payload)
    run = request_once(actor=actor, job_type=JOB_TYPE, payload=payload)
    return _told(wait_for(run, wait_seconds))


def export_now(*, actor: Actor, payload: Mapping[str, Any]) -> Package:
    """Export in this process, by a run like any other.

    Raises:
        As `request_export`.
    """
    _require_person(actor, payload)
    run = request_once(actor=actor, job_type=JOB_TYPE, payload=payload)
    execute(run.pk)
    run.refresh_from_db()
    found = _told(run)
    if found.package is None:
        raise ExportFailed(
            f"The worker goes on with run {run.pk}. {run.error_message}".rstrip(),
            code="run_goes_on",
        )
    return found.package


def carry_out(context: RunContext) -> dict[str, Any]:
    """The job type's function: one package for the run. Returns the run's summary.

    Raises:
        What `packages.export` raises.
    """
    payload = context.run.payload
    client_id = payloads.client_of(payload)
    package = packages.export(
        actor=_maker(context),
        client=None if client_id is None else Client.objects.get(pk=client_id),
        request=payloads.request_of(payload, context.run.intended_at),
        run=context.run,
        watch=context,
        signer=payload["signer"],
        signing_key_id=payload["signing_key_id"],
    )
    if package.status == PackageStatus.FAILED:
        raise ExportFailed(package.error_message, code=package.error_code)
    return summary(package)


def summary(package: Package) -> dict[str, Any]:
    """What the API tells of an export (docs/operators/evidence-export.md)."""
    worm = package.receipts.filter(kind=ReceiptKind.EXTERNAL_WORM, outcome=OK).first()
    return {
        "bundle_id": package.bundle_id,
        "package_path": package.package_path,
        "package_sha256": package.package_sha256,
        "events": package.event_count,
        "signature_enabled": package.required_signatures > 0,
        "external_worm_status": package.external_worm_status,
        "external_worm_receipt": None if worm is None else worm.receipt,
        "external_kms_status": package.external_kms_status,
        "timestamp_status": package.timestamp_status,
    } | _vault(package)


def _vault(package: Package) -> dict[str, Any]:
    if package.vault_mode == VaultMode.NONE:
        keys = ("vault_copy_path", "vault_worm_lock_path", "vault_envelope_path")
        return dict.fromkeys((*keys, "archive_receipt"))
    copy = package.vault_copy
    lock = package.vault_locks.order_by("-number").first()
    found = package.vault_objects.filter(name=copy.package_name).first()
    return {
        "vault_copy_path": f"{copy.folder}/{copy.package_name}",
        "vault_worm_lock_path": None if lock is None else f"{copy.folder}/{lock.name}",
        "vault_envelope_path": f"{copy.folder}/{package.bundle_id}{names.KMS_ENVELOPE_SUFFIX}",
        "archive_receipt": None
        if found is None
        else {
            "mode": copy.mode,
            "name": found.name,
            "sha256": found.sha256,
            "size_bytes": found.size_bytes,
            "version_id": found.version_id or None,
            "protection": found.protection,
            "retain_until": format_time(found.retain_until),
        },
    }


def _told(run: Run) -> Export:
    if run.status == RunStatus.FAILED:
        raise ExportFailed(run.error_message, code=run.error_code)
    if run.status != RunStatus.SUCCESS:
        return Export(run, None)
    return Export(run, Package.objects.get(run=run))


def _maker(context: RunContext) -> Actor:
    """In whose name the package is made: who asked, or else the person who owns the job."""
    run = context.run
    for account in (run.account, run.job.owner if run.job else None):
        if account is not None and account.person_id is not None:
            return context.actor if account == context.actor.account else Actor.of(account)
    raise NotAPerson("A package has a person as its maker, and this run has none.")


def _require_person(actor: Actor, payload: Mapping[str, Any]) -> None:
    if actor.account is None or actor.person_id is None:
        # Nobody learns by this that there is a client of that name.
        policy.require(actor.account, Action.EXPORT, payloads.client_of(payload))
        raise NotAPerson("A package has a person as its maker: sign in as one.")
