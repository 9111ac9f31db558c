"""Bodies of the requests and answers of approvals."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from access.api.serializers import StrictSerializer
from ops import approvable
from ops.models import Approval, ApprovalDecision
from ops.services.approvals import MAX_TEXT
from sealing.times import format_time

_PASSWORD = 1000
_DIGEST = 71


class DecisionBody(StrictSerializer):
    """An approval; the password is asked for again.

    ``request_sha256`` is the digest of the request that the caller saw: a decision over another
    one is refused.
    """

    comment = serializers.CharField(
        max_length=MAX_TEXT, required=False, allow_blank=True, default=""
    )
    password = serializers.CharField(max_length=_PASSWORD, trim_whitespace=False)
    request_sha256 = serializers.CharField(
        max_length=_DIGEST, required=False, allow_null=True, default=None
    )


class RejectionBody(DecisionBody):
    """A rejection, which says why."""

    comment = serializers.CharField(max_length=MAX_TEXT)


class WithdrawalBody(StrictSerializer):
    """Why it is taken back."""

    reason = serializers.CharField(
        max_length=MAX_TEXT, required=False, allow_blank=True, default=""
    )


class UseBody(StrictSerializer):
    """The secrets that the act needs, by the names in ``needs``."""

    secrets = serializers.DictField(
        child=serializers.CharField(max_length=_PASSWORD, trim_whitespace=False),
        required=False,
        default=dict,
    )


class PersonAnswer(serializers.Serializer[Any]):
    """A person, and the account by which he acted."""

    person = serializers.CharField()
    name = serializers.CharField()
    account = serializers.CharField()


class DecisionAnswer(PersonAnswer):
    """What one person decided."""

    approves = serializers.BooleanField()
    comment = serializers.CharField()
    decided_at = serializers.CharField()


class ApprovalAnswer(serializers.Serializer[Any]):
    """A request for approval.

    ``request_text`` are the bytes that ``request_sha256`` is the SHA-256 of; ``request`` is the
    same, parsed.
    """

    id = serializers.CharField()
    action = serializers.CharField()
    title = serializers.CharField()
    client_id = serializers.CharField(allow_null=True)
    state = serializers.CharField()
    requester = PersonAnswer()
    reason = serializers.CharField()
    request = serializers.JSONField()
    request_text = serializers.CharField()
    request_sha256 = serializers.CharField()
    needed = serializers.IntegerField()
    needs = serializers.ListField(child=serializers.CharField())
    decisions = DecisionAnswer(many=True)
    created_at = serializers.CharField()
    expires_at = serializers.CharField()
    closed_at = serializers.CharField(allow_null=True)
    executed_at = serializers.CharField(allow_null=True)
    outcome_code = serializers.CharField(allow_null=True)
    outcome_note = serializers.CharField(allow_null=True)
    result = serializers.JSONField()


class ApprovalPage(serializers.Serializer[Any]):
    """A page of requests."""

    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)
    results = ApprovalAnswer(many=True)


def approval(found: Approval) -> dict[str, Any]:
    """One request, as JSON."""
    title, needs = _of_act(found.action)
    return {
        "id": str(found.pk),
        "action": found.action,
        "title": title,
        "client_id": found.client_id,
        "state": found.current_state,
        "requester": {
            "person": str(found.requester_id),
            "name": found.requester.display_name,
            "account": found.requester_account.username,
        },
        "reason": found.reason,
        "request": found.bound,
        "request_text": found.request,
        "request_sha256": found.request_sha256,
        "needed": found.needed,
        "needs": needs,
        "decisions": [_decision(row) for row in found.decisions.all()],
        "created_at": format_time(found.created_at),
        "expires_at": format_time(found.expires_at),
        "closed_at": format_time(found.closed_at) if found.closed_at else None,
        "executed_at": format_time(found.executed_at) if found.executed_at else None,
        "outcome_code": found.outcome_code or None,
        "outcome_note": found.outcome_note or None,
        "result": found.result,
    }


def _decision(row: ApprovalDecision) -> dict[str, Any]:
    return {
        "person": str(row.person_id),
        "name": row.person.display_name,
        "account": row.account.username,
        "approves": row.approves,
        "comment": row.comment,
        "decided_at": format_time(row.decided_at),
    }


def _of_act(action: str) -> tuple[str, list[str]]:
    try:
        act = approvable.get(action)
    except approvable.UnknownAction:
        # Of another version of Strongroom: it stays readable, and nobody can carry it out.
        return action, []
    return act.label, list(act.needs)
