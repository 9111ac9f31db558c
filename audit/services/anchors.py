"""The newest checkpoint in the archive: what the signer remembers beyond the database's reach."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import structlog

from audit.formats import checkpoint as formats
from audit.formats.checkpoint import Checkpoint
from audit.formats.segment import CHECKPOINT_SUFFIX
from audit.services import keys
from audit.services.objects import original
from sealing.stores.base import Store

# A log that is alive leaves a heartbeat every hour; further back everything is looked through.
RECENT_DAYS = 7
log = structlog.get_logger(__name__)


def newest(store: Store, *, known: str = "") -> Checkpoint | None:
    """The largest checkpoint that the archive holds and that one of our keys signed.

    One that no key of ours signed is left to the verifier, which reports it: it proves nothing
    about this log.

    Args:
        store: the archive.
        known: the stem of a segment that is archived for certain; what sorts before it in its
            folder need not be listed.

    Raises:
        StoreUnavailable, StoreDenied.
    """
    now = datetime.now(UTC)
    days = [now + timedelta(days=1) - timedelta(days=n) for n in range(RECENT_DAYS + 2)]
    for day in days:
        folder = f"{day:%Y/%m/%d}/"
        found = _largest(store, _names(store, known, folder, f"heartbeat/{folder}"))
        if found is not None:
            return found
    return _largest(store, _names(store, "", ""))


def _names(store: Store, known: str, *prefixes: str) -> Iterator[str]:
    """The last checkpoint below each prefix, and in the whole archive the last of each folder."""
    for prefix in prefixes:
        last: dict[str, str] = {}
        start = known if prefix and known.startswith(prefix) else ""
        for name in store.iterate(prefix, start_after=start):
            if name.endswith(CHECKPOINT_SUFFIX):
                last["heartbeat" if name.startswith("heartbeat/") else "segment"] = name
        yield from last.values()


def _largest(store: Store, names: Iterator[str]) -> Checkpoint | None:
    found = [item for item in (_read(store, name) for name in names) if item is not None]
    return max(found, key=lambda item: item.size, default=None)


def _read(store: Store, name: str) -> Checkpoint | None:
    raw = store.read(name, version_id=original(store, name))
    checkpoint, findings = formats.open_note(raw, keys.signers())
    if checkpoint is None or any(finding.ok is False for finding in findings):
        log.error("checkpoint in the archive is not ours", name=name)
        return None
    return checkpoint
