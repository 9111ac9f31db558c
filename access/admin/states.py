"""How lists of what can end are narrowed and shown."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from access.admin import components


class EndedFilter(admin.SimpleListFilter):
    """What holds now, or what was revoked."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The two states."""
        return [("active", "Active"), ("revoked", "Revoked")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """The list, narrowed."""
        if self.value() == "active":
            return queryset.filter(revoked_at=None)
        if self.value() == "revoked":
            return queryset.exclude(revoked_at=None)
        return queryset


class WithState:
    """A column that says whether a thing was revoked."""

    @admin.display(description="State")
    def shown_state(self, obj: Any) -> SafeString:
        """The state pill."""
        return components.pill("revoked" if obj.revoked_at else "active")
