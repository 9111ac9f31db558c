"""What lies in the vault and what outside services said, for the page of a package."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from access.admin import components
from access.admin.components import CustodyStep, Tone
from evidence.admin import columns
from evidence.admin.custody_people import Cast
from evidence.formats.contents import VaultMode
from evidence.models import Package, Receipt, ReceiptKind, VaultCopy, VaultLock, VaultObject
from sealing.external import DISABLED, OK, SKIPPED

FAILED = "FAILED"

_MODES = {
    VaultMode.LOCAL: "the local vault",
    VaultMode.S3: "the S3 bucket with Object Lock",
}
_STATUS_WORDS = {
    OK: (Tone.VERIFIED, "Done"),
    SKIPPED: (Tone.NEUTRAL, "Not asked for"),
    DISABLED: (Tone.NEUTRAL, "Not configured"),
}
_RECEIPT_WORDS = {
    "provider": "Provider",
    "archive_id": "Archive id",
    "object_key": "Object",
    "lock_until": "Locked until",
    "request_id": "Their request id",
    "algorithm": "Algorithm",
    "key_version": "Key version",
}


@dataclass(frozen=True, slots=True)
class Kept:
    """Everything recorded of where a package lies, from a handful of look-ups."""

    copy: VaultCopy | None
    objects: tuple[VaultObject, ...]
    locks: tuple[VaultLock, ...]
    receipts: tuple[Receipt, ...]

    @classmethod
    def of(cls, package: Package) -> Kept:
        """What the records say."""
        return cls(
            copy=VaultCopy.objects.filter(package=package).first(),
            objects=tuple(package.vault_objects.order_by("name")),
            locks=tuple(package.vault_locks.order_by("number")),
            receipts=tuple(package.receipts.order_by("started_at", "created_at")),
        )

    @property
    def lock(self) -> VaultLock | None:
        """The lock that rules."""
        return self.locks[-1] if self.locks else None


def outside_status(status: str) -> SafeString:
    """``OK``, ``FAILED: …``, ``SKIPPED`` or ``DISABLED``, in words."""
    if not status:
        return components.NOTHING
    if status in _STATUS_WORDS:
        tone, words = _STATUS_WORDS[status]
        return components.pill(status, words, tone=tone)
    return format_html("{} {}", components.pill("failed"), reason_of(status))


def reason_of(status: str) -> str:
    """What stands behind ``FAILED:``."""
    return status.removeprefix(FAILED).removeprefix(":").strip()


def vault_words(package: Package, kept: Kept) -> Any:
    """Where the copy lies, or plainly that there is none."""
    copy = kept.copy
    if copy is not None:
        place = _MODES[VaultMode(copy.mode)]
        return format_html("In {}: {}", place, components.identifier(copy.folder))
    if package.vault_mode == VaultMode.NONE:
        return "None: the export asked for no copy in a vault"
    if not package.is_complete:
        return "Not yet: the package is not complete"
    return components.pill("inconclusive", "No copy is recorded")


def lock_words(kept: Kept) -> Any:
    """Until when it is locked, by which policy, and which holds are on it."""
    lock = kept.lock
    if lock is None:
        return components.NOTHING
    until = components.when(lock.retain_until)
    if not lock.legal_holds:
        return format_html("Until {}, by {}", until, components.identifier(lock.retention_policy))
    return format_html(
        "Until {} and as long as a legal hold is on it: {}",
        until,
        ", ".join(lock.legal_holds),
    )


# --- steps ----------------------------------------------------------------------------------------


def outside_steps(package: Package, kept: Kept) -> Iterator[CustodyStep]:
    """What the external key service and archive were asked, and whatever they answered."""
    for kind, what, status in (
        (ReceiptKind.EXTERNAL_KMS, "key service", package.external_kms_status),
        (ReceiptKind.EXTERNAL_WORM, "archive", package.external_worm_status),
    ):
        receipts = [receipt for receipt in kept.receipts if receipt.kind == kind]
        for receipt in receipts:
            yield _answered(receipt, what)
        if not receipts and package.is_complete:
            yield _not_asked(what, status)


def _answered(receipt: Receipt, what: str) -> CustodyStep:
    is_ok = receipt.outcome == OK
    told = receipt.receipt or {}
    facts = [
        (words, _receipt_value(name, told[name]))
        for name, words in _RECEIPT_WORDS.items()
        if told.get(name)
    ]
    facts.append(("Asked at", components.identifier(receipt.endpoint)))
    if receipt.http_status is not None:
        facts.append(("HTTP status", str(receipt.http_status)))
    facts.append(("Their answer", components.digest(receipt.body_sha256)))
    return CustodyStep(
        what=f"Confirmed by the external {what}" if is_ok else f"The external {what} failed",
        who=told.get("provider"),
        at=receipt.finished_at,
        state="complete" if is_ok else "failed",
        digest=told.get("package_sha256") or told.get("wrapped_digest"),
        detail="" if is_ok else reason_of(receipt.outcome),
        facts=facts,
    )


def _receipt_value(name: str, value: Any) -> Any:
    return components.when(value) if name == "lock_until" else components.identifier(value)


def _not_asked(what: str, status: str) -> CustodyStep:
    reasons = {
        SKIPPED: "The export did not ask for it.",
        DISABLED: "The export asked for it, but no such service is configured.",
        "": "This package was made before outside services were asked.",
    }
    return CustodyStep(
        what=f"Not sent to an external {what}",
        state="unknown",
        detail=reasons.get(status, status),
    )


def vault_steps(package: Package, kept: Kept, cast: Cast) -> Iterator[CustodyStep]:
    """The deposit and its first lock; or that there is none, and why."""
    copy = kept.copy
    if copy is None:
        if package.is_complete:
            yield _not_deposited(package)
        return
    found = next((item for item in kept.objects if item.name == copy.package_name), None)
    first = kept.locks[0] if kept.locks else None
    yield CustodyStep(
        what=f"Deposited in {_MODES[VaultMode(copy.mode)]}",
        who=cast.who(first.actor_id) if first else None,
        at=copy.deposited_at,
        state="complete",
        role=_role(cast, first, package),
        digest=found.sha256 if found else None,
        detail="Every file was read back and compared before this was recorded.",
        facts=[
            ("Folder", components.identifier(copy.folder)),
            ("Files", f"{len(kept.objects)}, listed below"),
            ("Protection", found.protection if found else components.NOTHING),
            ("Encrypted", _encryption(copy)),
        ],
    )
    if first is not None:
        yield lock_step(first, package, cast)


def _not_deposited(package: Package) -> CustodyStep:
    if package.vault_mode == VaultMode.NONE:
        return CustodyStep(
            what="Not deposited",
            state="unknown",
            detail="Vault mode none: the export asked for no copy in a vault. Only the working"
            " copy exists, which no lock protects.",
        )
    return CustodyStep(
        what="Not deposited",
        state="inconclusive",
        detail=f"The package was to lie in {_MODES[VaultMode(package.vault_mode)]}, and no copy"
        " is recorded. Have the vault audited.",
    )


def lock_step(lock: VaultLock, package: Package, cast: Cast) -> CustodyStep:
    """One state of the lock."""
    facts: list[tuple[str, Any]] = [
        ("Until", components.when(lock.retain_until)),
        ("Policy", components.identifier(lock.retention_policy)),
        ("Legal holds", ", ".join(lock.legal_holds) or "None"),
        ("Record", components.identifier(lock.name)),
    ]
    return CustodyStep(
        what="Locked" if lock.number == 1 else f"Lock changed, state {lock.number}",
        who=cast.who(lock.actor_id),
        at=lock.locked_at,
        state="sealed",
        role=_role(cast, lock, package),
        digest=lock.sha256,
        facts=facts,
    )


def _role(cast: Cast, lock: VaultLock | None, package: Package) -> str | None:
    if lock is None:
        return None
    return cast.role(cast.who(lock.actor_id), lock.locked_at, package.client_id)


def _encryption(copy: VaultCopy) -> str:
    return f"Yes, key service {copy.encryption}" if copy.encryption else "No"


# --- tables ---------------------------------------------------------------------------------------


def file_rows(kept: Kept) -> list[tuple[Any, ...]]:
    """Each file in the vault: name, size, digest, protection as read back, until when, since."""
    return [
        (
            components.identifier(item.name),
            columns.size(item.size_bytes),
            components.digest(item.sha256),
            _protection(item),
            components.when(item.retain_until),
            components.when(item.stored_at),
        )
        for item in kept.objects
    ]


def _protection(item: VaultObject) -> SafeString:
    parts = [(item.protection,)]
    if item.version_id:
        parts.append((format_html("version <code>{}</code>", item.version_id),))
    return format_html_join(", ", "{}", parts)


FILE_COLUMNS = ("File", "Size", "Digest", "Protection", "Locked until", "Stored")
