"""Puts files into the vault that are no package: packets, artefacts.

As for packages (`evidence.services.vault.deposit`): ``stage`` prepares the files where nobody looks
for them, ``commit`` puts them in their place, locks them and reads them back, and ``record`` stores
that they are there, in the transaction that stores what they belong to. An attempt that was killed
anywhere is taken up by the next one with the same plan: what lies there already is adopted if it is
the same. From before the lock until the record there is a `DepositIntent`, so that the audit knows
what an attempt left that nobody took up. Deposits lie in the vault in clear, whatever
EVIDENCE_VAULT_ENCRYPTION says of packages.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from access.models import Client
from audit import failpoints
from evidence.formats.contents import VaultMode
from evidence.formats.errors import FormatRefused
from evidence.formats.names import parse_deposit_folder
from evidence.models import (
    Deposit,
    DepositIntent,
    DepositKind,
    DepositLock,
    DepositObject,
)
from evidence.services.errors import VaultNotConfigured
from evidence.services.vault import holding, opening
from evidence.services.vault.base import Kept, Lock, Preparation, Source, Stream, Vault, measured
from evidence.services.vault.errors import VaultDiffers
from evidence.services.vault.opening import vault_of
from sealing.errors import NotFound
from sealing.files import PathRefused, check_name
from sealing.stores.base import LockMode, Retention

_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be put away: the same for each attempt.

    Attributes:
        folder: below the vault's root, as `evidence.formats.names.parse_deposit_folder` reads it.
        period_start, period_end: half-open; legal holds are compared with their days.
        mode: of the vault that it goes to; see `default_mode`.
    """

    kind: DepositKind
    client: Client | None
    folder: str
    mode: VaultMode
    retention_policy: str
    retain_until: datetime
    period_start: datetime
    period_end: datetime

    @property
    def name(self) -> str:
        """The last part of the folder."""
        return self.folder.rpartition("/")[2]

    @property
    def columns(self) -> dict[str, Any]:
        """What the intent and the record say alike."""
        return {
            "kind": self.kind,
            "client": self.client,
            "retention_policy": self.retention_policy,
            "period_start": self.period_start,
            "period_end": self.period_end,
        }


@dataclass(frozen=True, slots=True)
class Staged:
    """A deposit that is prepared and has no place yet."""

    plan: Plan
    vault: Vault
    preparation: Preparation
    files: dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Committed:
    """A deposit in its place, locked and read back; ``legal_holds`` are the cases that hold it."""

    plan: Plan
    objects: tuple[Kept, ...]
    legal_holds: tuple[str, ...]
    locked_at: datetime


def default_mode() -> VaultMode:
    """The vault that deposits go to: the folder, or else the bucket.

    Raises:
        VaultNotConfigured: there is none.
    """
    found = opening.configured()
    if not found:
        raise VaultNotConfigured(
            "There is no vault to keep this in: set COMPLIANCE_EVIDENCE_VAULT_DIR or"
            " EVIDENCE_VAULT_S3_BUCKET.",
            field="vault_mode",
        )
    return found[0]


def stage(plan: Plan, sources: Iterable[Source]) -> Staged:
    """Prepares the files of a deposit.

    Raises:
        VaultNotConfigured. VaultUnavailable: it is full, read-only, or can't be reached.
        FormatRefused, PathRefused: a folder or a file name that a vault must not have.
        PackageFileMissing, PackageDiffers: a file is not what its source says.
    """
    found = parse_deposit_folder(plan.folder)
    client_id = None if plan.client is None else plan.client.pk
    if (found.kind, found.client_id) != (plan.kind, client_id):
        raise FormatRefused(f"{plan.folder} is no folder of this kind and client.")
    vault = vault_of(plan.mode)
    preparation, planned = vault.prepare(plan.folder), dict[str, dict[str, Any]]()
    try:
        for source in sources:
            _check_file_name(source.name)
            preparation.add(source)
            sha256, size = measured(source.blocks())
            planned[source.name] = {"sha256": sha256, "size_bytes": size}
    except BaseException:
        preparation.discard()
        raise
    return Staged(plan, vault, preparation, planned)


def commit(
    staged: Staged, *, actor_id: str = "", about: Mapping[str, Any] | None = None
) -> Committed:
    """Gives the deposit its place and its lock, and reads everything back.

    Called outside of transactions: the intent has to be stored before anything is locked.

    Args:
        actor_id: in whose name; the intent names it.
        about: what the audit needs to record the deposit, should this process die.

    Raises:
        VaultUnavailable. VaultDiffers: something else lies there.
    """
    plan, locked_at = staged.plan, datetime.now(UTC)
    _intend(staged, actor_id, about or {})
    cases = holding.cases_over(plan.period_start, plan.period_end)
    lock = Lock(Retention(LockMode.COMPLIANCE, plan.retain_until), bool(cases))
    kept = staged.vault.commit(staged.preparation, lock, ())
    failpoints.reach("vault-8")
    return Committed(plan, kept, tuple(cases), locked_at)


