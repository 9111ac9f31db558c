"""Records how an export ended: the package complete with everything about it, or failed."""

from __future__ import annotations

import errno

from django.db import transaction
from django.utils import timezone

from audit.events import Actor, EventType
from audit.services import trail
from evidence.formats import signature
from evidence.models import Package, PackageStatus, PackageTimestamp, Signature
from evidence.services import publishing
from evidence.services.errors import PackageFinished
from evidence.services.keeping import Kept
from evidence.services.publishing import Published
from evidence.services.stamping import Stamped
from evidence.services.vault import deposit
from sealing import digests
from sealing.errors import StrongroomError
from sealing.times import format_time


def record_success(
    *, actor: Actor, package: Package, published: Published, stamped: Stamped, kept: Kept
) -> None:
    """Stores that the package is complete, in one transaction with its event.

    Raises:
        PackageFinished: Another attempt has ended this export.
    """
    with transaction.atomic():
        finished = Package.objects.filter(pk=package.pk, status=PackageStatus.WRITING).update(
            status=PackageStatus.COMPLETE,
            package_sha256=published.digest,
            size_bytes=published.size_bytes,
            event_count=published.manifest.summary.events,
            manifest_sha256=published.manifest_digest,
            files=[entry.as_dict() for entry in published.manifest.files],
            external_worm_status=kept.worm.status,
            external_kms_status=kept.kms.status,
            timestamp_status=stamped.status,
            completed_at=timezone.now(),
        )
        if not finished:
            raise PackageFinished("Another process has finished this export.")
        signature_sha256 = _sign(package, published)
        if stamped.token is not None and stamped.stamp is not None:
            PackageTimestamp.objects.create(
                package=package,
                token_sha256=digests.sha256_tag(stamped.token),
                stamped_at=stamped.stamp.time,
                authority=stamped.stamp.authority[:500],
            )
        if kept.committed is not None:
            deposit.record(package, kept.committed, actor_id=actor.id)
        trail.record(
            EventType.EVIDENCE_PACKAGE_EXPORTED,
            actor=actor,
            client=package.client,
            obj=("package", package.bundle_id),
            data=_told(package, published, stamped, kept, signature_sha256),
        )


def _sign(package: Package, published: Published) -> str | None:
    """Stores the signature; returns the digest of the file that states it."""
    key, sidecars = package.signing_key, published.sidecars
    if key is None or sidecars.signature is None or sidecars.sig is None:
        return None
    document = signature.parse(sidecars.signature)
    stored = Signature.objects.create(
        package=package,
        key=key,
        signer=document.signer,
        algorithm=document.algorithm,
        digest=published.digest,
        signed_at=package.generated_at,
        sig_sha256=digests.sha256_tag(sidecars.sig),
        signature_sha256=digests.sha256_tag(sidecars.signature),
    )
    return stored.signature_sha256


def _told(
    package: Package,
    published: Published,
    stamped: Stamped,
    kept: Kept,
    signature_sha256: str | None,
) -> dict[str, object]:
    manifest, key = published.manifest, package.signing_key
    return {
        "package_sha256": published.digest,
        "size_bytes": published.size_bytes,
        "period": {
            "start": format_time(package.period_start),
            "end": format_time(package.period_end),
        },
        "events": manifest.summary.events,
        "tree_size": package.tree_size,
        "run_id": str(package.run_id) if package.run_id else None,
        "signature_policy": manifest.signature_policy,
        "signing_key_id": key.key_id if key is not None else None,
        "signature_sha256": signature_sha256,
        "vault_mode": package.vault_mode,
        "retain_until": format_time(package.retain_until) if package.retain_until else None,
        "external_worm_status": kept.worm.status,
        "external_kms_status": kept.kms.status,
        "timestamp_status": stamped.status,
    }


def record_failure(*, actor: Actor, package: Package, error: Exception) -> None:
    """Stores that the export failed, and takes away what it left. Not for what another finished."""
    code, message = described(error)
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
        take_away(package)


def take_away(package: Package) -> None:
    """Removes what an export that failed has left in the working folder and in the staging."""
    publishing.discard(package)
    deposit.discard_staged(package)


def described(error: Exception) -> tuple[str, str]:
    """A code and a sentence that hold no secret and no path."""
    if isinstance(error, StrongroomError):
        return error.code, error.message
    if isinstance(error, OSError):
        name = errno.errorcode.get(error.errno or 0, "EIO")
        return "storage_error", f"The file could not be written: {name}, {error.strerror}."
    return "internal_error", f"An unforeseen error ({type(error).__name__}); see the server's log."
