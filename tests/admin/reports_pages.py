"""What the tests of packets' and controls' pages share: browsers, and packets made quickly."""

from __future__ import annotations

import io
from typing import Any

import pytest
from django.test import Client as Browser

from reports.models import Packet
from tests.factories import World

PACKETS = "/admin/reports/packet/"
CONTROLS = "/admin/reports/control/"


def browser(world: World, username: str) -> Browser:
    """Somebody who has signed in."""
    found = Browser()
    found.force_login(world.user(username))
    return found


def page(world: World, username: str, address: str, status: int = 200) -> str:
    """The text of a page as somebody sees it, without the places where words may be broken."""
    response = browser(world, username).get(address)
    assert response.status_code == status, response.content.decode()[:2000]
    return text_of(response)


def text_of(response: Any) -> str:
    """The page; long words have places where they may be broken."""
    text: str = response.content.decode()
    return text.replace("<wbr>", "")


def address(packet: Packet, act: str = "change") -> str:
    """The address of a packet's page, or of an act on it."""
    return f"{PACKETS}{packet.pk}/{act}/"


def control(control_id: str, act: str = "change", query: str = "") -> str:
    """The address of a control's page, or of an act on it."""
    return f"{CONTROLS}SOC2_3A{control_id}/{act}/{query}"


def small_pdf(document: dict[str, Any], *, json_sha256: str, **more: Any) -> bytes:
    """A PDF of one page that names its JSON, where it does not matter what else is on it."""
    from reportlab.pdfgen.canvas import Canvas

    raw = io.BytesIO()
    canvas = Canvas(raw, invariant=True)
    canvas.setSubject(f"{document['packetId']}, JSON packet {json_sha256}")
    canvas.drawString(72, 720, "A packet of a test")
    canvas.save()
    return raw.getvalue()


def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Packets are made without another process: their PDF is drawn at once."""
    from reports.services import making

    monkeypatch.setattr(making, "render", small_pdf)
