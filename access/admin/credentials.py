"""API keys and token sessions on the desk: that they are there, never what they are."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString

from access import policy
from access.admin import components
from access.admin.mixins import ObjectActionsMixin, ReadOnlyAdmin
from access.admin.site import site
from access.admin.states import EndedFilter, WithState
from access.models import ApiKey, TokenSession
from access.roles import Action


@admin.register(ApiKey, site=site)
class ApiKeyAdmin(WithState, ObjectActionsMixin, ReadOnlyAdmin):
    """Keys of service accounts."""

    view_action = Action.VIEW_PEOPLE
    client_field = None
    keyset_field = "id"
    empty_sentence = "API keys of service accounts will be listed here."
    list_display = ("shown_prefix", "user", "label", "shown_state", "last_used_at")
    list_filter = (EndedFilter,)
    search_fields = ("prefix__startswith", "user__username__istartswith")
    search_help_text = "The beginning of a key's prefix or of an account's name"
    fieldsets = (
        (None, {"fields": ("shown_prefix", "user", "label", "shown_state")}),
        ("History", {"fields": ("created_at", "shown_creator", "last_used_at", "revoked_at")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Rows in scope, with what a line of the list shows."""
        return super().get_queryset(request).select_related("user", "created_by__person")

    @admin.display(description="Key")
    def shown_prefix(self, obj: ApiKey) -> SafeString:
        """The part that names the key; the secret part is not kept."""
        return components.identifier(f"srk_{obj.prefix}_…")

    @admin.display(description="Created by")
    def shown_creator(self, obj: ApiKey) -> SafeString:
        """Who made it."""
        return components.person(obj.created_by)


@admin.register(TokenSession, site=site)
class TokenSessionAdmin(ObjectActionsMixin, ReadOnlyAdmin):
    """Sessions that were opened for tokens: one's own, and for administrators everybody's."""

    view_action = Action.VIEW
    client_field = None
    empty_sentence = "Sessions opened by way of the API will be listed here."
    list_display = ("shown_account", "shown_state", "created_at", "expires_at")
    list_filter = (EndedFilter,)
    ordering = ("-created_at", "id")
    fieldsets = (
        (None, {"fields": ("shown_account", "shown_state")}),
        ("History", {"fields": ("created_at", "expires_at", "revoked_at")}),
    )

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Everybody may look, at what `visible_to` leaves."""
        if obj is None:
            return bool(policy.scope(request.user, Action.VIEW))
        return super().has_view_permission(request, obj)

    def visible_to(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """One's own sessions, or all."""
        if policy.can(request.user, Action.MANAGE_PEOPLE):
            return queryset
        return queryset.filter(Q(user_id=request.user.pk))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Rows in scope, with their accounts."""
        return super().get_queryset(request).select_related("user__person")

    @admin.display(description="Account")
    def shown_account(self, obj: TokenSession) -> SafeString:
        """Whose session it is."""
        return components.person(obj.user)

    @admin.display(description="State")
    def shown_state(self, obj: TokenSession) -> SafeString:
        """The state pill."""
        if obj.revoked_at:
            return components.pill("revoked")
        return components.pill("inactive" if obj.expires_at <= timezone.now() else "active")
