"""Packages, their signatures and countersignatures, and what lies in the vault."""

from evidence.models.deposit import (
    Artifact,
    Deposit,
    DepositIntent,
    DepositKind,
    DepositLock,
    DepositObject,
)
from evidence.models.package import CountersignEntry, Package, PackageStatus, Signature
from evidence.models.vault import (
    PackageTimestamp,
    Receipt,
    ReceiptKind,
    VaultCopy,
    VaultLock,
    VaultObject,
)

__all__ = [
    "Artifact",
    "CountersignEntry",
    "Deposit",
    "DepositIntent",
    "DepositKind",
    "DepositLock",
    "DepositObject",
    "Package",
    "PackageStatus",
    "PackageTimestamp",
    "Receipt",
    "ReceiptKind",
    "Signature",
    "VaultCopy",
    "VaultLock",
    "VaultObject",
]
