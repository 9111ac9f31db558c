"""Exports packages: plan, build, write, sign, check, record."""

from __future__ import annotations

import errno
import secrets
from collections.abc import Sequence
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from access import policy
from access.models import Client
from access.roles import Action
from audit.events import Actor, EventType
from audit.models import SigningKey
from audit.services import checkpoints, keys, sealing, trail
from audit.services.waiting import waiting_events
from evidence.formats import signature
from evidence.formats.check_signature import PURPOSE
from evidence.formats.names import make_bundle_id
from evidence.models import Package, PackageStatus, Signature
from evidence.services import publishing, requests
from evidence.services.errors import NotAPerson, PackageFinished
from evidence.services.locating import by_bundle_id
from evidence.services.publishing import Published
from evidence.services.requests import ExportRequest
from sealing import digests
from sealing.errors import StrongroomError
from sealing.times import format_time


def export_package(
    *,
    actor: Actor,
    client: Client | None,
    period_start: datetime,
    period_end: datetime,
    event_types: Sequence[str] | None = None,
    sign_bundle: bool = True,
    package_prefix: str = "evidence",
    retention_policy: str = "hipaa_6y",
    vault_mode: str = "none",
    kms_key_id: str | None = None,
    required_countersignatures: int | None = None,
    note: str = "",
    signer: str | None = None,
    signing_key_id: str | None = None,
    external_worm: bool = False,
    external_kms: bool = False,
    external_require_success: bool = False,
) -> Package:
    """Make a package of the client's events in ``[period_start, period_end)``.

    Args:
        actor: Who makes it; the person becomes its maker and can't countersign it.
        client: Whose events; None for those that concern no client.
        period_start: Events that occurred from here on.
        period_end: Events that occurred before this.
        event_types: Only these types; None for all.
        sign_bundle: Whether the service signs. An unsigned package never verifies as valid.
        package_prefix: The first part of the bundle id.
        retention_policy: How long it has to be kept.
        vault_mode: Where it is locked away.
        kms_key_id: Recorded in the archive policy.
        required_countersignatures: None for one, or for none where it is not signed.
        note: Why it was made.
        signer: If given, the name of the service key that must sign.
        signing_key_id: If given, the id of that key.
        external_worm: Ask for a copy in an external archive; none is configured.
        external_kms: Ask for an external key service; none is configured.
        external_require_success: Refuse where what is asked of them can't succeed.

    Raises:
        Invalid: A field can't be accepted; it is named.
        Forbidden: The actor may not export for this client, or is not a person.
        IntegrityFailure: The log does not verify. The failed export is recorded.
    """
    trail.ensure_enabled()
    policy.require(actor.account, Action.EXPORT, client)
    request = requests.checked(
        period_start=period_start,
        period_end=period_end,
        event_types=event_types,
        sign_bundle=sign_bundle,
        package_prefix=package_prefix,
        retention_policy=retention_policy,
        vault_mode=vault_mode,
        kms_key_id=kms_key_id,
        required_countersignatures=required_countersignatures,
        note=note,
    )
    if external_require_success:
        requests.check_external(worm=external_worm, kms=external_kms)
    key = _service_key() if sign_bundle else None
    if key is not None:
        requests.check_service_signer(key=key, signer=signer, signing_key_id=signing_key_id)
    package = _plan(actor, client, request, key)
    return _carry_out(actor, package)


def resume_package(*, actor: Actor, bundle_id: str) -> Package:
    """Finish an export whose process died; the package gets the bytes it would have got.

    Raises:
        NotFound: There is no such package that the actor may see.
        PackageFinished: The export has ended.
        SigningKeyChanged: The service has another key now.
    """
    trail.ensure_enabled()
    package = by_bundle_id(actor=actor, bundle_id=bundle_id, action=Action.EXPORT)
    if package.status != PackageStatus.WRITING:
        raise PackageFinished("This export has ended.")
    return _carry_out(actor, package)


def _service_key() -> SigningKey:
    return SigningKey.objects.get(key_id=keys.signer_for(PURPOSE).key_id)


