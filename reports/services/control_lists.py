"""The controls of a framework for whoever asks how they stand."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils import timezone

from access import policy
from access.roles import Action
from audit.events import Actor
from reports.formats import period as periods
from reports.formats.period import Period
from reports.services import controls, requests
from reports.services.controls import ControlStanding


@dataclass(frozen=True, slots=True)
class Standings:
    """How the controls of a client stand over a period."""

    framework: str
    client_id: str | None
    period: Period
    controls: list[ControlStanding]


def standings(
    *, actor: Actor, framework: str, client_id: str | None = None, period: Period | None = None
) -> Standings:
    """Every control in the scope of packets, in the framework's order.

    Args:
        actor: Who asks.
        framework: Which controls, such as ``SOC2``.
        client_id: Whose; None for the platform.
        period: Over which period; None for the calendar month before this one.

    Raises:
        OutOfScope, Forbidden: The actor may not look at all that is of this client.
        PacketNotFound: There is no such client.
    """
    policy.require(actor.account, Action.VIEW, client_id)
    requests.client_of({"client_id": client_id})
    over = periods.month_before(timezone.now()) if period is None else period
    found = controls.overview(client_id=client_id, framework=framework, period=over)
    return Standings(framework, client_id, over, found)
