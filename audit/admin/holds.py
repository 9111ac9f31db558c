"""Legal holds in the admin, and copies that were taken of objects in question.

Holds are only looked at here: placing and releasing take two people, so `ops` adds the acts that
ask for it.
"""

from __future__ import annotations

from typing import Any

from django.contrib.admin import display
from django.http import HttpRequest
from django.utils.safestring import SafeString

from access.admin import components, desk
from access.admin.mixins import ObjectAction, ObjectActionsMixin, ReadOnlyAdmin
from access.admin.site import site
from audit.admin import actors
from audit.models import CustodyRecord, LegalHold

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
