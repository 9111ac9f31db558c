"""Packages, their signatures and countersignatures, and their copies in the vault."""

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
    "CountersignEntry",
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
