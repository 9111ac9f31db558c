"""A packet's document for pages that show it: read as it was recorded, and never handed out.

Reading a page is no download: the page is made of the document, and no file of it leaves. Whoever
takes a file goes by `reports.services.files.read`, which records it.
"""

from __future__ import annotations

from typing import Any

from reports.formats import document as documents
from reports.formats import names
from reports.models import Packet
from reports.services import files


def document_of(packet: Packet) -> dict[str, Any]:
    """What the packet says. The caller has made sure that whoever reads it may see the packet.

    Raises:
        PacketUnfinished: it was not made to its end.
        FileMissing: its JSON is not where it was put, nor in the vault as it was.
        DocumentRefused: it is no packet.
    """
    raw, _ = files.look(packet, names.files(packet.name).json)
    return documents.parse(raw)
