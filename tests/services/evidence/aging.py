"""What the tests of keys over time share: marks, stamps and anchors."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from audit.models import Checkpoint, SigningKey, Timestamp
from audit.services import checkpoints, keys, sealing
from evidence.formats.check_timestamp import timestamp_digest
from evidence.formats.report import PackageReport
from evidence.models import Package
from sealing import digests, timestamps
from sealing.signers.local import LocalSigner
from tests.factories import World
from tests.servers.tsa import Authority
from tests.services.evidence import helpers
from tests.services.evidence.helpers import export

SECOND = timedelta(seconds=1)


def alone(world: World, **options: Any) -> Package:
    """A package that needs no countersignature."""
    return export(world, required_countersignatures=0, **options)


def codes(report: PackageReport) -> set[str]:
    return {issue.code for issue in report.issues}


def stamp(authority: Authority, digest: bytes) -> bytes:
    return authority.stamp(timestamps.request_bytes(digest, 7))


def stamp_package(authority: Authority, package: Package) -> None:
    """Put a timestamp beside the package."""
    token = stamp(authority, timestamp_digest(package.package_sha256))
    helpers.file(package, ".tsr").write_bytes(token)


def checkpoint_now() -> Checkpoint:
    return checkpoints.issue(covering=sealing.seal_pending().size - 1)


def stamp_checkpoint(authority: Authority, checkpoint: Checkpoint) -> Timestamp:
    """Keep an authority's timestamp over a checkpoint, as the timestamper does."""
    token = stamp(authority, digests.sha256(checkpoint.note.encode()))
    return Timestamp.objects.create(
        checkpoint=checkpoint, token=token, authority="CN=Test Authority", stamped_at=timezone.now()
    )


def anchor(authority: Authority) -> None:
    """Have an authority stamp the log as it is now."""
    stamp_checkpoint(authority, checkpoint_now())


def compromise(key: SigningKey | None, at: datetime | None = None) -> None:
    """Mark a key; by default from now on, which is after everything that was signed."""
    assert key is not None
    SigningKey.objects.filter(pk=key.pk).update(
        status="compromised", compromised_at=at or timezone.now() + SECOND, not_after=timezone.now()
    )


def long_ago(package: Package) -> datetime:
    """From before the package was made."""
    return package.generated_at - timedelta(hours=1)


def rotate(world: World, settings: Any) -> None:
    """Another SIGNING_PRIVATE_KEY, as after a restart with a new one."""
    settings.SIGNING_PRIVATE_KEY = LocalSigner.generate("rsa-sha256").private_pem()
    keys.ensure_service_keys(actor=world.actor("alice"))
