"""Metrics at a glance: one page of charts, drawn from the database, each with its table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone

from access.admin.mixins import ReadOnlyAdmin
from access.admin.site import site
from ops.admin.bars import Chart, bars
from ops.closed import ClosedList
from ops.models import RunTally
from sealing.errors import NotFound

HOME = "admin:ops_runtally_changelist"


class UnknownChart(NotFound):
    """There is no such chart."""

    code = "unknown_chart"


@dataclass(frozen=True, slots=True)
class Glance:
    """A chart of the page.

    Attributes:
        name: also its anchor.
        order: its place on the page.
        draw: what it shows now, of the whole installation.
    """

    name: str
    order: int
    draw: Callable[[], Chart]


_charts: ClosedList[Glance] = ClosedList("Chart", unknown=UnknownChart, field="chart")
register, freeze, get, all_charts = _charts.register, _charts.freeze, _charts.get, _charts.all


def connect() -> None:
    """Registers the page with the site."""
    site.register(RunTally, GlanceAdmin)


class GlanceAdmin(ReadOnlyAdmin):
    """The page, for those who may look at every client."""

    client_field = None

    def get_urls(self) -> list[URLPattern]:
        """The page alone: tallies have none of their own."""
        view = self.admin_site.admin_view
        return [path("", view(self.changelist_view), name="ops_runtally_changelist")]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The page."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        charts = [
            (glance.name, chart, bars(chart))
            for glance in sorted(all_charts(), key=lambda glance: (glance.order, glance.name))
            for chart in [glance.draw()]
        ]
        context = {
            **self.admin_site.each_context(request),
            "title": "Metrics",
            "opts": self.opts,
            "charts": charts,
            "now": timezone.now(),
            **(extra_context or {}),
        }
        return TemplateResponse(request, "admin/ops/runtally/change_list.html", context)
