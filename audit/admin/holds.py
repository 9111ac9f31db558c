"""Legal holds in the admin, and copies that were taken of objects in question."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.admin import display
from django.http import HttpRequest
from django.utils.safestring import SafeString

from access.admin import components, desk
from access.admin.forms import ReasonForm
from access.admin.mixins import Decision, Done, ObjectAction, ObjectActionsMixin, ReadOnlyAdmin
from access.admin.site import site
from access.roles import Action
from audit.admin import actors
from audit.events import Actor
from audit.models import CustodyRecord, LegalHold
from audit.services import holds

RECORDED = "That you did it, and why, is recorded in the audit trail."


def connect() -> None:
    """Registers the pages with the site."""
    site.register(LegalHold, LegalHoldAdmin)
    site.register(CustodyRecord, CustodyRecordAdmin)


class PlatformActs(ObjectActionsMixin):
    """Acts on what belongs to no client: they need a grant for all of them."""

    def may(self, request: HttpRequest, act: ObjectAction, obj: Any) -> bool:
        """Whether the policy lets the account do ``act`` to the platform."""
        return desk.scope_of(request, act.action).all_clients


class HoldForm(ReasonForm):
    """Which case, and what it covers."""

    case_id = forms.CharField(label="Case", max_length=holds.MAX_CASE)
    start_day = forms.DateField(
        label="First day",
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        help_text="By the UTC day on which events were sealed. Empty: from the beginning.",
    )
    end_day = forms.DateField(
        label="Last day",
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        help_text="Included. Empty: whatever is still to come, too.",
    )
    field_order = ("case_id", "start_day", "end_day", "reason")


class LegalHoldAdmin(PlatformActs, ReadOnlyAdmin):
    """Cases for which objects must stay."""

    client_field = None
    keyset_field = "id"
    empty_sentence = "No case holds anything back. What is locked stays locked all the same."
    list_display = ("case_id", "state", "shown_days", "placed_at", "placed_by", "released_at")
    fieldsets = (
        (None, {"fields": ("state", "case_id", "shown_days", "reason")}),
        ("Placed", {"fields": ("placed_at", "shown_placed_by")}),
        ("Released", {"fields": ("released_at", "shown_released_by", "release_reason")}),
    )
    list_actions = [
        ObjectAction(
            "place",
            "Place a legal hold",
            Action.PROPOSE_RETENTION,
            HoldForm,
            handler="do_place",
            describe="describe_place",
            primary=True,
        )
    ]
    object_actions = [
        ObjectAction(
            "release",
            "Release the hold",
            Action.PROPOSE_RETENTION,
            ReasonForm,
            handler="do_release",
            describe="describe_release",
            hindrance="hindrance_to_release",
        )
    ]

    def describe_place(self, request: HttpRequest, obj: None) -> Decision:
        """What a hold does."""
        return Decision(
            act="Place a legal hold",
            consequences=(
                "What was sealed on these days stays in the archive, whatever its lock says.",
                "The retention sweep puts the hold on the objects, within a day.",
                RECORDED,
            ),
            irreversible=("The record of the hold stays, also after it was released.",),
        )

    def do_place(self, request: HttpRequest, obj: None, data: dict[str, Any]) -> Done:
        """Places it."""
        hold = holds.place(actor=Actor.of(request.user, request), **data)
        return Done(message=f"Case {hold.case_id} holds its days.", url=self._home(hold))

    def describe_release(self, request: HttpRequest, obj: LegalHold) -> Decision:
        """What will not be held any more."""
        return Decision(
            act=f"Release the hold of case {obj.case_id}",
            facts=(
                ("Case", obj.case_id),
                ("Days", self.shown_days(obj)),
                ("Placed", components.when(obj.placed_at)),
                ("By", actors.shown(obj.placed_by)),
                ("Because", obj.reason),
            ),
            consequences=(
                "Objects whose lock has ended may be removed from now on.",
                "What another case holds stays held.",
                RECORDED,
            ),
            irreversible=("A hold that was released is not taken up again: place another.",),
            danger=True,
        )

    def hindrance_to_release(self, request: HttpRequest, obj: LegalHold) -> str | None:
        """Once only."""
        return "The hold was released before." if obj.released_at else None

    def do_release(self, request: HttpRequest, obj: LegalHold, data: dict[str, Any]) -> str:
        """Releases it."""
        holds.release(actor=Actor.of(request.user, request), hold=obj, reason=data["reason"])
        return f"The hold of case {obj.case_id} was released."

    @display(description="state")
    def state(self, hold: LegalHold) -> SafeString:
        """In force, or released."""
        if hold.released_at is None:
            return components.pill("active", "In force", tone=components.Tone.WAITING)
        return components.pill("released")

    @display(description="days")
    def shown_days(self, hold: LegalHold) -> str:
        """What it covers."""
        if hold.start_day is None and hold.end_day is None:
            return "All"
        return f"{hold.start_day or 'the beginning'} to {hold.end_day or 'the end'}"

    @display(description="placed by")
    def shown_placed_by(self, hold: LegalHold) -> SafeString:
        """Who wanted it."""
        return actors.shown(hold.placed_by)

    @display(description="released by")
    def shown_released_by(self, hold: LegalHold) -> SafeString:
        """Who ended it."""
        return actors.shown(hold.released_by)


class CustodyRecordAdmin(ReadOnlyAdmin):
    """Copies that were taken of objects in question."""

    client_field = None
    keyset_field = "id"
    empty_sentence = "When objects are quarantined, the record of each copy will be here."
    list_display = ("case_id", "created_at", "actor_id", "shown_count", "reason")
    fieldsets = (
        (None, {"fields": ("case_id", "reason", "shown_actor", "created_at")}),
        ("The copies", {"fields": ("shown_source", "shown_target", "shown_document")}),
        ("The record", {"fields": ("shown_digest",)}),
    )

    def page_context(self, request: HttpRequest, obj: CustodyRecord) -> dict[str, Any]:
        """What was copied."""
        return {**super().page_context(request, obj), "items": obj.items}

    @display(description="taken by")
    def shown_actor(self, record: CustodyRecord) -> SafeString:
        """Who took the copies."""
        return actors.shown(record.actor_id)

    @display(description="objects")
    def shown_count(self, record: CustodyRecord) -> int:
        """How many objects were copied."""
        return len(record.items)

    @display(description="from")
    def shown_source(self, record: CustodyRecord) -> SafeString:
        """Where they were."""
        return components.identifier(record.source)

    @display(description="to")
    def shown_target(self, record: CustodyRecord) -> SafeString:
        """Where the copies are."""
        return components.identifier(record.target)

    @display(description="record in the forensic store")
    def shown_document(self, record: CustodyRecord) -> SafeString:
        """The object that holds this record."""
        return components.identifier(record.document)

    @display(description="digest of the record")
    def shown_digest(self, record: CustodyRecord) -> SafeString:
        """As it was written."""
        return components.digest(record.document_sha256, full=True)
