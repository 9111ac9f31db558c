"""How the lists of jobs and runs can be narrowed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from access.admin import desk
from access.admin.filters import ChoiceFilter
from access.roles import Action
from ops import registry
from ops.models import RunStatus

PLATFORM = "platform"
_PERIODS = {
    "day": ("Last 24 hours", timedelta(days=1)),
    "week": ("Last 7 days", timedelta(days=7)),
    "month": ("Last 31 days", timedelta(days=31)),
    "year": ("Last 366 days", timedelta(days=366)),
}


class StateFilter(ChoiceFilter):
    """Where runs stand."""

    title = "state"
    parameter_name = "state"
    field = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The four states."""
        return [(state.value, str(state.label)) for state in RunStatus]


class ActiveFilter(ChoiceFilter):
    """Whether jobs run by their schedule."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """As the API calls them."""
        return [("ACTIVE", "Active"), ("DISABLED", "Disabled")]

    def narrowed(self, request: HttpRequest, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        """Only those."""
        return queryset.filter(is_enabled=value == "ACTIVE")


class TypeFilter(ChoiceFilter):
    """What is done."""

    title = "type"
    parameter_name = "type"
    field = "job_type"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Every type that there is."""
        return [(kind.name, kind.name) for kind in registry.all_types()]


class ClientFilter(ChoiceFilter):
    """Whose evidence it concerns; not offered where the header has chosen already."""

    title = "client"
    parameter_name = "client"
    field = "client_id"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The clients in the viewer's scope, and the installation itself."""
        if desk.current_client(request) is not None:
            return []
        found = [(str(client.pk), client.name) for client in desk.clients_of(request)]
        if desk.scope_of(request, Action.VIEW).all_clients:
            found.append((PLATFORM, "The installation"))
        return found

    def narrowed(self, request: HttpRequest, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        """Only those."""
        if value == PLATFORM:
            return queryset.filter(client=None)
        return queryset.filter(client_id=value)


class JobFilter(ChoiceFilter):
    """Which job; runs that somebody asked for once have none."""

    title = "job"
    parameter_name = "job"
    field = "job_id"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The jobs that the viewer may see."""
        found = [(str(pk), name) for pk, name in model_admin.jobs_of(request)]
        return [*found, ("none", "Asked for once")]

    def narrowed(self, request: HttpRequest, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        """Only its runs."""
        if value == "none":
            return queryset.filter(job=None)
        return queryset.filter(job_id=value)


class PeriodFilter(ChoiceFilter):
    """When it was asked for or planned."""

    title = "period"
    parameter_name = "period"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """A few periods that end now."""
        return [(name, words) for name, (words, _) in _PERIODS.items()]

    def narrowed(self, request: HttpRequest, queryset: QuerySet[Any], value: str) -> QuerySet[Any]:
        """Only runs from then on."""
        return queryset.filter(created_at__gte=timezone.now() - _PERIODS[value][1])
