"""What this room adds to the desk: its pages, what waits and what failed, packets and controls."""

from __future__ import annotations

from django.http import HttpRequest
from django.urls import reverse

from access.admin import components, desk
from access.admin.components import Tone
from access.admin.desk import CardData, DeskCard, DeskPanel, NavItem, PanelData, Section
from access.admin.site import site
from access.roles import Action
from reports import selectors
from reports.admin import columns, heat, job_pages
from reports.admin.control_pages import ControlAdmin
from reports.admin.packets import PacketAdmin
from reports.models import Control, Packet

LIST = "admin:reports_packet_changelist"
SHOWN, MOST = 6, 100


def connect() -> None:
    """Registers pages, navigation, cards and tables; called once, at start-up."""
    site.register(Packet, PacketAdmin)
    site.register(Control, ControlAdmin)
    job_pages.connect()
    desk.register_nav(NavItem(Section.PACKETS, "Packets", LIST, Action.VIEW, 10))
    desk.register_nav(
        NavItem(Section.CONTROLS, "Controls", "admin:reports_control_changelist", Action.VIEW, 10)
    )
    desk.register_card(DeskCard(11, waiting_card))
    desk.register_card(DeskCard(41, failed_card))
    desk.register_panel(DeskPanel(15, heat.panel))
    desk.register_panel(DeskPanel(21, packets_panel))


def waiting_card(request: HttpRequest) -> CardData | None:
    """Packets that wait for the viewer's countersignature; nothing for those who never sign."""
    if not desk.scope_of(request, Action.COUNTERSIGN):
        return None
    title = "Packets for my countersignature"
    waiting = selectors.awaiting_countersignature(request.user).order_by("created_at")
    ages = list(waiting.values_list("created_at", flat=True)[:MOST])
    if not ages:
        return CardData(title, "None", state=Tone.VERIFIED)
    return CardData(
        title=title,
        value=f"{len(ages)}" if len(ages) < MOST else f"{MOST} or more",
        detail=f"The oldest was made {components.ago(ages[0])}.",
        state=Tone.WAITING,
        url=f"{reverse(LIST)}?waiting=me",
    )


def failed_card(request: HttpRequest) -> CardData | None:
    """Packets that could not be made; only where there are any."""
    failed = selectors.failed(request.user).order_by("-created_at")
    times = list(failed.values_list("created_at", flat=True)[:MOST])
    if not times:
        return None
    return CardData(
        title="Packets that could not be made",
        value=f"{len(times)}" if len(times) < MOST else f"{MOST} or more",
        detail=f"The last attempt was {components.ago(times[0])}.",
        state=Tone.REFUSED,
        url=f"{reverse(LIST)}?state=failed",
    )


def packets_panel(request: HttpRequest) -> PanelData | None:
    """The newest packets with their signatures."""
    if not desk.scope_of(request, Action.VIEW):
        return None
    found = columns.with_signatures(selectors.visible(request.user))
    if chosen := desk.current_client(request):
        found = found.filter(client_id=chosen)
    rows = [
        (
            columns.link(packet),
            columns.client(packet),
            columns.state(packet),
            columns.signatures(packet),
            components.when(packet.generated_at),
        )
        for packet in found.order_by("-created_at", "-id")[:SHOWN]
    ]
    return PanelData(
        title="Last packets",
        columns=("Packet", "Client", "State", "Signatures", "Generated"),
        rows=rows,
        empty="The packets of each month will be listed here.",
        url=reverse(LIST),
    )
