"""Takes away what was left aside when a process died just after it had done its work."""

from __future__ import annotations

import shutil
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import structlog
from django.conf import settings

from reports.models import Packet, PacketStatus
from reports.services import countersigned_files, writing

# What nobody knows of may be somebody's who is at work.
_STRANGE_AFTER_SECONDS: Final = 86_400
log = structlog.get_logger(__name__)


def sweep() -> int:
    """Takes away folders of `EVIDENCE_PACKAGE_DIR/.packets` that nobody needs any more.

    Those of packets that are being made or that failed are left to their runs.

    Returns:
        How many it were.
    """
    count = 0
    for folder in list(_folders()):
        if _is_needed(folder):
            continue
        try:
            shutil.rmtree(folder)
        except OSError as error:
            log.warning("left in the working folder", name=folder.name, reason=str(error))
        else:
            count += 1
    return count


def _folders() -> Iterator[Path]:
    above = Path(settings.EVIDENCE_PACKAGE_DIR) / writing.MAKING
    if above.is_dir():
        yield from sorted(path for path in above.iterdir() if path.is_dir())


def _is_needed(folder: Path) -> bool:
    name, _, is_countersigned = folder.name.partition(".")
    packet = _packet_of(name)
    if packet is None:
        return not _is_old(folder)
    if not is_countersigned:
        return packet.status != PacketStatus.COMPLETE
    if not countersigned_files.entries(packet):
        return not _is_old(folder)
    return not countersigned_files.is_finished(packet)


def _packet_of(name: str) -> Packet | None:
    try:
        return Packet.objects.select_related("deposit").filter(pk=uuid.UUID(name)).first()
    except ValueError:
        return None


def _is_old(folder: Path) -> bool:
    return time.time() - folder.stat().st_mtime > _STRANGE_AFTER_SECONDS
