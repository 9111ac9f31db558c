"""How the list of packages can be narrowed."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from evidence import selectors
from evidence.models import PackageStatus


class WaitingFilter(admin.SimpleListFilter):
    """Packages that the viewer could countersign."""

    title = "countersignature"
    parameter_name = "waiting"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The one choice beside all."""
        return [("me", "Waiting for mine")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """The list, narrowed."""
        if self.value() != "me":
            return queryset
        waiting = selectors.awaiting_countersignature(request.user)
        return queryset.filter(pk__in=waiting.values("pk"))


class OutcomeFilter(admin.SimpleListFilter):
    """How the export ended."""

    title = "outcome"
    parameter_name = "outcome"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Complete, or failed and interrupted together, as the desk counts them."""
        return [("complete", "Complete"), ("failed", "Failed or interrupted")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """The list, narrowed."""
        if self.value() == "complete":
            return queryset.filter(status=PackageStatus.COMPLETE)
        if self.value() == "failed":
            return queryset.filter(pk__in=selectors.failed(request.user).values("pk"))
        return queryset
