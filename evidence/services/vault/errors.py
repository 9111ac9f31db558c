"""What the vault refuses or can't do, each with a stable code."""

from __future__ import annotations

from audit.events import EventType
from sealing.errors import Conflict, IntegrityFailure, Invalid, StrongroomError, Unavailable


class VaultUnavailable(Unavailable):
    """The vault is full, read-only, without rights, or can't be reached."""

    code = "vault_unavailable"


class VaultDiffers(IntegrityFailure):
    """What lies in the vault is not what was put there, or is to be put there."""

    code = "vault_differs"


class NotInVault(Conflict):
    """The package has no copy in a vault."""

    code = "not_in_vault"


class RetentionNotExtended(Invalid):
    """The end of a lock that was asked for is none that could be set."""

    code = "retention_not_extended"


def event_of(error: StrongroomError) -> EventType:
    """What is recorded where countersigned files did not get into the vault.

    Only where something else lies in their place does the vault differ; otherwise they are late,
    and the vault's audit makes up for it.
    """
    if isinstance(error, VaultDiffers):
        return EventType.EVIDENCE_VAULT_DIFFERS
    return EventType.EVIDENCE_VAULT_DELAYED
