"""What this room adds to the desk: its pages, two cards and a table."""

from __future__ import annotations

from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html

from access import policy
from access.admin import components
from access.admin.components import Tone
from access.admin.desk import (
    CardData,
    DeskCard,
    DeskPanel,
    NavItem,
    PanelData,
    Section,
    current_client,
    register_card,
    register_nav,
    register_panel,
)
from access.admin.site import site
from access.roles import Action
from evidence import selectors
from evidence.admin import columns, job_pages
from evidence.admin.packages import PackageAdmin
from evidence.models import Package

LIST = "admin:evidence_package_changelist"
SHOWN = 6


def connect() -> None:
    """Registers pages, navigation, cards and table; called once, at start-up."""
    site.register(Package, PackageAdmin)
    job_pages.connect()
    register_nav(NavItem(Section.PACKAGES, "Packages", LIST, Action.VIEW, order=10))
    register_card(DeskCard(10, waiting_card))
    register_card(DeskCard(40, failed_card))
    register_panel(DeskPanel(20, packages_panel))


def waiting_card(request: HttpRequest) -> CardData | None:
    """What waits for the viewer's countersignature; nothing for those who never sign."""
    if not policy.scope(request.user, Action.COUNTERSIGN):
        return None
    waiting = selectors.awaiting_countersignature(request.user).order_by("created_at")
    ages = list(waiting.values_list("created_at", flat=True)[:100])
    if not ages:
        return CardData("Waiting for my countersignature", "Nothing", state=Tone.VERIFIED)
    return CardData(
        title="Waiting for my countersignature",
        value=f"{len(ages)}" if len(ages) < 100 else "100 or more",
        detail=f"The oldest was made {components.ago(ages[0])}.",
        state=Tone.WAITING,
        url=f"{reverse(LIST)}?waiting=me",
    )


def failed_card(request: HttpRequest) -> CardData | None:
    """Exports that did not end well."""
    if not policy.scope(request.user, Action.VIEW):
        return None
    failed = selectors.failed(request.user).order_by("-created_at")
    times = list(failed.values_list("created_at", flat=True)[:100])
    if not times:
        return CardData("Failed exports", "None", state=Tone.VERIFIED)
    return CardData(
        title="Failed exports",
        value=f"{len(times)}" if len(times) < 100 else "100 or more",
        detail=f"The last one was {components.ago(times[0])}.",
        state=Tone.REFUSED,
        url=f"{reverse(LIST)}?outcome=failed",
    )


def packages_panel(request: HttpRequest) -> PanelData | None:
    """The newest packages with their signatures."""
    if not policy.scope(request.user, Action.VIEW):
        return None
    found = columns.with_counts(selectors.visible(request.user).select_related("client"))
    if chosen := current_client(request):
        found = found.filter(client_id=chosen)
    rows = [
        (
            format_html(
                '<a href="{}">{}</a>',
                reverse("admin:evidence_package_change", args=[package.pk]),
                package.bundle_id,
            ),
            columns.client(package),
            columns.state(package),
            columns.signatures(package),
            components.when(package.created_at),
        )
        for package in found.order_by("-created_at")[:SHOWN]
    ]
    return PanelData(
        title="Last packages",
        columns=("Package", "Client", "State", "Signatures", "Made"),
        rows=rows,
        empty="The packages that are made will be listed here.",
        url=reverse(LIST),
    )
