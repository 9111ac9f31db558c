"""What the services of approvals refuse, each with a stable code."""

from __future__ import annotations

from sealing.errors import Conflict, Forbidden, NotFound


class ApprovalNotFound(NotFound):
    """There is no such request among those that the actor may see."""

    code = "not_found"


class NotAPerson(Forbidden):
    """Only a human being asks for approval, or decides."""

    code = "not_a_person"


class NotADecider(Forbidden):
    """The actor's roles don't allow the decision."""

    code = "not_a_decider"


class OwnRequest(Forbidden):
    """Nobody decides what he asked for, or what is about himself, by any account."""

    code = "own_request"


class NotYourRequest(Forbidden):
    """Another person asked for it."""

    code = "not_your_request"


class ReauthenticationFailed(Forbidden):
    """The password was not right."""

    code = "reauthentication_failed"


class AlreadyDecided(Conflict):
    """The person has decided before, by this account or another."""

    code = "already_decided"


class NotApproved(Conflict):
    """It has not been approved yet."""

    code = "not_approved"


class ApprovalClosed(Conflict):
    """It was carried out, or came to nothing: there is nothing left to do."""

    code = "approval_closed"


class ApprovalExpired(Conflict):
    """Its time is over."""

    code = "approval_expired"


class ApprovalVoid(Conflict):
    """What it rested on has changed."""

    code = "approval_void"


class DigestMismatch(Conflict):
    """The decision is about something else than what is asked for."""

    code = "request_digest_mismatch"
