"""Which legal holds cover a package, how a state of its lock is written, and what it asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from audit.models import LegalHold
from audit.services import holds
from evidence.formats import names
from evidence.formats.vault import WormLock
from evidence.models import Package, VaultLock
from evidence.models.kept import LockState
from evidence.services.vault.base import Lock, Vault
from evidence.services.vault.errors import NotInVault
from sealing.stores.base import LockMode, Retention
from sealing.times import format_time


def cases_of(package: Package, active: Iterable[LegalHold] | None = None) -> list[str]:
    """The cases that hold a package: a day of its period is one of theirs.

    Args:
        active: the holds in force, where somebody has looked them up already.
    """
    return cases_over(package.period_start, package.period_end, active)


def cases_over(
    start: datetime, end: datetime, active: Iterable[LegalHold] | None = None
) -> list[str]:
    """The cases of which a day lies in the half-open period.

    Args:
        active: as for `cases_of`.
    """
    first, last = start.date(), (end - timedelta(microseconds=1)).date()
    return sorted(
        hold.case_id
        for hold in (holds.active() if active is None else active)
        if (hold.start_day is None or hold.start_day <= last)
        and (hold.end_day is None or hold.end_day >= first)
    )


def signature_path(package: Package) -> str:
    """Where the signature of a package lies, below the vault's root."""
    return f"{package.name.vault_folder}/{package.bundle_id}{names.SIG_SUFFIX}"


def document_of(package: Package, lock: VaultLock) -> WormLock:
    """The document of a state of the lock: the row says all that is in it."""
    return WormLock(
        bundle_id=package.bundle_id,
        locked_at=format_time(lock.locked_at),
        retention_policy=lock.retention_policy,
        retain_until=format_time(lock.retain_until),
        mode=LockMode.COMPLIANCE,
        package_sha256=package.package_sha256,
        signature_path=signature_path(package) if package.required_signatures else None,
        legal_holds=tuple(lock.legal_holds),
    )


def current(package: Package) -> VaultLock:
    """The state of the lock that rules. Raises NotInVault."""
    found = package.vault_locks.order_by("-number").first()
    if found is None:
        raise NotInVault("The package has no copy in a vault.")
    return found


def lock_of(state: LockState) -> Lock:
    """What a state of the lock asks of the vault."""
    return Lock(Retention(LockMode.COMPLIANCE, state.retain_until), bool(state.legal_holds))


def protect(package: Package, vault: Vault) -> None:
    """Puts the lock that rules on every file of a package. Raises VaultUnavailable."""
    protect_files(
        vault,
        package.vault_copy.folder,
        ruling=lambda: current(package),
        kept=lambda: package.vault_objects.values_list("name", "version_id").iterator(),
    )


def protect_files(
    vault: Vault,
    folder: str,
    *,
    ruling: Callable[[], LockState],
    kept: Callable[[], Iterable[tuple[str, str]]],
) -> None:
    """Puts the lock that rules on every file. It may change meanwhile, and whoever was slower
    must not leave what ruled before: so it is asked again until it is the same.

    Raises:
        VaultUnavailable.
    """
    rules, done = ruling(), 0
    while rules.number != done:
        vault.protect(folder, kept(), lock_of(rules))
        done, rules = rules.number, ruling()
