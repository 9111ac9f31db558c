"""What a control rests on: the figures of its packet, and the artefacts that were uploaded."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import QuerySet
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from access.admin import components
from audit.events import Actor
from evidence.admin.columns import size
from evidence.models import Artifact
from reports import catalogue
from reports.admin import columns, packet_page
from reports.admin.control_scope import Chosen
from reports.facts import registry
from reports.models import Control
from reports.services import controls, packets, showing
from sealing.errors import StrongroomError

SHOWN = 50


def of_control(control: Control, chosen: Chosen) -> dict[str, Any]:
    """The figures that packets show for it, with their values in the period's newest packet."""
    packet = packets.find(client_id=chosen.client_id, period=chosen.period)
    values: dict[str, Any] = {}
    if packet is not None:
        try:
            values = showing.document_of(packet)["facts"]
        except StrongroomError:
            # The packet's own page says what is wrong with it; here it has no figures to show.
            packet = None
    return {
        "packet": packet,
        "packet_state": columns.state(packet) if packet is not None else None,
        "facts": [_fact(name, values) for name in _names(control)],
    }


def _names(control: Control) -> tuple[str, ...]:
    return catalogue.control(control.framework, control.control_id).facts


def _fact(name: str, values: dict[str, Any]) -> dict[str, Any]:
    known = {fact.name: fact for fact in registry.all_facts()}
    found = values.get(name)
    return {
        "name": name,
        "label": known[name].label if name in known else name,
        "value": packet_page.value_of(found) if found else "—",
        "source": packet_page.source_of(found["source"]) if found else "",
    }


def artifacts(actor: Actor, control: Control, chosen: Chosen) -> list[dict[str, Any]]:
    """The artefacts of a control for a client, and the platform's, the newest first."""
    found = controls.evidence_for(
        actor=actor,
        framework=control.framework,
        control_id=control.control_id,
        client_id=chosen.client_id,
    )
    return [_artifact(row) for row in found.select_related("client")[:SHOWN]]


def _artifact(row: Artifact) -> dict[str, Any]:
    return {
        "title": _title(row),
        "of": columns.client(row),
        "period": columns.period(row),
        "digest": components.digest(row.sha256),
        "size": size(row.size_bytes),
        "received": components.when(row.created_at),
    }


def _title(row: Artifact) -> SafeString:
    url = reverse("admin:evidence_artifact_change", args=[row.pk])
    return format_html('<a href="{}">{}</a>', url, row.title)


def to_tick(found: QuerySet[Artifact] | Iterable[Artifact]) -> list[tuple[str, Any]]:
    """The artefacts as choices: what each is, and of which days."""
    return [
        (
            str(row.pk),
            format_html(
                '{} <span class="account">{} · {}{}</span>',
                row.title,
                columns.period(row),
                row.file_name,
                "" if row.client_id else " · of the installation",
            ),
        )
        for row in found
    ]
