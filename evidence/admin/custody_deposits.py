"""What is recorded of a deposit in the vault, as steps of a custody line and as words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from django.utils.html import format_html

from access.admin import components
from access.admin.components import CustodyStep
from evidence.admin.custody_people import Cast
from evidence.formats.contents import VaultMode
from evidence.models import Deposit, DepositLock

PLACES: Final[Mapping[str, str]] = {
    VaultMode.LOCAL: "the local vault",
    VaultMode.S3: "the S3 bucket with Object Lock",
}


def deposited(
    deposit: Deposit, cast: Cast, facts: Iterable[tuple[str, Any]] | None = None
) -> Iterator[CustodyStep]:
    """That it was put into the vault, with its files.

    Args:
        facts: what to tell of the files; without it, how each is protected.
    """
    who = cast.who(deposit.actor_id)
    if facts is None:
        files = deposit.objects_kept.order_by("name")
        facts = [(item.name, item.protection) for item in files]
    yield CustodyStep(
        what=f"Deposited in {PLACES[deposit.mode]}",
        who=who,
        at=deposit.deposited_at,
        state="complete",
        role=cast.role(who, deposit.deposited_at, deposit.client_id),
        detail="Every file was read back and compared before this was recorded.",
        facts=[("Folder", components.identifier(deposit.folder)), *facts],
    )


def lock_step(lock: DepositLock, cast: Cast) -> CustodyStep:
    """One state of the lock."""
    deposit = lock.deposit
    who = cast.who(lock.actor_id)
    return CustodyStep(
        what="Locked" if lock.number == 1 else f"Lock changed, state {lock.number}",
        who=who,
        at=lock.locked_at,
        state="sealed",
        role=cast.role(who, lock.locked_at, deposit.client_id),
        facts=[
            ("Until", components.when(lock.retain_until)),
            ("Policy", components.identifier(deposit.retention_policy)),
            ("Legal holds", ", ".join(lock.legal_holds) or "None"),
        ],
    )


def lock_words(lock: DepositLock, deposit: Deposit) -> Any:
    """Until when it is locked, by which policy, and which holds are on it."""
    until, policy = (
        components.when(lock.retain_until),
        components.identifier(deposit.retention_policy),
    )
    if not lock.legal_holds:
        return format_html("Until {}, by {}", until, policy)
    held = ", ".join(lock.legal_holds)
    return format_html("Until {} and as long as a legal hold is on it: {}", until, held)
