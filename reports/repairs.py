"""What this room makes up when the vault is audited."""

from __future__ import annotations

from audit.events import Actor
from evidence.services.vault import making_up
from evidence.services.vault.making_up import MadeUp, MakeUp
from reports.services import countersigned_files, sweeping
from sealing.errors import StrongroomError


def connect() -> None:
    """Registers it."""
    making_up.register(MakeUp("countersigned packets", _finish))


def _finish(actor: Actor) -> MadeUp:
    """Puts the files of countersignatures in their place that were interrupted or refused, and
    takes away what nobody needs any more."""
    repaired, failures = [], []
    for packet in countersigned_files.unfinished():
        try:
            countersigned_files.finish(packet)
        except StrongroomError as error:
            failures.append((packet.name, error.message))
        else:
            repaired.append(f"{packet.name}: its countersigned files")
    sweeping.sweep()
    return MadeUp(tuple(repaired), tuple(failures))
