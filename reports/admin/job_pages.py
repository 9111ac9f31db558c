"""The packet job on the pages of jobs and runs: what is asked for, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.html import format_html, format_html_join

from access.admin import components
from access.models import Client
from ops.admin import facts
from ops.admin.facts import Facts, Pages
from ops.models import Run
from reports.admin import columns
from reports.models import Packet
from reports.services.packets import JOB_TYPE


def connect() -> None:
    """Says how packet jobs are shown; called once, at start-up."""
    facts.register(JOB_TYPE, Pages(asked=asked, came=came))


def asked(payload: Mapping[str, Any]) -> Facts:
    """What each run makes, in words."""
    if not payload:
        return [
            ("Packets", "The installation’s, and one for each active client"),
            ("Period", "The month before, in UTC"),
        ]
    found: Facts = [
        ("Client", _client(payload["client_id"])),
        ("From", components.when(payload["period_start"])),
        ("Up to", components.when(payload["period_end"])),
    ]
    if payload.get("revise"):
        found += [("Revision", "Yes, though there is a packet"), ("Reason", payload["reason"])]
    return found


def came(run: Run) -> Facts:
    """Each packet that the run made, with its state."""
    made = columns.with_signatures(Packet.objects.filter(run=run)).order_by("name")
    found: Facts = [(columns.client(packet), _standing(packet)) for packet in made]
    return found or facts.plain(run.result_summary)


def _standing(packet: Packet) -> Any:
    parts: list[tuple[Any]] = [(columns.link(packet),), (columns.state(packet),)]
    if packet.error_message:
        parts.append((packet.error_message,))
    return format_html_join(" ", "{}", parts)


def _client(client_id: str | None) -> Any:
    if client_id is None:
        return columns.PLATFORM
    known = Client.objects.filter(pk=client_id).first()
    return known.name if known else format_html("<code>{}</code>", client_id)