def _plan(
    actor: Actor, client: Client | None, request: ExportRequest, key: SigningKey | None
) -> Package:
    """Store what shapes the bytes, before there are any."""
    if actor.account is None or actor.person_id is None:
        raise NotAPerson("A package has a person as its maker: sign in as one.")
    sealed = sealing.seal_pending()
    # Sealed just now, the log holds everything acknowledged so far; the checkpoint covers it.
    checkpoint = checkpoints.issue(covering=sealed.size - 1 if sealed.size else None)
    waiting = waiting_events()
    now = timezone.now()
    return Package.objects.create(
        bundle_id=make_bundle_id(request.package_prefix, now, secrets.token_hex(4)),
        client=client,
        maker_id=actor.person_id,
        maker_account=actor.account,
        period_start=request.period_start,
        period_end=request.period_end,
        event_types=None if request.event_types is None else list(request.event_types),
        package_prefix=request.package_prefix,
        retention_policy=request.retention_policy.name,
        vault_mode=request.vault_mode,
        kms_key_id=request.kms_key_id,
        note=request.note,
        required_signatures=int(request.sign_bundle),
        required_countersignatures=request.required_countersignatures,
        signing_key=key,
        generated_at=now,
        tree_size=checkpoint.size,
        checkpoint=checkpoint.note,
        pending_at_export=waiting.pending,
        set_aside_at_export=waiting.set_aside,
    )


def _carry_out(actor: Actor, package: Package) -> Package:
    try:
        published = publishing.publish(package)
        _record(actor, package, published)
    except Exception as error:
        # Whatever went wrong, the failure has to be seen; nothing is hidden, it is raised again.
        _record_failure(actor, package, error)
        raise
    package.refresh_from_db()
    return package


def _record(actor: Actor, package: Package, published: Published) -> None:
    manifest, sidecars = published.manifest, published.sidecars
    with transaction.atomic():
        finished = Package.objects.filter(pk=package.pk, status=PackageStatus.WRITING).update(
            status=PackageStatus.COMPLETE,
            package_sha256=published.digest,
            size_bytes=published.size_bytes,
            event_count=manifest.summary.events,
            manifest_sha256=published.manifest_digest,
            files=[entry.as_dict() for entry in manifest.files],
            completed_at=timezone.now(),
        )
        if not finished:
            raise PackageFinished("Another process has finished this export.")
        key = package.signing_key
        if key is not None and sidecars.signature is not None and sidecars.sig is not None:
            document = signature.parse(sidecars.signature)
            Signature.objects.create(
                package=package,
                key=key,
                signer=document.signer,
                algorithm=document.algorithm,
                digest=published.digest,
                signed_at=package.generated_at,
                sig_sha256=digests.sha256_tag(sidecars.sig),
                signature_sha256=digests.sha256_tag(sidecars.signature),
            )
        trail.record(
            EventType.EVIDENCE_PACKAGE_EXPORTED,
            actor=actor,
            client=package.client,
            obj=("package", package.bundle_id),
            data={
                "package_sha256": published.digest,
                "size_bytes": published.size_bytes,
                "period": {
                    "start": format_time(package.period_start),
                    "end": format_time(package.period_end),
                },
                "events": manifest.summary.events,
                "tree_size": package.tree_size,
                "signature_policy": manifest.signature_policy,
                "signing_key_id": key.key_id if key is not None else None,
            },
        )


def _record_failure(actor: Actor, package: Package, error: Exception) -> None:
    if isinstance(error, PackageFinished):
        return
    code, message = _described(error)
    with transaction.atomic():
        failed = Package.objects.filter(pk=package.pk, status=PackageStatus.WRITING).update(
            status=PackageStatus.FAILED,
            error_code=code,
            error_message=message[:1000],
            completed_at=timezone.now(),
        )
        if failed:
            trail.record(
                EventType.EVIDENCE_PACKAGE_EXPORT_FAILED,
                actor=actor,
                client=package.client,
                obj=("package", package.bundle_id),
                outcome="failure",
                data={"code": code, "message": message},
            )
    if failed:
        # The row says that there is no such package, so nothing may look like one. This comes
        # after the commit: until then the files could belong to an export that can be resumed.
        publishing.discard(package)


def _described(error: Exception) -> tuple[str, str]:
    """A code and a sentence that hold no secret and no path."""
    if isinstance(error, StrongroomError):
        return error.code, error.message
    if isinstance(error, OSError):
        name = errno.errorcode.get(error.errno or 0, "EIO")
        return "storage_error", f"The file could not be written: {name}, {error.strerror}."
    return "internal_error", f"An unforeseen error ({type(error).__name__}); see the server's log."
