"""What the trail adds to the desk: navigation, the state of the log, recent refusals."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from access import policy
from access.admin import desk
from access.admin.components import Tone, ago, identifier, pill, when
from access.admin.desk import CardData, DeskCard, DeskPanel, NavItem, PanelData, Section
from access.roles import Action
from audit import selectors
from audit.events import RECORDER, EventType
from audit.models import AuditEvent
from audit.selectors import LogStatus
from sealing.errors import StrongroomError
from sealing.results import Verdict

# A worker that runs seals within a second and signs once a minute.
UNSEALED_TOO_LONG = timedelta(minutes=1)
CHECKPOINT_TOO_OLD = timedelta(minutes=15)
REFUSALS = 5
REFUSED = (
    EventType.ACCESS_DENIED,
    EventType.ACCESS_LOGIN_FAILED,
    EventType.EVIDENCE_PACKAGE_COUNTERSIGN_REFUSED,
)


def connect() -> None:
    """Registers everything; called once at start-up."""
    from audit.admin import events, log, signing_keys

    for module in (events, log, signing_keys):
        module.connect()
    trail = Section.AUDIT_TRAIL
    for item in (
        NavItem(trail, "Events", "admin:audit_auditevent_changelist", Action.VIEW, 10),
        NavItem(trail, "Checkpoints", "admin:audit_checkpoint_changelist", Action.VERIFY, 20),
        NavItem(
            trail, "Verifications", "admin:audit_verificationrun_changelist", Action.VERIFY, 30
        ),
        NavItem(
            trail,
            "Outbox",
            "admin:audit_pendingevent_changelist",
            Action.VIEW,
            40,
            platform=True,
        ),
        NavItem(
            Section.ADMINISTRATION,
            "Signing keys",
            "admin:audit_signingkey_changelist",
            Action.VIEW_KEYS,
            50,
        ),
    ):
        desk.register_nav(item)
    desk.register_card(DeskCard(20, state_of_the_log))
    desk.register_panel(DeskPanel(80, recent_refusals))


def state_of_the_log(request: HttpRequest) -> CardData | None:
    """Whether the trail is whole: head, last verification, last checkpoint, what waits."""
    if not policy.scope(request.user, Action.VERIFY):
        return None
    title = "Is the trail whole"
    try:
        now = selectors.status()
    except StrongroomError as error:
        return CardData(title, "It does not add up", error.message, Tone.REFUSED)
    value, tone = _judged(now)
    return CardData(
        title,
        value,
        _detail(now),
        tone,
        reverse("admin:audit_verificationrun_changelist"),
    )


def _judged(now: LogStatus) -> tuple[str, Tone]:
    verified, signed = now.last_verification, now.last_checkpoint
    if verified is not None and verified.verdict == Verdict.INVALID:
        return "It does not verify", Tone.REFUSED
    if now.set_aside:
        return "Events were set aside", Tone.ATTENTION
    moment = timezone.now()
    if now.oldest_unsealed_at and moment - now.oldest_unsealed_at > UNSEALED_TOO_LONG:
        return "Sealing stands still", Tone.ATTENTION
    if now.size and (signed is None or moment - signed.signed_at > CHECKPOINT_TOO_OLD):
        return "No recent checkpoint", Tone.ATTENTION
    if verified is None or verified.verdict != Verdict.VALID:
        return "Not verified yet", Tone.NEUTRAL
    return "Verified", Tone.VERIFIED


def _detail(now: LogStatus) -> str:
    verified, signed = now.last_verification, now.last_checkpoint
    parts = [f"{now.size:,} events"]
    parts.append(f"verified {ago(verified.finished_at)}" if verified else "never verified")
    parts.append(f"checkpoint {ago(signed.signed_at)}" if signed else "no checkpoint yet")
    if now.unsealed:
        parts.append(f"{now.unsealed:,} to be sealed")
    if now.set_aside:
        parts.append(f"{now.set_aside:,} set aside")
    return " · ".join(parts)


def recent_refusals(request: HttpRequest) -> PanelData | None:
    """The newest attempts that were denied, within what the viewer may see."""
    if not policy.scope(request.user, Action.VIEW):
        return None
    denied = selectors.visible_events(request.user).filter(recorder=RECORDER)
    chosen = desk.current_client(request)
    if chosen is not None:
        denied = denied.filter(client_id=chosen)
    rows = [
        (
            when(event.occurred_at, relative=True),
            event.actor_id,
            identifier(event.type),
            event.object_id or "",
            pill(event.outcome),
        )
        for event in _newest_of(denied, REFUSED)
    ]
    return PanelData(
        title="Recent refusals",
        columns=("When", "Who", "What", "Where", "Outcome"),
        rows=rows,
        empty="Nobody was refused anything.",
        url=reverse("admin:audit_auditevent_changelist") + "?outcome=denied",
    )


def _newest_of(queryset: QuerySet[AuditEvent], kinds: Sequence[EventType]) -> QuerySet[AuditEvent]:
    # A few from the end of each type's own stretch of the index: they may be rare in a long log.
    newest = ("-occurred_at", "-id")
    parts = [queryset.filter(type=kind).order_by(*newest)[:REFUSALS] for kind in kinds]
    return parts[0].union(*parts[1:], all=True).order_by(*newest)[:REFUSALS]
