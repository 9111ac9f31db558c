"""What a run of the packet job is told: nothing, or one client and period."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db.models import Exists, OuterRef, Q, QuerySet

from access.models import Client
from audit.models import AuditEvent
from audit.services import clock
from evidence.formats.names import is_client_folder
from evidence.services.requests import text
from reports.formats import period as periods
from reports.formats.names import packet_name
from reports.formats.period import Period, PeriodRefused
from reports.models import Framework
from reports.services.errors import PacketNotFound, RequestRefused
from sealing.errors import Invalid
from sealing.times import format_time, parse_rfc3339

MAX_REASON: Final = 1000
_KEYS: Final = ("client_id", "period_start", "period_end", "revise", "reason")


@dataclass(frozen=True, slots=True)
class PacketRequest:
    """One packet that is asked for.

    Attributes:
        client_id: whose; None for the platform.
        revise: a further revision, though there is a packet.
        reason: why there shall be one.
    """

    client_id: str | None
    period: Period
    revise: bool = False
    reason: str = ""

    @property
    def name(self) -> str:
        """The name of the first packet of this client and period."""
        return packet_name(Framework.SOC2, self.client_id, self.period, 1)

    def payload(self) -> dict[str, Any]:
        """As a run carries it."""
        return {
            "client_id": self.client_id,
            "period_start": format_time(self.period.start),
            "period_end": format_time(self.period.end),
            "revise": self.revise,
            "reason": self.reason,
        }


def validated(given: Mapping[str, Any]) -> dict[str, Any]:
    """The payload as it is stored: empty, or with every key.

    Empty means the month before the run, for the platform and every client that was there.

    Raises:
        Invalid: naming the key that can't be accepted. PacketNotFound: there is no such client.
    """
    if not given:
        return {}
    for key in given.keys() - set(_KEYS):
        raise RequestRefused(f"There is no such key; there are {', '.join(_KEYS)}.", field=key)
    request = checked(
        client_id=given.get("client_id"),
        period=_period(given),
        revise=_flag(given, "revise"),
        reason=_text(given, "reason"),
    )
    return request.payload()


def checked(
    *, client_id: str | None, period: Period, revise: bool = False, reason: str = ""
) -> PacketRequest:
    """The request, if it can be carried out.

    Raises:
        Invalid: naming the field. PacketNotFound: there is no such client; the same as for one of
            which nobody may know.
    """
    periods.checked(period)
    for moment, field in ((period.start, "startDate"), (period.end, "endDate")):
        if moment.microsecond:  # names of packets go down to seconds
            raise PeriodRefused("A period begins and ends with a whole second.", field=field)
    if period.start > clock.host_clock():
        raise PeriodRefused("The period has not begun.", field="startDate")
    reason = text(reason, limit=MAX_REASON, field="reason", required=revise).strip()
    if reason and not revise:
        raise RequestRefused("A reason is given for a revision: say revise.", field="reason")
    client_of({"client_id": client_id})
    return PacketRequest(client_id, period, revise, reason)


def of_payload(payload: Mapping[str, Any]) -> PacketRequest | None:
    """What a stored payload asks for; None for all packets of the month before."""
    if not payload:
        return None
    return PacketRequest(
        payload["client_id"], _period(payload), payload["revise"], payload["reason"]
    )


def client_of(payload: Mapping[str, Any]) -> str | None:
    """The client that a run concerns; None for the platform, and for a whole month's packets.

    Raises:
        PacketNotFound: there is no such client.
    """
    client_id = payload.get("client_id")
    if client_id is None:
        return None
    known = isinstance(client_id, str) and is_client_folder(client_id)
    if not known or not Client.objects.filter(pk=client_id).exists():
        raise PacketNotFound(
            "There is no such client among those that you may see.", field="client_id"
        )
    return str(client_id)


def scopes(request: PacketRequest | None, intended_at: datetime) -> list[PacketRequest]:
    """The packets that a run has to make, the platform's first."""
    if request is not None:
        return [request]
    month = periods.month_before(intended_at)
    wanted = _clients(month).filter(_has_packet(month)).values_list("pk", flat=True)
    return [PacketRequest(client_id, month) for client_id in (None, *wanted)]


def left_out(request: PacketRequest | None, intended_at: datetime) -> list[str]:
    """The clients that were there in the month of a run and that it makes no packet for."""
    if request is not None:
        return []
    month = periods.month_before(intended_at)
    return list(_clients(month).exclude(_has_packet(month)).values_list("pk", flat=True))


def _clients(month: Period) -> QuerySet[Client]:
    """Those that were taken in by then: one that came later has nothing to tell of the month."""
    return Client.objects.filter(created_at__lt=month.end).order_by("pk")


def _has_packet(month: Period) -> Q:
    """Active now, or with an event of its own in the month: it may have been closed since."""
    own = AuditEvent.objects.filter(
        client_id=OuterRef("pk"), occurred_at__gte=month.start, occurred_at__lt=month.end
    )
    return Q(is_active=True) | Q(Exists(own))


def _period(given: Mapping[str, Any]) -> Period:
    moments = []
    for key in ("period_start", "period_end"):
        value = given.get(key)
        if not isinstance(value, str):
            raise RequestRefused("A moment with its offset from UTC is expected.", field=key)
        try:
            moments.append(parse_rfc3339(value))
        except Invalid as error:
            raise RequestRefused(error.message, field=key) from error
    return Period(*moments)


def _flag(given: Mapping[str, Any], key: str) -> bool:
    value = given.get(key, False)
    if not isinstance(value, bool):
        raise RequestRefused("true or false is expected.", field=key)
    return value


def _text(given: Mapping[str, Any], key: str) -> str:
    value = given.get(key, "")
    if not isinstance(value, str):
        raise RequestRefused("Text is expected.", field=key)
    return value
