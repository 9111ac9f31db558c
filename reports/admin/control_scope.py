"""Whose controls a page shows, and over which period: from the address, or a sensible default."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from django.contrib.admin.utils import quote
from django.http import Http404, HttpRequest
from django.urls import reverse

from access import policy
from access.admin import desk
from access.denials import mark_denied
from access.models import Client
from access.roles import Action
from reports.admin import columns, months
from reports.formats.period import Period
from reports.models import Control

PLATFORM: Final = "platform"
LIST: Final = "admin:reports_control_changelist"


@dataclass(frozen=True, slots=True)
class Chosen:
    """Whose controls, over which month.

    Attributes:
        key: the client as addresses name it, ``platform`` for the installation.
        name: what people call it.
    """

    key: str
    name: str
    period: Period

    @property
    def client_id(self) -> str | None:
        """The client; None for the installation."""
        return None if self.key == PLATFORM else self.key

    @property
    def query(self) -> str:
        """The same choice as the end of an address."""
        return urlencode({"client": self.key, "month": months.text_of(self.period)})

    def list_url(self) -> str:
        """The list of controls for this choice."""
        return f"{reverse(LIST)}?{self.query}"

    def page_url(self, control: Control, act: str = "change") -> str:
        """The page of a control, or of an act on it, for this choice."""
        address = reverse(f"admin:reports_control_{act}", args=[quote(control.pk)])
        return f"{address}?{self.query}"


def clients_of(request: HttpRequest) -> list[tuple[str, str]]:
    """Keys and names of the clients whose assessments the viewer may see, the platform last."""
    rows = policy.visible(Client.objects.order_by("name"), request.user, field="id")
    found = [(str(client.pk), client.name) for client in rows]
    if policy.can(request.user, Action.VIEW, None):
        found.append((PLATFORM, columns.PLATFORM))
    return found


def chosen(request: HttpRequest, among: list[tuple[str, str]] | None = None) -> Chosen | None:
    """What the address asks for; else the client of the header, the installation, or the first.

    None for those who may see nobody's.

    Raises:
        Http404: the address names a client that is out of the viewer's reach.
    """
    known = dict(clients_of(request) if among is None else among)
    if not known:
        return None
    key = request.GET.get("client") or _usual(request, known)
    if key not in known:
        mark_denied(request, "not_found")
        raise Http404
    period = months.of_text(request.GET.get("month", "")) or months.last_month()
    return Chosen(key, known[key], period)


def month_choices(period: Period) -> list[tuple[str, str]]:
    """The months that a page offers; the shown one is among them, however old it is."""
    offered = months.choices()
    mine = (months.text_of(period), months.words(period))
    return offered if mine in offered else [mine, *offered]


def _usual(request: HttpRequest, known: dict[str, str]) -> str:
    current = desk.current_client(request)
    if current in known:
        return str(current)
    return PLATFORM if PLATFORM in known else next(iter(known))
