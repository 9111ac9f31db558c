"""Clients on the desk. What can be done about them is added by `ops`, which records it."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from access import policy
from access.admin import components
from access.admin.mixins import ObjectActionsMixin, ReadOnlyAdmin
from access.admin.site import site
from access.models import Client
from access.roles import Action


@admin.register(Client, site=site)
class ClientAdmin(ObjectActionsMixin, ReadOnlyAdmin):
    """Whose evidence is kept here; everybody with a role for a client sees it."""

    client_field = "id"
    empty_sentence = "Clients, whose events and evidence are kept here, will be listed here."
    list_display = ("name", "shown_id", "shown_state", "created_at")
    list_filter = ("is_active",)
    search_fields = ("id__startswith", "name__istartswith")
    search_help_text = "The beginning of a name or id"
    ordering = ("name", "id")
    fieldsets = (
        (None, {"fields": ("shown_id", "name", "shown_state", "created_at")}),
        (
            "Privacy",
            {
                "fields": ("shown_redaction",),
                "description": "What ingest removes from events before they are hashed.",
            },
        ),
        ("Who acts for it", {"fields": ("shown_grants",)}),
    )

    def visible_to(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """The clients that the account has any role for."""
        allowed = policy.scope(request.user, Action.VIEW)
        return queryset if allowed.all_clients else queryset.filter(pk__in=allowed.client_ids)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Without the grants, for those who may not look at people."""
        shown = super().get_fieldsets(request, obj)
        if obj is not None and policy.can(request.user, Action.VIEW_PEOPLE, obj):
            return shown
        return shown[:-1]

    @admin.display(description="Id", ordering="id")
    def shown_id(self, obj: Client) -> SafeString:
        """The id, as it stands in events and paths."""
        return components.identifier(obj.pk)

    @admin.display(description="State")
    def shown_state(self, obj: Client) -> SafeString:
        """The state pill."""
        return components.pill("active" if obj.is_active else "inactive")

    @admin.display(description="Redacted")
    def shown_redaction(self, obj: Client) -> SafeString:
        """The JSON pointers."""
        pointers = ((pointer,) for pointer in obj.redaction_pointers)
        return format_html_join(" ", "<code>{}</code>", pointers) or components.NOTHING

    @admin.display(description="Grants")
    def shown_grants(self, obj: Client) -> SafeString:
        """Accounts with a role for this client alone."""
        grants = obj.grants.filter(revoked_at=None).select_related("user__person", "group")
        return (
            format_html_join(
                "",
                "<div>{}</div>",
                ((components.person(grant.user, role=grant.group.name),) for grant in grants),
            )
            or components.NOTHING
        )
