"""How requests for approval are said on pages: titles, states, facts, and their custody line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from django.utils.html import format_html
from django.utils.safestring import SafeString

from access.admin import components
from access.admin.components import CustodyStep
from ops import approvable
from ops.admin import facts as json_facts
from ops.approvable import Approvable, UnknownAction
from ops.models import Approval, ApprovalState
from sealing.errors import StrongroomError

_PILLS = {
    ApprovalState.PENDING: ("pending", "Waiting"),
    ApprovalState.APPROVED: ("waiting", "Approved"),
    ApprovalState.USED: ("done", "Carried out"),
    ApprovalState.REJECTED: ("refused", "Rejected"),
    ApprovalState.WITHDRAWN: ("withdrawn", "Withdrawn"),
    ApprovalState.EXPIRED: ("expired", "Expired"),
    ApprovalState.VOID: ("stale", "Void"),
    ApprovalState.FAILED: ("failed", "Failed"),
}
UNKNOWN = "This version does not know the act any more: it can't be decided or carried out."
_ENDS = {
    ApprovalState.WITHDRAWN: ("Withdrawn", "unknown"),
    ApprovalState.EXPIRED: ("Expired: nobody can use it any more", "unknown"),
    ApprovalState.VOID: ("Void: what it was about has changed", "stale"),
    ApprovalState.FAILED: ("Carrying it out failed; nothing was changed by it", "failed"),
}
# Files and stores can't be put back as they were.
_FAILED_HALFWAY = "Carrying it out failed; what it did until then can only be looked up"
_UNDER_WAY = "Under way"


def act_of(approval: Approval) -> Approvable | None:
    """The act, if this version knows it."""
    try:
        return approvable.get(approval.action)
    except UnknownAction:
        return None


def title(approval: Approval) -> str:
    """What is asked for, a verb first."""
    act = act_of(approval)
    return act.label if act else approval.action


def what(approval: Approval) -> str:
    """What is asked for, within a sentence."""
    words = title(approval)
    return words[:1].lower() + words[1:]


def state_word(name: ApprovalState) -> str:
    """A state in a word."""
    return _PILLS[name][1]


def state(approval: Approval) -> SafeString:
    """Where it stands, as a pill."""
    name, word = _PILLS[ApprovalState(approval.current_state)]
    if is_under_way(approval):
        name, word = "running", _UNDER_WAY
    return components.pill(name, word)


def is_under_way(approval: Approval) -> bool:
    """Whether it has begun to be carried out and nothing came of it yet."""
    return approval.state == ApprovalState.USED and approval.executed_at is None


def client(approval: Approval) -> str:
    """Whom it concerns."""
    return approval.client.name if approval.client else "The installation"


def people(approval: Approval) -> str:
    """How many of those who are needed have approved."""
    count = sum(1 for decision in approval.decisions.all() if decision.approves)
    return f"{count} of {approval.needed}"


def subject(approval: Approval) -> list[tuple[str, Any]]:
    """What it is about: as the act tells it, or else the parameters."""
    act = act_of(approval)
    if act is None:
        return json_facts.plain(approval.params)
    try:
        return [(label, _shown(value)) for label, value in act.describe(approval.params)]
    except StrongroomError as error:
        return [*json_facts.plain(approval.params), ("Now", error.message)]


def changes(approval: Approval) -> list[tuple[str, Any, Any]]:
    """What is another way afterwards; nothing once it was carried out or came to nothing."""
    act = act_of(approval)
    if act is None or act.changes is None or not approval.is_open:
        return []
    return [(label, _brief(now), _brief(then)) for label, now, then in act.changes(approval.params)]


def result(approval: Approval) -> list[tuple[str, Any]]:
    """What came of carrying it out."""
    return json_facts.plain(approval.result)


def facts(approval: Approval) -> list[tuple[str, Any]]:
    """What it is about, on whose request, and why."""
    return [
        *subject(approval),
        ("Client", client(approval)),
        ("Asked for by", components.person(approval.requester_account)),
        ("Why", approval.reason),
        ("Asked for", components.when(approval.created_at, relative=True)),
        ("Can be decided until", components.when(approval.expires_at, relative=True)),
        ("People needed", people(approval) + " have approved"),
    ]


def request_text(approval: Approval) -> SafeString:
    """The request as it was bound and hashed, byte for byte."""
    return format_html('<pre class="canonical"><code>{}</code></pre>', approval.request)


def custody(approval: Approval) -> list[CustodyStep]:
    """Who asked, who decided, and what came of it."""
    return list(_steps(approval))


def _steps(approval: Approval) -> Iterator[CustodyStep]:
    yield CustodyStep(
        what=f"Asked for: {title(approval)}",
        who=approval.requester_account,
        at=approval.created_at,
        state="unknown",
        digest=approval.request_sha256,
        detail=approval.reason,
    )
    for decision in approval.decisions.select_related("account__person"):
        yield CustodyStep(
            what="Approved" if decision.approves else "Rejected",
            who=decision.account,
            at=decision.decided_at,
            state="verified" if decision.approves else "refused",
            digest=decision.request_sha256,
            detail=decision.comment,
        )
    if approval.state == ApprovalState.USED:
        yield CustodyStep(
            what=_UNDER_WAY if is_under_way(approval) else "Carried out",
            who=approval.requester_account,
            at=approval.executed_at or approval.closed_at,
            state="done" if approval.executed_at else "running",
            detail="" if approval.executed_at else "It is not known yet what came of it.",
            facts=result(approval),
        )
    elif approval.current_state in _ENDS:
        words, tone = _ENDS[ApprovalState(approval.current_state)]
        act = act_of(approval)
        if approval.state == ApprovalState.FAILED and (act is None or act.does_io):
            words = _FAILED_HALFWAY
        yield CustodyStep(
            what=words,
            at=approval.executed_at or approval.closed_at or approval.expires_at,
            state=tone,
            detail=approval.outcome_note,
        )


def _shown(value: Any) -> Any:
    if isinstance(value, datetime):
        return components.when(value)
    return json_facts.shown(value)


def _brief(value: Any) -> Any:
    """In the columns of a table; digests are whole among the facts."""
    is_digest = isinstance(value, str) and value.startswith("sha256:")
    return components.digest(value) if is_digest else _shown(value)


def sentences(act: Approvable | None, approval: Approval) -> Iterable[str]:
    """What approving it will do, and in whose name."""
    if act is None:
        return (UNKNOWN,)
    name = approval.requester.display_name
    left = approval.needed - sum(1 for found in approval.decisions.all() if found.approves)
    if left > 1:
        first = f"Approved by you, it waits for {left - 1} more."
    elif act.needs:
        first = f"Approved by you, it can be carried out by {name}, once, until it expires."
    else:
        first = f"Approved by you, it is carried out at once, in the name of {name}."
    return (first, *act.consequences)
