"""Requests for acts that other people have to approve, and what those people decided.

What is asked for is bound when it is asked: action, parameters, the state of what it is about, who
asks and why, until when. Triggers (migration 0004) keep it so, and count the people.
"""

from __future__ import annotations

import uuid
from typing import Any

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from access.models import Client, Person, User
from audit.models.log import ClockTimestamp
from sealing import canonical


class ApprovalState(models.TextChoices):
    """Where a request stands. All but pending and approved are final."""

    PENDING = "pending", "Waiting for a decision"
    APPROVED = "approved", "Approved, not carried out yet"
    USED = "used", "Carried out"
    REJECTED = "rejected", "Rejected"
    WITHDRAWN = "withdrawn", "Withdrawn"
    EXPIRED = "expired", "Expired"
    VOID = "void", "Void"
    FAILED = "failed", "Failed when carried out"


OPEN_STATES = (ApprovalState.PENDING, ApprovalState.APPROVED)


class Approval(models.Model):
    """A request for one act, which is carried out at most once.

    ``request`` is the canonical JSON of all that is asked for (ops/formats/approval.py), and
    ``request_sha256`` its digest: what people see before they decide, and what they decide on.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    action = models.CharField(max_length=64)
    client = models.ForeignKey(
        Client, models.PROTECT, null=True, blank=True, related_name="approvals"
    )
    requester = models.ForeignKey(Person, models.PROTECT, related_name="approvals_requested")
    requester_account = models.ForeignKey(User, models.PROTECT, related_name="approvals_requested")
    reason = models.CharField(max_length=1000)
    # How many people besides the requester.
    needed = models.PositiveSmallIntegerField()
    request = models.TextField()
    request_sha256 = models.CharField(max_length=71)
    created_at = models.DateTimeField("asked for")
    expires_at = models.DateTimeField("expires")

    state = models.CharField(
        max_length=9, choices=ApprovalState.choices, default=ApprovalState.PENDING
    )
    # When it was carried out, or came to nothing.
    closed_at = models.DateTimeField("closed", null=True, blank=True)
    # When it was known what came of carrying it out.
    executed_at = models.DateTimeField("carried out", null=True, blank=True)
    # Why it failed, is void, or was withdrawn.
    outcome_code = models.CharField(max_length=64, blank=True, default="")
    outcome_note = models.TextField(blank=True, default="")
    result = models.JSONField(default=dict, blank=True)

    class Meta:
        verbose_name = "approval"
        ordering = ["-created_at", "-id"]
        constraints = [
            # What the composite foreign key of decisions refers to (migration 0004).
            models.UniqueConstraint(
                fields=["id", "requester", "request_sha256"], name="ops_approval_bound"
            ),
            models.CheckConstraint(name="ops_approval_needed", condition=Q(needed__gte=1)),
            models.CheckConstraint(
                name="ops_approval_lifetime", condition=Q(created_at__lt=F("expires_at"))
            ),
            models.CheckConstraint(
                name="ops_approval_state",
                condition=(
                    Q(
                        state__in=["pending", "approved"],
                        closed_at__isnull=True,
                        executed_at__isnull=True,
                        outcome_code="",
                    )
                    | Q(state="used", closed_at__isnull=False, outcome_code="")
                    | Q(state="failed", closed_at__isnull=False, executed_at__isnull=False)
                    & ~Q(outcome_code="")
                    | Q(
                        state__in=["rejected", "withdrawn", "expired", "void"],
                        closed_at__isnull=False,
                        executed_at__isnull=True,
                    )
                ),
            ),
        ]
        indexes = [
            models.Index(fields=["-created_at", "-id"], name="ops_approval_newest"),
            models.Index(fields=["client", "-created_at"], name="ops_approval_of_client"),
            models.Index(
                fields=["expires_at"],
                name="ops_approval_open",
                condition=Q(state__in=["pending", "approved"]),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.id}"

    @property
    def bound(self) -> dict[str, Any]:
        """All that was asked for, as it was hashed."""
        found: dict[str, Any] = canonical.loads(self.request.encode())
        return found

    @property
    def params(self) -> dict[str, Any]:
        """The act's parameters."""
        return dict(self.bound["params"])

    @property
    def is_open(self) -> bool:
        """Whether it can still be decided or carried out."""
        return self.state in OPEN_STATES and self.expires_at > timezone.now()

    @property
    def current_state(self) -> str:
        """The state, also where its time is over and nobody has written that down yet."""
        if self.state in OPEN_STATES and not self.is_open:
            return ApprovalState.EXPIRED
        return self.state


class ApprovalDecision(models.Model):
    """What one person decided. The first rejection ends the request.

    Requester and digest are copied here, so that the database itself can refuse a decision of the
    requester, or over something else; a composite foreign key holds the copies to the request.
    """

    fact_table = True

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    approval = models.ForeignKey(Approval, models.PROTECT, related_name="decisions")
    requester = models.ForeignKey(Person, models.PROTECT, related_name="+")
    request_sha256 = models.CharField(max_length=71)
    person = models.ForeignKey(Person, models.PROTECT, related_name="approval_decisions")
    account = models.ForeignKey(User, models.PROTECT, related_name="approval_decisions")
    approves = models.BooleanField()
    comment = models.CharField(max_length=1000, blank=True, default="")
    # Set by a trigger, whatever was given.
    decided_at = models.DateTimeField("decided", db_default=ClockTimestamp(), editable=False)

    class Meta:
        verbose_name = "decision"
        ordering = ["decided_at", "id"]
        constraints = [
            models.CheckConstraint(
                condition=~Q(person=F("requester")), name="ops_decision_not_requester"
            ),
            models.CheckConstraint(
                condition=Q(approves=True) | ~Q(comment=""), name="ops_decision_rejection_says_why"
            ),
            models.UniqueConstraint(
                fields=["approval", "person"], name="ops_decision_one_per_person"
            ),
        ]

    def __str__(self) -> str:
        return f"{'approval' if self.approves else 'rejection'} of {self.approval_id}"
