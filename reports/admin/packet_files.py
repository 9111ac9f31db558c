"""The files of a packet as its page lists them."""

from __future__ import annotations

from typing import Any

from django.urls import reverse
from django.utils.html import format_html

from access.admin import components
from evidence.admin.columns import size
from reports.admin import columns
from reports.formats import names
from reports.models import Packet

COLUMNS = ("File", "What it is", "Size", "Digest")


def names_of(packet: Packet) -> list[str]:
    """The names of a packet's files; those of the countersignature once there is one."""
    return [row["name"] for row in _files(packet)]


def newest_pdf(packet: Packet) -> str:
    """The name of the PDF to read: the countersigned one as soon as it is there."""
    found = names.files(packet.name)
    return found.countersigned if columns.is_countersigned(packet) else found.pdf


def rows(packet: Packet, *, may_take: bool) -> list[tuple[Any, ...]]:
    """Each file: its name (with the way to take it), what it is, its size and digest."""
    return [
        (
            _name(packet, row["name"], may_take),
            row["what"],
            size(row["size_bytes"]),
            components.digest(row["sha256"]),
        )
        for row in _files(packet)
    ]


def _name(packet: Packet, name: str, may_take: bool) -> Any:
    shown = components.identifier(name)
    if not may_take:
        return shown
    url = reverse("admin:reports_packet_download", args=[packet.pk])
    return format_html('<a href="{}?file={}">{}</a>', url, name, shown)


def _files(packet: Packet) -> list[dict[str, Any]]:
    if not packet.is_complete:
        return []
    known = names.files(packet.name)
    what = {
        known.json: "The packet: every number with its source",
        known.json_sig: "The service’s signature over the JSON",
        known.pdf: "The packet to read, signed by the service",
        known.pdf_sig: "The service’s signature over the PDF",
    }
    found = [{**row, "what": what.get(row["name"], "")} for row in packet.files]
    if not columns.is_countersigned(packet):
        return found
    second = packet.countersignature
    return [
        *found,
        {
            "name": known.countersigned,
            "size_bytes": second.pdf_size_bytes,
            "sha256": second.pdf_sha256,
            "what": "The PDF with both signatures",
        },
        {
            "name": known.countersigned_sig,
            "size_bytes": None,
            "sha256": second.sig_sha256,
            "what": "The service’s signature over it",
        },
    ]
