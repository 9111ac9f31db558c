"""The log in the admin: found by index, read byte for byte, proven on its page."""

from __future__ import annotations

import json
from typing import Any

from django.contrib.admin import SimpleListFilter, display
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from access.admin import components
from access.admin.mixins import ReadOnlyAdmin
from access.admin.paging import ScopedChangeList
from access.admin.site import site
from access.admin.time_paging import TimeChangeList
from audit import selectors
from audit.api.filters import anything
from audit.events import EventType
from audit.formats.event import OUTCOMES
from audit.models import AuditEvent
from audit.services import sealing
from audit.services.proving import EventProof, prove
from sealing.errors import StrongroomError
from sealing.results import Finding, Report


def connect() -> None:
    """Registers the page with the site."""
    site.register(AuditEvent, AuditEventAdmin)


class _FixedFilter(SimpleListFilter):
    """Choices that are known without asking the table."""

    field = ""

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[AuditEvent]
    ) -> QuerySet[AuditEvent]:
        """Only rows of the chosen value."""
        value = self.value()
        return queryset if value is None else queryset.filter(**{self.field: value})


class TypeFilter(_FixedFilter):
    """One of our own types."""

    title = "type"
    parameter_name = field = "type"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The types that Strongroom records."""
        return [(kind.value, kind.value) for kind in EventType]


class OutcomeFilter(_FixedFilter):
    """How it ended."""

    title = "outcome"
    parameter_name = field = "outcome"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The three outcomes."""
        return [(name, name.capitalize()) for name in OUTCOMES]


class AuditEventAdmin(ReadOnlyAdmin):
    """Events, newest first."""

    keyset_field = "occurred_at"
    empty_sentence = "Every change is recorded here, the first one in a moment."
    list_display = ("shown_type", "occurred_at", "actor_id", "shown_object", "client_id", "result")
    list_filter = (TypeFilter, OutcomeFilter)
    search_fields = ("id",)
    search_help_text = "An event id, an object or an actor, exactly"
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "result",
                    "occurred_at",
                    "actor_id",
                    "shown_object",
                    "client_id",
                    "recorder",
                )
            },
        ),
        ("Its place in the log", {"fields": ("seq", "created_at", "shown_hash", "shown_before")}),
        ("Identity", {"fields": ("shown_id", "shown_data")}),
    )

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ScopedChangeList]:
        """The list that pages by time and id."""
        return TimeChangeList

    def visible_to(
        self, request: HttpRequest, queryset: QuerySet[AuditEvent]
    ) -> QuerySet[AuditEvent]:
        """What the account may see; the API asks the same function."""
        return selectors.visible_events(request.user)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[AuditEvent], search_term: str
    ) -> tuple[QuerySet[AuditEvent], bool]:
        """Exact matches only: each of the three columns has an index."""
        term = search_term.strip()
        return (anything(queryset, term) if term else queryset), False

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """The list, with what was recorded a moment ago."""
        sealing.catch_up()
        return super().changelist_view(request, extra_context)

    def page_context(self, request: HttpRequest, obj: AuditEvent) -> dict[str, Any]:
        """The raw line, and the proof, checked now."""
        context = super().page_context(request, obj)
        try:
            proof = prove(obj)
        except StrongroomError as error:
            report = Report((Finding(error.code, None, error.message),))
            return {**context, "report": report, "proof": None}
        return {**context, "report": proof.report, "proof": proof, "line": _line(proof)}

    @display(description="type")
    def shown_type(self, event: AuditEvent) -> SafeString:
        """The type, in the monospace stack."""
        return components.identifier(event.type)

    @display(description="outcome")
    def result(self, event: AuditEvent) -> SafeString:
        """The outcome as a pill."""
        return components.pill(event.outcome)

    @display(description="object")
    def shown_object(self, event: AuditEvent) -> Any:
        """Kind and id."""
        if event.object_id is None:
            return components.NOTHING
        return f"{event.object_type} {event.object_id}"

    @display(description="hash")
    def shown_hash(self, event: AuditEvent) -> SafeString:
        """The event's hash."""
        return components.digest(bytes(event.hash), full=True)

    @display(description="hash of the event before")
    def shown_before(self, event: AuditEvent) -> SafeString:
        """What links it to the event before."""
        return components.digest(bytes(event.prev_hash), full=True)

    @display(description="id")
    def shown_id(self, event: AuditEvent) -> SafeString:
        """The id."""
        return components.identifier(event.id)

    @display(description="data")
    def shown_data(self, event: AuditEvent) -> SafeString:
        """What the event says beyond its columns, indented for people."""
        value = json.loads(event.event)
        shown = {name: value[name] for name in ("source", "request_id", "data", "redacted")}
        return format_html("<pre>{}</pre>", json.dumps(shown, indent=2, ensure_ascii=False))


def _line(proof: EventProof) -> str:
    return proof.line.decode("utf-8")
