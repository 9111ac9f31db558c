"""The documents of the vault (docs/formats.md, "Vault"): one place to import them from."""

from __future__ import annotations

from evidence.formats.vault_envelope import KmsEnvelope
from evidence.formats.vault_lock import LockSequenceRefused, WormLock, ruling
from evidence.formats.vault_receipt import Checked, Copy, CopyKind, WormReceipt

__all__ = [
    "Checked",
    "Copy",
    "CopyKind",
    "KmsEnvelope",
    "LockSequenceRefused",
    "WormLock",
    "WormReceipt",
    "ruling",
]
