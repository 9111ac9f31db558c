"""Exports packages: plan, build, write, sign, stamp, lock away, record."""

from __future__ import annotations

import contextlib
import secrets

from django.db import InterfaceError, OperationalError
from django.utils import timezone

from access import policy
from access.models import Client
from access.roles import Action
from audit import failpoints
from audit.events import Actor
from audit.models import SigningKey
from audit.services import checkpoints, sealing, trail
from audit.services.waiting import waiting_events
from evidence.formats.contents import VaultMode
from evidence.formats.names import make_bundle_id
from evidence.models import Package, PackageStatus
from evidence.services import completeness, keeping, outcomes, publishing, requests, stamping
from evidence.services.errors import NotAPerson, PackageFinished, StorageFailed
from evidence.services.requests import ExportRequest
from evidence.services.watching import Watch
from ops.models import Run
from ops.services.execution import LeaseLost
from sealing.errors import Unavailable

# What may be otherwise later: a run is tried again after these (ops/services/execution.py).
_PASSING = (Unavailable, OperationalError, InterfaceError)


def export(
    *,
    actor: Actor,
    client: Client | None,
    request: ExportRequest,
    run: Run,
    watch: Watch,
    signer: str | None = None,
    signing_key_id: str | None = None,
) -> Package:
    """Make the package of a run, or go on where an earlier attempt of it stopped.

    Args:
        actor: In whose name; the person becomes its maker and can't countersign it.
        client: Whose events; None for those that concern no client.
        request: What it shall hold, and where it is kept.
        run: The run that makes it: there is one package for each.
        watch: Is told how far it is.
        signer, signing_key_id: If given, the service key that must sign.

    Raises:
        Forbidden: The actor may not export for this client, or is not a person.
        IntegrityFailure: The log does not verify, or an outside service failed that must not.
            The failed export is recorded.
        Unavailable: Something is not at hand; the export can go on later.
    """
    trail.ensure_enabled()
    policy.require(actor.account, Action.EXPORT, client)
    package = Package.objects.filter(run=run).first()
    if package is None:
        key = requests.service_key() if request.sign_bundle else None
        if key is not None:
            requests.check_service_signer(signer=signer, signing_key_id=signing_key_id)
        package = _plan(actor, client, request, key, run)
    if package.status == PackageStatus.FAILED:
        # Whoever recorded that may have been killed before he took the files away.
        outcomes.take_away(package)
    if package.status != PackageStatus.WRITING:
        return package
    is_last = run.attempts >= run.max_attempts
    return _carry_out(actor, package, watch, may_try_again=not is_last)


def abandon(*, run: Run, code: str, message: str) -> None:
    """Ends the export of a run that failed without being able to say so itself."""
    package = Package.objects.filter(run=run).exclude(status=PackageStatus.COMPLETE).first()
    if package is None:
        return
    error = Unavailable(message, code=code)
    outcomes.record_failure(actor=Actor.system("worker"), package=package, error=error)
    outcomes.take_away(package)


def _plan(
    actor: Actor,
    client: Client | None,
    request: ExportRequest,
    key: SigningKey | None,
    run: Run,
) -> Package:
    """Store what shapes the bytes, before there are any."""
    if actor.account is None or actor.person_id is None:
        raise NotAPerson("A package has a person as its maker: sign in as one.")
    sealed = sealing.seal_pending()
    # Sealed just now, the log holds everything acknowledged so far; the checkpoint covers it.
    checkpoint = checkpoints.issue(covering=sealed.size - 1 if sealed.size else None)
    waiting = waiting_events()
    now = timezone.now()
    observed = completeness.observe(
        client=client, start=request.period_start, end=request.period_end, now=now
    )
    is_locked = request.vault_mode is not VaultMode.NONE
    return Package.objects.create(
        run=run,
        bundle_id=make_bundle_id(request.package_prefix, now, secrets.token_hex(4)),
        client=client,
        maker_id=actor.person_id,
        maker_account=actor.account,
        period_start=request.period_start,
        period_end=request.period_end,
        event_types=None if request.event_types is None else list(request.event_types),
        package_prefix=request.package_prefix,
        retention_policy=request.retention_policy.name,
        retain_until=request.retention_policy.until(now) if is_locked else None,
        vault_mode=request.vault_mode,
        kms_key_id=request.kms_key_id,
        external_worm=request.external_worm,
        external_kms=request.external_kms,
        external_require_success=request.external_require_success,
        note=request.note,
        required_signatures=int(request.sign_bundle),
        required_countersignatures=request.required_countersignatures,
        signing_key=key,
        generated_at=now,
        tree_size=checkpoint.size,
        checkpoint=checkpoint.note,
        pending_at_export=waiting.pending,
        set_aside_at_export=waiting.set_aside,
        observed=observed.as_dict(),
    )


def _carry_out(actor: Actor, package: Package, watch: Watch, *, may_try_again: bool) -> Package:
    try:
        failpoints.reach("export-1")
        published = publishing.publish(package, watch)
        failpoints.reach("export-3")
        watch.progress(0, step="asking for a timestamp")
        stamped = stamping.stamp(package, published.digest)
        failpoints.reach("export-4")
        kept = keeping.keep(package, published, stamped, watch)
        # An attempt that was given up for dead may have ended it meanwhile; then that one counts.
        with contextlib.suppress(PackageFinished):
            outcomes.record_success(
                actor=actor, package=package, published=published, stamped=stamped, kept=kept
            )
        failpoints.reach("export-9")
    except LeaseLost:
        raise  # another attempt goes on with the same files
    except OSError as error:
        failure = StorageFailed(outcomes.described(error)[1])
        _record_failure(actor, package, watch, failure)
        raise failure from error
    except Exception as error:
        # Whatever went wrong, the failure has to be seen; nothing is hidden, it is raised again.
        if not (may_try_again and isinstance(error, _PASSING)):
            _record_failure(actor, package, watch, error)
        raise
    package.refresh_from_db()
    return package


def _record_failure(actor: Actor, package: Package, watch: Watch, error: Exception) -> None:
    # Whoever has lost the run must not end what another attempt is making.
    watch.ensure_held()
    outcomes.record_failure(actor=actor, package=package, error=error)
