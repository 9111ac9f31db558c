"""Legal holds on deposits: they come and go with the cases whose days touch a deposit's period.

The hold itself is the intent. It is carried out first, and then stored as the next state of the
deposit's lock: what was interrupted between the two is found again, because the lock does not name
the case yet.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import structlog
from django.db import IntegrityError, transaction
from django.db.models import OuterRef, Subquery
from django.utils import timezone

from audit import failpoints
from audit.events import Actor, EventType
from audit.models import LegalHold
from audit.services import trail
from evidence.models import Deposit, DepositLock
from evidence.services.vault import depositing, holding
from evidence.services.vault.base import Lock
from evidence.services.vault.opening import vault_of
from sealing.errors import StrongroomError
from sealing.stores.base import LockMode, Retention
from sealing.times import format_time

_BATCH = 500
log = structlog.get_logger(__name__)


def apply_holds(
    *, actor: Actor, active: Iterable[LegalHold]
) -> tuple[list[str], list[tuple[str, str]]]:
    """Makes the holds of all deposits those of the active cases.

    A deposit whose vault fails doesn't keep the others waiting; it is tried again the next time.

    Returns:
        The names of the deposits whose holds changed; and names with reasons, where they could not.
    """
    trail.ensure_enabled()
    holds = list(active)
    changed, failures = [], []
    for deposit, held_by in _deposits():
        wanted = holding.cases_over(deposit.period_start, deposit.period_end, holds)
        if held_by == wanted:
            continue
        try:
            if _hold(actor, deposit, wanted):
                changed.append(deposit.name)
        except (StrongroomError, OSError) as error:
            log.error("lock not carried out", deposit=deposit.folder, reason=str(error))
            failures.append((deposit.name, str(error)))
    return changed, failures


def _hold(actor: Actor, deposit: Deposit, wanted: list[str]) -> bool:
    """Holds the files or lets them go, and stores which cases hold them from now on."""
    before, vault = depositing.current(deposit), vault_of(deposit.mode)
    if before.legal_holds == wanted:
        return False
    lock = Lock(Retention(LockMode.COMPLIANCE, before.retain_until), bool(wanted))
    kept = deposit.objects_kept.values_list("name", "version_id")
    vault.protect(deposit.folder, kept.iterator(), lock)
    failpoints.reach("vault-12")
    is_stored = _store(actor, deposit, before, wanted)
    # Files may have been added meanwhile; and whoever was faster has set another rule.
    depositing.protect(deposit, vault)
    return is_stored


def _store(actor: Actor, deposit: Deposit, before: DepositLock, wanted: list[str]) -> bool:
    """Whether the next state was stored: the database takes each number once, so that of two who
    come at the same time one is told that the other was faster."""
    try:
        with transaction.atomic():
            state = DepositLock.objects.create(
                deposit=deposit,
                number=before.number + 1,
                retain_until=before.retain_until,
                legal_holds=wanted,
                locked_at=timezone.now(),
                actor_id=actor.id,
            )
            _tell(actor, deposit, before, state)
    except IntegrityError:
        if depositing.current(deposit).number == before.number:
            raise
        return False
    return True


def _tell(actor: Actor, deposit: Deposit, before: DepositLock, state: DepositLock) -> None:
    trail.record(
        EventType.EVIDENCE_DEPOSIT_LOCK_CHANGED,
        actor=actor,
        client=deposit.client,
        obj=("deposit", deposit.name),
        data={
            "kind": deposit.kind,
            "folder": deposit.folder,
            "number": state.number,
            "retain_until": format_time(state.retain_until),
            "legal_holds": state.legal_holds,
            "legal_holds_before": before.legal_holds,
        },
    )


def _deposits() -> Iterator[tuple[Deposit, list[str]]]:
    """Each deposit, and the cases that its lock names."""
    states = DepositLock.objects.filter(deposit=OuterRef("pk")).order_by("-number")
    found = Deposit.objects.select_related("client").order_by("pk")
    found = found.annotate(held_by=Subquery(states.values("legal_holds")[:1]))
    for deposit in found.iterator(chunk_size=_BATCH):
        yield deposit, deposit.held_by
