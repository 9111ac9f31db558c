"""Segments in the admin, with their receipts and what happened to them."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from django.contrib.admin import SimpleListFilter, display
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString

from access.admin import components
from access.admin.site import site
from audit.admin.custody import steps_of
from audit.admin.log import LogAdmin
from audit.models import Segment


def connect() -> None:
    """Registers the page with the site."""
    site.register(Segment, SegmentAdmin)


class DayFilter(SimpleListFilter):
    """When the events were sealed, in steps that need no look at the table."""

    title = "sealed"
    parameter_name = "sealed"
    _DAYS = {"today": 0, "week": 6, "month": 30}

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The steps."""
        return [("today", "Today"), ("week", "Last 7 days"), ("month", "Last 31 days")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Segment]) -> QuerySet[Segment]:
        """The list, narrowed by the index on the day."""
        days = self._DAYS.get(self.value() or "")
        if days is None:
            return queryset
        first = timezone.now().date() - timedelta(days=days)
        return queryset.filter(day__gte=first)


class SegmentAdmin(LogAdmin):
    """Segments, newest first."""

    keyset_field = "first_seq"
    empty_sentence = "Sealed events lie here once the archiver has written them, within minutes."
    list_display = (
        "shown_range",
        "shown_day",
        "state",
        "retain_until",
        "shown_mode",
        "replication_status",
        "attempts",
    )
    list_filter = ("status", DayFilter)
    search_fields = ("first_seq",)
    search_help_text = "An event’s number, or a day such as 2025-10-24"
    list_select_related = ("checkpoint",)
    fieldsets = (
        (
            None,
            {"fields": ("state", "shown_range", "shown_day", "newest_event_at", "shown_raw")},
        ),
        (
            "The object",
            {
                "fields": (
                    "shown_location",
                    "shown_key",
                    "shown_version",
                    "shown_stored",
                    "shown_kms",
                    "replication_status",
                )
            },
        ),
        (
            "Its lock",
            {"fields": ("shown_mode", "retain_until", "shown_hold", "released_at")},
        ),
        ("The archiver", {"fields": ("attempts", "last_attempt_at", "last_error")}),
    )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Segment], search_term: str
    ) -> tuple[QuerySet[Segment], bool]:
        """The segment that holds an event, or those of a day; each by its index."""
        term = search_term.strip()
        if not term:
            return queryset, False
        if term.isascii() and term.isdigit() and len(term) <= 18:
            # Segments do not overlap: the last one that begins before the event is the only one.
            before = Segment.objects.filter(first_seq__lte=int(term)).order_by("-first_seq")
            found = before.values_list("pk", "last_seq").first()
            if found is not None and found[1] >= int(term):
                return queryset.filter(pk=found[0]), False
            return queryset.none(), False
        try:
            return queryset.filter(day=date.fromisoformat(term.replace("/", "-"))), False
        except ValueError:
            return queryset.none(), False

    def page_context(self, request: HttpRequest, obj: Segment) -> dict[str, Any]:
        """What happened to it, step by step, and what lies beside it."""
        return {
            **super().page_context(request, obj),
            "steps": steps_of(obj),
            "companions": obj.companions,
        }

    @display(description="events")
    def shown_range(self, segment: Segment) -> str:
        """The numbers of its first and last event."""
        return f"{segment.first_seq:,} to {segment.last_seq:,}"

    @display(description="state")
    def state(self, segment: Segment) -> SafeString:
        """To be archived, archived, or failing to be."""
        if segment.released_at is not None:
            return components.pill("released")
        if segment.last_error and segment.archived_at is None:
            return components.pill("failed", "Not archived yet")
        return components.pill(segment.status)

    @display(description="mode")
    def shown_mode(self, segment: Segment) -> Any:
        """The lock's mode."""
        return segment.lock_mode.capitalize() or components.NOTHING

    @display(description="sealed on")
    def shown_day(self, segment: Segment) -> str:
        """The UTC day."""
        return segment.day.isoformat()

    @display(description="legal hold")
    def shown_hold(self, segment: Segment) -> str:
        """Whether a case holds the object."""
        return "Held for a case" if segment.legal_hold else "None"

    @display(description="digest of the lines")
    def shown_raw(self, segment: Segment) -> SafeString:
        """The digest of the lines."""
        return components.digest(segment.raw_sha256, full=True)

    @display(description="place")
    def shown_location(self, segment: Segment) -> SafeString:
        """Which store."""
        return components.identifier(segment.location)

    @display(description="key")
    def shown_key(self, segment: Segment) -> SafeString:
        """The object's key in that store."""
        return components.identifier(segment.object_key or segment.object_name)

    @display(description="version")
    def shown_version(self, segment: Segment) -> SafeString:
        """The version that the receipt names."""
        return components.identifier(segment.version_id)

    @display(description="digest of the object")
    def shown_stored(self, segment: Segment) -> SafeString:
        """As it was read back."""
        return components.digest(segment.stored_sha256, full=True)

    @display(description="KMS key")
    def shown_kms(self, segment: Segment) -> SafeString:
        """The key under which the store encrypts it."""
        return components.identifier(segment.kms_key_id)
