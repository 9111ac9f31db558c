"""What the trail adds to the desk: navigation, its state, duties that wait, recent refusals."""

from __future__ import annotations

from collections.abc import Sequence

from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse

from access import policy
from access.admin import desk
from access.admin.components import Tone, identifier, pill, when
from access.admin.desk import CardData, DeskCard, DeskPanel, NavItem, PanelData, Section
from access.roles import Action
from audit import selectors, standing
from audit.admin import archive as archive_pages
from audit.admin import (
    events,
    holds,
    log,
    signing_keys,
    trail_words,
    verification_requests,
    verifications,
)
from audit.admin import standing as standing_pages
from audit.admin.standing import HOME, duty_pill
from audit.events import RECORDER, EventType
from audit.models import AuditEvent
from audit.services import duties
from sealing.errors import StrongroomError

PAGES = (
    events,
    log,
    signing_keys,
    archive_pages,
    holds,
    standing_pages,
    verifications,
    verification_requests,
)
REFUSALS = 5
REFUSED = (
    EventType.ACCESS_DENIED,
    EventType.ACCESS_LOGIN_FAILED,
    EventType.EVIDENCE_PACKAGE_COUNTERSIGN_REFUSED,
)


def connect() -> None:
    """Registers everything; called once at start-up."""
    for module in PAGES:
        module.connect()
    trail = Section.AUDIT_TRAIL
    for item in (
        NavItem(trail, "State of the trail", HOME, Action.VERIFY, 5),
        NavItem(trail, "Events", "admin:audit_auditevent_changelist", Action.VIEW, 10),
        NavItem(trail, "Checkpoints", "admin:audit_checkpoint_changelist", Action.VERIFY, 20),
        NavItem(trail, "Segments", "admin:audit_segment_changelist", Action.VERIFY, 25),
        NavItem(
            trail, "Verifications", "admin:audit_verificationrun_changelist", Action.VERIFY, 30
        ),
        NavItem(
            trail,
            "Verification queue",
            "admin:audit_verificationrequest_changelist",
            Action.VERIFY,
            32,
        ),
        NavItem(trail, "Duties done", "admin:audit_dutyrecord_changelist", Action.VERIFY, 34),
        NavItem(
            trail,
            "Legal holds",
            "admin:audit_legalhold_changelist",
            Action.VIEW,
            36,
            platform=True,
        ),
        NavItem(
            trail,
            "Custody records",
            "admin:audit_custodyrecord_changelist",
            Action.VIEW,
            38,
            platform=True,
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
    desk.register_panel(DeskPanel(10, overdue_duties))
    desk.register_panel(DeskPanel(80, recent_refusals))


def state_of_the_log(request: HttpRequest) -> CardData | None:
    """Whether the trail is whole: head, last verification, last checkpoint, what waits."""
    if not policy.scope(request.user, Action.VERIFY):
        return None
    title = "Is the trail whole"
    try:
        now = selectors.status()
    except StrongroomError as error:
        return CardData(title, "It does not add up", error.message, Tone.REFUSED, reverse(HOME))
    archive = standing.archive(now.size)
    value, tone = trail_words.judged(now, archive)
    return CardData(title, value, trail_words.in_short(now, archive), tone, reverse(HOME))


def overdue_duties(request: HttpRequest) -> PanelData | None:
    """What of the checklist is overdue or was found out of order, for those who answer for it."""
    if not desk.scope_of(request, Action.PROPOSE_RETENTION).all_clients:
        return None
    wanting = [state for state in duties.checklist() if not state.is_in_order]
    if not wanting:
        return None
    rows = [
        (
            state.duty.label,
            duty_pill(state),
            when(state.due_at, relative=True),
            when(state.last.done_at, relative=True) if state.last else "Never",
        )
        for state in wanting
    ]
    return PanelData(
        title="Duties that wait",
        columns=("Duty", "State", "Due", "Done last"),
        rows=rows,
        empty="",
        url=reverse(HOME),
    )


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
