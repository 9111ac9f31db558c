"""How the list of packets can be narrowed."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest

from access.admin.filters import ChoiceFilter
from reports import selectors
from reports.admin import columns, months
from reports.models import PacketStatus


class StateFilter(ChoiceFilter):
    """Where packets stand."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """As the pills say it."""
        return [
            ("awaiting", "Awaiting countersignature"),
            ("countersigned", "Countersigned"),
            ("writing", "Being made"),
            ("failed", "Failed"),
        ]

    def narrowed(self, request: HttpRequest, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        """Only those."""
        if value == "awaiting":
            return queryset.filter(columns.awaits_countersignature())
        if value == "countersigned":
            return queryset.filter(countersignature__isnull=False)
        if value == "failed":
            return queryset.filter(pk__in=selectors.failed(request.user).values("pk"))
        return queryset.filter(status=PacketStatus.WRITING)


class WaitingFilter(ChoiceFilter):
    """Packets that the viewer could countersign."""

    title = "countersignature"
    parameter_name = "waiting"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The one choice beside all."""
        return [("me", "Waiting for mine")]

    def narrowed(self, request: HttpRequest, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        """Only those."""
        waiting = selectors.awaiting_countersignature(request.user)
        return queryset.filter(pk__in=waiting.values("pk"))


class MonthFilter(ChoiceFilter):
    """The month with which the period begins."""

    title = "month"
    parameter_name = "month"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The last three years."""
        return months.choices()

    def narrowed(self, request: HttpRequest, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        """Only packets whose period begins in it."""
        found = months.of_text(value)
        if found is None:
            return queryset.none()
        return queryset.filter(period_start__gte=found.start, period_start__lt=found.end)
