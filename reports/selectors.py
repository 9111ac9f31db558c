"""Reads packets for lists, cards and pages."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import Exists, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from access import policy
from access.roles import Action
from audit.events import Actor
from evidence.formats.names import PLATFORM, is_client_folder
from reports.formats.names import is_packet_name
from reports.models import Packet, PacketStatus
from reports.services.errors import PacketNotFound, RequestRefused
from sealing.errors import Forbidden

# A packet that has been written for longer than this was interrupted.
STALE_AFTER: Final = timedelta(minutes=30)


def packets(
    *,
    actor: Actor,
    client_id: str | None = None,
    status: str | None = None,
    framework: str | None = None,
    since: datetime | None = None,
) -> QuerySet[Packet]:
    """The packets that the actor may see, newest first; with ``since``, those made from then on.

    Raises:
        Forbidden: The actor has no role anywhere.
        PacketNotFound: The client is not in the actor's scope.
        RequestRefused: There is no such status.
    """
    scope = policy.scope(actor.account, Action.VIEW)
    if not scope:
        raise Forbidden("Your roles do not allow this.")
    found = visible(actor.account).select_related(
        "client",
        "maker",
        "signing_key",
        "run",
        "deposit",
        "countersignature__key",
        "countersignature__person",
    )
    if client_id is not None:
        if not is_client_folder(client_id) or not scope.covers(client_id):
            raise PacketNotFound("There is no such client among those that you may see.")
        found = found.filter(client_id=client_id)
    if status is not None:
        if status not in PacketStatus.values:
            raise RequestRefused(f"One of {', '.join(PacketStatus.values)}.", field="status")
        found = found.filter(status=status)
    if since is not None:
        found = found.filter(created_at__gte=since)
    return found if framework is None else found.filter(framework=framework)


def visible(user: Any, among: QuerySet[Packet] | None = None) -> QuerySet[Packet]:
    """The packets that an account may look at: of its clients, or those that it asked for."""
    own = Q(maker_account_id=getattr(user, "pk", None))
    return policy.visible(Packet.objects.all() if among is None else among, user, own=own)


def by_name(*, actor: Actor, name: str, action: Action = Action.VIEW) -> Packet:
    """The packet of that name: the one that was made, or is being made, or else the last that
    failed.

    Raises:
        PacketNotFound: There is none that the actor may see.
        Forbidden: It can be seen, but ``action`` needs another role.
    """
    known = Packet.objects.filter(name=name) if is_packet_name(name) else Packet.objects.none()
    packet = (
        known.exclude(status=PacketStatus.FAILED).first() or known.order_by("-created_at").first()
    )
    if packet is None or not may_see(actor, packet):
        raise PacketNotFound("There is no such packet among those that you may see.")
    policy.require(actor.account, action, packet.client_id, own=is_own(actor, packet))
    return packet


def may_see(actor: Actor, packet: Packet) -> bool:
    """Whether the actor may look at a packet."""
    own = is_own(actor, packet)
    return policy.can(actor.account, Action.VIEW, packet.client_id, own=own)


def is_own(actor: Actor, packet: Packet) -> bool:
    """Whether the account asked for the packet: some roles see nothing else."""
    return actor.account is not None and packet.maker_account_id == actor.account.pk


def awaiting_countersignature(user: Any) -> QuerySet[Packet]:
    """Packets that ``user`` could countersign and that lack a countersignature."""
    person_id = getattr(user, "person_id", None)
    if person_id is None:
        return Packet.objects.none()
    # In SQL null is not among any: what the schedule made has no maker, and stays in.
    same_human = Q(maker__isnull=False, maker_id__in=policy.people_of(person_id))
    return (
        policy.visible(Packet.objects.all(), user, action=Action.COUNTERSIGN)
        .filter(
            status=PacketStatus.COMPLETE,
            required_countersignatures__gt=0,
            countersignature__isnull=True,
        )
        .exclude(same_human)
    )


def failed(user: Any) -> QuerySet[Packet]:
    """Packets that failed and were not made since, or were interrupted and never taken up again."""
    stale = timezone.now() - STALE_AFTER
    scope = ("framework", "period_start", "period_end", "whose")
    whose = Coalesce("client_id", Value(PLATFORM))
    made = Packet.objects.annotate(whose=whose).filter(
        status=PacketStatus.COMPLETE,
        created_at__gt=OuterRef("created_at"),
        **{name: OuterRef(name) for name in scope},
    )
    has_failed = Q(status=PacketStatus.FAILED) & ~Exists(made)
    has_stopped = Q(status=PacketStatus.WRITING, created_at__lt=stale)
    return visible(user).annotate(whose=whose).filter(has_failed | has_stopped)
