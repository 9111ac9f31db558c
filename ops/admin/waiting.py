"""The card of the desk that says what waits for the viewer's decision."""

from __future__ import annotations

from django.http import HttpRequest
from django.urls import reverse

from access.admin import components, desk
from access.admin.components import Tone
from access.admin.desk import CardData
from ops import approvable
from ops.admin.approval_filters import WAITS_FOR_ME, waiting_for
from ops.admin.approvals import of_current_client

TITLE = "Waiting for my decision"
SHOWN = 100


def card(request: HttpRequest) -> CardData | None:
    """How many requests wait for the viewer, and since when; nothing for those who never decide."""
    decides = {act.approve for act in approvable.all_acts()}
    if not any(desk.scope_of(request, action) for action in decides):
        return None
    waiting = of_current_client(request, waiting_for(request.user))
    times = list(waiting.values_list("created_at", flat=True)[:SHOWN])
    address = reverse("admin:ops_approval_changelist")
    if not times:
        return CardData(TITLE, "Nothing", state=Tone.VERIFIED, url=address)
    return CardData(
        title=TITLE,
        value=f"{len(times)}" if len(times) < SHOWN else f"{SHOWN} or more",
        detail=f"The oldest was asked for {components.ago(times[0])}.",
        state=Tone.WAITING,
        url=f"{address}?whose={WAITS_FOR_ME}",
    )
