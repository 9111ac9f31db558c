"""Locks of packages in the vault: they get longer, and legal holds come and go.

A new state is stored first, with its event, and then carried out: the files' locks, and the next
``worm-lock-000N.json``. What was interrupted between the two is finished by whoever comes next;
a state is carried out when its document is recorded among the files of the vault.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet, Subquery
from django.utils import timezone

from access import policy
from access.roles import Action
from audit import failpoints
from audit.events import Actor, EventType
from audit.services import holds, trail
from evidence.formats.names import Numbered, numbered_name
from evidence.formats.retention import MAX_DAYS
from evidence.models import Package, VaultLock, VaultObject
from evidence.services.vault import deposit, deposit_locks, holding
from evidence.services.vault.errors import RetentionNotExtended, VaultDiffers
from evidence.services.vault.holding import current as current  # for those who show locks
from evidence.services.vault.opening import vault_of
from sealing import digests
from sealing.errors import StrongroomError
from sealing.times import format_time

_BATCH = 500
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Applied:
    """What came of looking at all packages and deposits.

    Attributes:
        changed: the packages and deposits whose holds changed, by name.
        finished: the packages of which an interrupted change was finished.
        failures: name and reason, where the vault did not do its part.
    """

    changed: tuple[str, ...]
    finished: tuple[str, ...]
    failures: tuple[tuple[str, str], ...]


def extend(*, actor: Actor, package: Package, until: datetime) -> VaultLock:
    """Locks a package for longer. It can't be undone: no lock ever gets shorter.

    Args:
        until: a whole second in UTC, later than the present end.

    Raises:
        Forbidden, NotFound. NotInVault. RetentionNotExtended: not later, or too late.
        VaultUnavailable: the change stands and is carried out when the vault can be reached.
    """
    trail.ensure_enabled()
    policy.require(actor.account, Action.PROPOSE_RETENTION, package.client_id)
    with transaction.atomic():
        locked = Package.objects.select_for_update().get(pk=package.pk)
        before = current(locked)
        check_later(before, until)
        _store(actor, locked, before, retain_until=until, legal_holds=before.legal_holds)
    failpoints.reach("vault-10")
    carry_out(package)
    return current(package)


def check_later(lock: VaultLock, until: datetime) -> None:
    """Raises RetentionNotExtended unless the lock could end at ``until``."""
    if until.utcoffset() != timedelta() or until.microsecond:
        raise RetentionNotExtended("A lock ends at a whole second in UTC.", field="until")
    if until <= lock.retain_until:
        raise RetentionNotExtended(
            f"The package is locked until {format_time(lock.retain_until)}; a lock only gets"
            " longer.",
            field="until",
        )
    if until > datetime.now(UTC) + timedelta(days=MAX_DAYS):
        raise RetentionNotExtended(f"At most {MAX_DAYS} days from now.", field="until")


def apply_holds(*, actor: Actor) -> Applied:
    """Makes the holds of all packages and deposits in the vault those of the active cases.

    Also finishes changes that were interrupted. What the vault fails for doesn't keep the others
    waiting; it is named, and tried again the next time.

    Args:
        actor: who placed or released a hold, or the part of Strongroom that looks every day.
    """
    trail.ensure_enabled()
    active = list(holds.active())
    changed, finished, failures = [], [], []
    for package, held_by, is_waiting in _in_vault():
        wanted = holding.cases_of(package, active)
        if held_by == wanted and not is_waiting:
            continue
        try:
            if _hold(actor, package, wanted):
                changed.append(package.bundle_id)
                carry_out(package)
            elif carry_out(package):
                finished.append(package.bundle_id)
        except (StrongroomError, OSError) as error:
            log.error("lock not carried out", bundle_id=package.bundle_id, reason=str(error))
            failures.append((package.bundle_id, str(error)))
    of_deposits, failed = deposit_locks.apply_holds(actor=actor, active=active)
    return Applied((*changed, *of_deposits), tuple(finished), (*failures, *failed))


def carry_out(package: Package) -> bool:
    """Brings the vault to what is stored; returns whether there was anything to do.

    Raises:
        VaultUnavailable. VaultDiffers: a document of the lock is there, with other bytes.
    """
    waiting = list(_waiting(package.vault_locks.order_by("number")))
    if not waiting:
        return False
    holding.protect(package, vault_of(package.vault_copy.mode))
    failpoints.reach("vault-11")
    for state in waiting:
        raw = holding.document_of(package, state).build()
        if digests.sha256_tag(raw) != state.sha256:
            raise VaultDiffers(f"State {state.number} of the lock is not what was recorded.")
        deposit.add_file(package=package, name=state.name, raw=raw)
    return True


def _hold(actor: Actor, package: Package, wanted: list[str]) -> bool:
    """Stores a new state where other cases hold the package than its lock says."""
    with transaction.atomic():
        locked = Package.objects.select_for_update().get(pk=package.pk)
        before = current(locked)
        if before.legal_holds == wanted:
            return False
        _store(actor, locked, before, retain_until=before.retain_until, legal_holds=wanted)
    failpoints.reach("vault-10")
    return True


def _store(
    actor: Actor,
    package: Package,
    before: VaultLock,
    *,
    retain_until: datetime,
    legal_holds: list[str],
) -> None:
    number = before.number + 1
    state = VaultLock(
        package=package,
        number=number,
        retention_policy=before.retention_policy,
        retain_until=retain_until,
        legal_holds=legal_holds,
        name=numbered_name(package.bundle_id, Numbered.WORM_LOCK, number),
        locked_at=timezone.now(),
        actor_id=actor.id,
    )
    state.sha256 = digests.sha256_tag(holding.document_of(package, state).build())
    state.save(force_insert=True)
    trail.record(
        EventType.EVIDENCE_PACKAGE_LOCK_CHANGED,
        actor=actor,
        client=package.client,
        obj=("package", package.bundle_id),
        data={
            "number": number,
            "retain_until": format_time(retain_until),
            "retain_until_before": format_time(before.retain_until),
            "legal_holds": legal_holds,
            "legal_holds_before": before.legal_holds,
            "sha256": state.sha256,
        },
    )


def _waiting(states: QuerySet[VaultLock]) -> QuerySet[VaultLock]:
    """Those that were stored and not carried out."""
    written = VaultObject.objects.filter(package=OuterRef("package"), name=OuterRef("name"))
    return states.filter(~Exists(written))


def _in_vault() -> Iterator[tuple[Package, list[str], bool]]:
    """Each package with a copy, the cases that its lock names, and whether a state waits."""
    states = VaultLock.objects.filter(package=OuterRef("pk"))
    found = (
        Package.objects.filter(vault_copy__isnull=False)
        .select_related("client", "vault_copy")
        .annotate(
            held_by=Subquery(states.order_by("-number").values("legal_holds")[:1]),
            is_waiting=Exists(_waiting(states)),
        )
        .order_by("pk")
    )
    for package in found.iterator(chunk_size=_BATCH):
        yield package, package.held_by, package.is_waiting
