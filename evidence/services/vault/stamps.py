"""Timestamps of packages whose authority failed when they were made: asked for again later."""

from __future__ import annotations

from dataclasses import dataclass

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from audit.events import Actor, EventType
from audit.services import trail
from audit.services.tokens import Stamp
from evidence.formats import names
from evidence.models import Package, PackageStatus, PackageTimestamp, VaultObject
from evidence.services import stamping
from evidence.services.locating import file_of
from evidence.services.vault import deposit
from evidence.services.vault.errors import VaultDiffers
from sealing import digests, timestamps
from sealing.errors import StrongroomError
from sealing.files import read_regular
from sealing.times import format_time

_BATCH = 500
# An authority that does not answer takes its time for each package.
_MAX_FAILURES = 3
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class MadeUp:
    """What came of it.

    Attributes:
        done: the packages that have a timestamp now, or have it in the vault now.
        failures: package and reason, where there still is none.
    """

    done: tuple[str, ...]
    failures: tuple[tuple[str, str], ...]


def make_up(*, actor: Actor) -> MadeUp:
    """Has packages stamped that should have been, and puts their timestamps into the vault.

    One that was recorded and did not come into the vault is put there from the working folder.
    """
    done: list[str] = []
    failures: list[tuple[str, str]] = []
    # First what is recorded: what is stamped below is put into the vault at once.
    for package in _undeposited().iterator(chunk_size=_BATCH):
        try:
            _deposit(package, _recorded_token(package))
            done.append(package.bundle_id)
        except (StrongroomError, OSError) as error:
            failures.append(_told(package, str(error)))
    refused = 0
    for package in _unstamped().iterator(chunk_size=_BATCH):
        if refused >= _MAX_FAILURES:
            break
        try:
            stamped = stamping.stamp(package, package.package_sha256)
            if stamped.token is None or stamped.stamp is None:
                refused += 1
                failures.append(_told(package, stamped.status))
                continue
            _record(actor, package, stamped.token, stamped.stamp)
            _deposit(package, stamped.token)
            done.append(package.bundle_id)
        except (StrongroomError, OSError) as error:
            failures.append(_told(package, str(error)))
    return MadeUp(tuple(done), tuple(failures))


def _undeposited() -> QuerySet[Package]:
    """Those whose timestamp is recorded, and is not among the files of their copy."""
    deposited = VaultObject.objects.filter(
        package=OuterRef("pk"), name__endswith=names.TIMESTAMP_SUFFIX
    )
    return Package.objects.filter(
        ~Exists(deposited), vault_copy__isnull=False, timestamp__isnull=False
    ).order_by("created_at")


def _unstamped() -> QuerySet[Package]:
    if not settings.TSA_URL:
        return Package.objects.none()
    return Package.objects.filter(
        status=PackageStatus.COMPLETE, timestamp_status__startswith="FAILED", timestamp=None
    ).order_by("created_at")


def _recorded_token(package: Package) -> bytes:
    """The timestamp beside the package, if it is the one that was recorded."""
    raw = read_regular(file_of(package.name, names.TIMESTAMP_SUFFIX), timestamps.MAX_BYTES)
    if digests.sha256_tag(raw) != package.timestamp.token_sha256:
        raise VaultDiffers("The timestamp beside the package is not the one that was recorded.")
    return raw


def _deposit(package: Package, token: bytes) -> None:
    name = f"{package.bundle_id}{names.TIMESTAMP_SUFFIX}"
    deposit.add_file(package=package, name=name, raw=token)


def _record(actor: Actor, package: Package, token: bytes, stamp: Stamp) -> None:
    with transaction.atomic():
        row, is_new = PackageTimestamp.objects.get_or_create(
            package=package,
            defaults={
                "token_sha256": digests.sha256_tag(token),
                "stamped_at": stamp.time,
                "authority": stamp.authority[:500],
            },
        )
        if is_new:
            trail.record(
                EventType.EVIDENCE_PACKAGE_STAMPED,
                actor=actor,
                client=package.client,
                obj=("package", package.bundle_id),
                data={
                    "token_sha256": row.token_sha256,
                    "stamped_at": format_time(row.stamped_at),
                },
            )


def _told(package: Package, reason: str) -> tuple[str, str]:
    log.error("timestamp not made up for", bundle_id=package.bundle_id, reason=reason)
    return package.bundle_id, reason