def record(committed: Committed, *, actor_id: str) -> Deposit:
    """Stores that the deposit is there, within the transaction that stores what it belongs to."""
    plan = committed.plan
    DepositIntent.objects.filter(mode=plan.mode, folder=plan.folder).delete()
    deposit = Deposit.objects.create(
        name=plan.name, mode=plan.mode, folder=plan.folder, actor_id=actor_id, **plan.columns
    )
    DepositObject.objects.bulk_create(
        DepositObject(deposit=deposit, name=kept.name, **_facts(kept, until=plan.retain_until))
        for kept in committed.objects
    )
    DepositLock.objects.create(
        deposit=deposit,
        number=1,
        retain_until=plan.retain_until,
        legal_holds=list(committed.legal_holds),
        locked_at=committed.locked_at,
        actor_id=actor_id,
    )
    return deposit


def discard(staged: Staged) -> None:
    """Takes away what was prepared. What was committed stays."""
    staged.preparation.discard()


def sweep() -> None:
    """Takes away what attempts that are gone have prepared, in every vault.

    Raises:
        VaultUnavailable.
    """
    for mode in opening.configured():
        vault_of(mode).sweep()


def add(deposit: Deposit, source: Source) -> DepositObject:
    """Puts one file more into a deposit, under the lock that rules. An equal one is adopted.

    Called outside of transactions: it talks to the vault.

    Raises:
        VaultNotConfigured, VaultUnavailable. VaultDiffers: another file of that name is there.
    """
    _check_file_name(source.name)
    rules, vault = current(deposit), vault_of(deposit.mode)
    kept = vault.add(deposit.folder, source, holding.lock_of(rules))
    failpoints.reach("vault-9")
    row, _ = DepositObject.objects.get_or_create(
        deposit=deposit, name=kept.name, defaults=_facts(kept, until=rules.retain_until)
    )
    # Whoever changed the lock before the row was there did not see this file.
    while (latest := current(deposit)).number != rules.number:
        rules = latest
        vault.protect(deposit.folder, [(kept.name, kept.version_id)], holding.lock_of(rules))
    return row


def current(deposit: Deposit) -> DepositLock:
    """The state of the lock that rules."""
    return deposit.locks.order_by("-number")[0]


def protect(deposit: Deposit, vault: Vault) -> None:
    """Puts the lock that rules on every file of a deposit. Raises VaultUnavailable."""
    holding.protect_files(
        vault,
        deposit.folder,
        ruling=lambda: current(deposit),
        kept=lambda: deposit.objects_kept.values_list("name", "version_id").iterator(),
    )


def blocks(deposit: Deposit, name: str) -> Iterator[bytes]:
    """The bytes of a file, block by block. They count when all were taken: the digest is compared
    at the end.

    Raises:
        NotFound: the deposit has no such file. VaultDiffers: it is missing, or not what was put
            there. VaultNotConfigured, VaultUnavailable.
    """
    row = deposit.objects_kept.filter(name=name).first()
    if row is None:
        raise NotFound("The deposit has no file of that name.")
    try:
        _, found = vault_of(deposit.mode).look(deposit.folder, name, row.version_id)
    except NotFound as error:
        raise VaultDiffers(f"{name} is missing in the vault.") from error
    except PathRefused as error:
        raise VaultDiffers(f"A link lies in the vault in the way of {name}.") from error
    return _compared(Stream(found), row)


def read(deposit: Deposit, name: str) -> bytes:
    """A whole file of a deposit, compared with its record. Raises as `blocks`."""
    return b"".join(blocks(deposit, name))


def _compared(stream: Stream, row: DepositObject) -> Iterator[bytes]:
    while block := stream.read(_BLOCK):
        if stream.size_bytes > row.size_bytes:
            break
        yield block
    if (stream.sha256, stream.size_bytes) != (row.sha256, row.size_bytes):
        raise VaultDiffers(f"{row.name} in the vault is not what was put there.")


def _intend(staged: Staged, actor_id: str, about: Mapping[str, Any]) -> None:
    plan = staged.plan
    told = {"files": staged.files, "about": dict(about), "actor_id": actor_id}
    DepositIntent.objects.update_or_create(
        mode=plan.mode,
        folder=plan.folder,
        defaults=plan.columns | told | {"retain_until": plan.retain_until},
    )


def _check_file_name(name: str) -> None:
    check_name(name)
    if "/" in name or len(name) > 200:
        raise FormatRefused("A file of a deposit has a plain name of up to 200 characters.")


def _facts(kept: Kept, *, until: datetime) -> dict[str, Any]:
    return {
        "sha256": kept.sha256,
        "size_bytes": kept.size_bytes,
        "version_id": kept.version_id,
        "protection": kept.protection,
        "retain_until": until if kept.retention is None else kept.retention.until,
    }
