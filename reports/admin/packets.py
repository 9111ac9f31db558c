"""Packets on the desk: the list, a packet's page and preview, and what can be done with it."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import get_token
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.decorators import method_decorator
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_safe

from access.admin import components
from access.admin.mixins import ObjectActionsMixin, ReadOnlyAdmin
from ops.admin.run_filters import ClientFilter
from reports import selectors
from reports.admin import (
    columns,
    custody,
    generating,
    packet_acts,
    packet_files,
    packet_page,
    preview,
)
from reports.admin.filters import MonthFilter, StateFilter, WaitingFilter
from reports.models import Packet
from reports.services import showing
from sealing.errors import StrongroomError


class PacketAdmin(ObjectActionsMixin, ReadOnlyAdmin):
    """Packets of SOC 2 evidence."""

    change_form_template = "admin/reports/packet/change_form.html"
    empty_sentence = (
        "The packets of each month will be listed here: made on the first, for every client."
    )
    list_display = (
        "shown_name",
        "shown_standing",
        "shown_client",
        "shown_days",
        "shown_digest",
        "generated_at",
    )
    list_filter = (StateFilter, WaitingFilter, ClientFilter, MonthFilter)
    search_fields = ("name__startswith",)
    search_help_text = "The beginning of a packet’s name"
    ordering = ("-created_at", "-id")
    fieldsets = (
        (None, {"fields": ("shown_state", "shown_signatures", "shown_json", "shown_pdf")}),
        (
            "What it is about",
            {
                "fields": (
                    "shown_client",
                    "shown_period",
                    "shown_revision",
                    "shown_reason",
                    "shown_maker",
                    "generated_at",
                    "shown_controls",
                )
            },
        ),
    )
    list_actions = (generating.GENERATE,)
    object_actions = (
        packet_acts.COUNTERSIGN,
        packet_acts.READ,
        packet_acts.DOWNLOAD,
        packet_acts.VERIFY,
        generating.REVISE,
    )

    def get_urls(self) -> list[URLPattern]:
        """Those of the acts and of the admin, and the preview."""
        view = self.admin_site.admin_view(self.preview_view)
        found = path("<path:object_id>/preview/", view, name="reports_packet_preview")
        return [found, *super().get_urls()]

    def visible_to(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """The packets of the account's clients, or those that it asked for."""
        return selectors.visible(request.user, queryset)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Rows in scope, with all that a line of the list shows."""
        found = columns.with_signatures(super().get_queryset(request))
        return found.select_related("maker", "maker_account__person", "signing_key", "deposit")

    # --- the page -----------------------------------------------------------------------------

    def page_context(self, request: HttpRequest, obj: Packet) -> dict[str, Any]:
        """Summary, files, revisions and custody, and what the viewer has to know to act."""
        may_take = self.may(request, packet_acts.DOWNLOAD, obj)
        context = {
            **super().page_context(request, obj),
            "steps": custody.steps(obj),
            "file_columns": packet_files.COLUMNS,
            "file_rows": packet_files.rows(obj, may_take=may_take),
            "revisions": packet_page.revisions(obj),
            "why_not": self._why_not(request, obj),
            "may_take": may_take,
            "verify_action": self.action_url(packet_acts.VERIFY, obj) if obj.is_complete else None,
            "read_action": self.action_url(packet_acts.READ, obj) if may_take else None,
            "preview_url": reverse("admin:reports_packet_preview", args=[obj.pk]),
            "csrf_token": get_token(request),
        }
        return {**context, **_summary(obj)} if obj.is_complete else context

    def _why_not(self, request: HttpRequest, obj: Packet) -> str | None:
        """Why somebody who countersigns packets can't countersign this one, which waits for it."""
        waits = obj.is_complete and obj.required_countersignatures
        if not waits or columns.is_countersigned(obj):
            return None
        if not self.may(request, packet_acts.COUNTERSIGN, obj):
            return None
        return packet_acts.countersign_hindrance(request, obj)

    @method_decorator(require_safe)
    def preview_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The packet's JSON as a page."""
        obj = self.object_or_404(request, object_id)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": obj,
            "title": f"What {obj.name} says",
            "packet_url": reverse("admin:reports_packet_change", args=[obj.pk]),
            **preview.context(obj),
        }
        response = TemplateResponse(request, "admin/reports/packet/preview.html", context)
        response["Cache-Control"] = "no-store"
        return response

    # --- columns ------------------------------------------------------------------------------

    @admin.display(description="Packet", ordering="name")
    def shown_name(self, obj: Packet) -> SafeString:
        """The name that all of its files have."""
        return components.identifier(obj.name)

    @admin.display(description="State")
    def shown_standing(self, obj: Packet) -> SafeString:
        """The state pill, and how many of its signatures are there."""
        return columns.standing(obj)

    @admin.display(description="State")
    def shown_state(self, obj: Packet) -> SafeString:
        """The state pill."""
        return columns.state(obj)

    @admin.display(description="Signatures")
    def shown_signatures(self, obj: Packet) -> SafeString:
        """How many of those needed are there."""
        return columns.signatures(obj)

    @admin.display(description="Client")
    def shown_client(self, obj: Packet) -> str:
        """Whom it is about."""
        return columns.client(obj)

    @admin.display(description="Period", ordering="period_start")
    def shown_period(self, obj: Packet) -> SafeString:
        """The period."""
        return columns.period(obj)

    @admin.display(description="Period", ordering="period_start")
    def shown_days(self, obj: Packet) -> SafeString:
        """The period, and which of its packets it is where there are several."""
        if obj.revision == 1:
            return columns.period(obj)
        words = columns.revision(obj)
        return format_html('{} <span class="account">{}</span>', columns.period(obj), words)

    @admin.display(description="Digest")
    def shown_digest(self, obj: Packet) -> SafeString:
        """The digest of the JSON, shortened."""
        return components.digest(obj.json_sha256)

    @admin.display(description="Digest of the JSON")
    def shown_json(self, obj: Packet) -> SafeString:
        """The whole digest of the JSON."""
        return components.digest(obj.json_sha256, full=True)

    @admin.display(description="Digest of the PDF")
    def shown_pdf(self, obj: Packet) -> SafeString:
        """The whole digest of the PDF with all of its signatures."""
        has_second = columns.is_countersigned(obj)
        found = obj.countersignature.pdf_sha256 if has_second else obj.pdf_sha256
        return components.digest(found, full=True)

    @admin.display(description="Revision", ordering="revision")
    def shown_revision(self, obj: Packet) -> str:
        """Which of the packets of the period it is."""
        return columns.revision(obj)

    @admin.display(description="Reason")
    def shown_reason(self, obj: Packet) -> str:
        """Why there is a further revision."""
        return obj.reason or "—"

    @admin.display(description="Asked for by")
    def shown_maker(self, obj: Packet) -> Any:
        """Who asked for it."""
        return packet_acts.maker(obj)

    @admin.display(description="Controls")
    def shown_controls(self, obj: Packet) -> str:
        """How many controls are in which state."""
        return columns.controls_in_short(obj.summary)


def _summary(packet: Packet) -> dict[str, Any]:
    try:
        return packet_page.context(showing.document_of(packet))
    except StrongroomError as error:
        return {"unreadable": error}
