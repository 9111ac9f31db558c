"""The heat map of the desk: for each client, how last month's controls stand, series by series."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from typing import Final

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from access.admin import desk
from access.admin.desk import PanelData
from access.roles import Action
from reports import catalogue
from reports.admin import columns, control_scope, months
from reports.admin.control_scope import Chosen
from reports.models import AssessmentState, Framework
from reports.services import controls
from reports.services.controls import NOT_ASSESSED

SHOWN: Final = 12
SIDE, GAP, PER_ROW = 16, 2, 4
_MARKS: Final = {
    AssessmentState.COMPLIANT: "M4 8.5l2.8 2.8L12 5.2",
    AssessmentState.ATTENTION: "M8 4v5M8 11.8v.2",
    AssessmentState.NOT_COMPLIANT: "M5 5l6 6M11 5l-6 6",
    AssessmentState.NOT_APPLICABLE: "M5 11l6-6",
    NOT_ASSESSED: "M5.5 8h5",
}


def panel(request: HttpRequest) -> PanelData | None:
    """Each client of the viewer with its controls of last month; one query for all of them."""
    known = [
        found for found in control_scope.clients_of(request) if found[0] != control_scope.PLATFORM
    ]
    current = desk.current_client(request)
    if current is not None:
        known = [found for found in known if found[0] == current]
    if not known or not desk.scope_of(request, Action.VIEW):
        return None
    period = months.last_month()
    shown = [Chosen(key, name, period) for key, name in known[:SHOWN]]
    states = controls.states_of_clients([found.key for found in shown], Framework.SOC2, period)
    series = _series()
    return PanelData(
        title=f"Controls in {months.words(period)}",
        columns=("Client", *series),
        rows=[_row(chosen, series, states) for chosen in shown],
        empty="",
        url=reverse(control_scope.LIST),
        note=legend(),
    )


def _series() -> dict[str, list[str]]:
    specs = catalogue.in_scope(Framework.SOC2, frozenset(settings.SOC2_CATEGORIES))
    grouped = groupby(specs, key=lambda spec: spec.series.partition(" ")[0])
    return {name: [spec.control_id for spec in members] for name, members in grouped}


def _row(
    chosen: Chosen, series: dict[str, list[str]], states: dict[tuple[str, str], str]
) -> Sequence[SafeString]:
    cells = [
        format_html(
            '<a class="heat" href="{}#{}">{}</a>',
            chosen.list_url(),
            name,
            squares(name, [states.get((chosen.key, found), NOT_ASSESSED) for found in members]),
        )
        for name, members in series.items()
    ]
    return (format_html('<a href="{}">{}</a>', chosen.list_url(), chosen.name), *cells)


def squares(series: str, states: Sequence[str]) -> SafeString:
    """A square with a mark for each control of a series; it says in words what it shows."""
    drawn = format_html_join(
        "",
        '<g class="{}" transform="translate({} {})"><rect width="16" height="16" rx="3"/>'
        '<path d="{}"/></g>',
        (
            (
                columns.CONTROL_STATES[state][0],
                place % PER_ROW * (SIDE + GAP),
                place // PER_ROW * (SIDE + GAP),
                _MARKS[state],
            )
            for place, state in enumerate(states)
        ),
    )
    across = min(len(states), PER_ROW)
    down = -(-len(states) // PER_ROW)
    width, height = across * (SIDE + GAP) - GAP, down * (SIDE + GAP) - GAP
    return format_html(
        '<svg role="img" viewBox="0 0 {0} {1}" width="{0}" height="{1}" aria-label="{2}">'
        "<title>{2}</title>{3}</svg>",
        width,
        height,
        in_words(series, states),
        drawn,
    )


def in_words(series: str, states: Sequence[str]) -> str:
    """``CC6: 3 compliant, 5 not assessed``."""
    counted = Counter(states)
    told = [
        f"{counted[state]} {words.lower()}"
        for state, (_, words) in columns.CONTROL_STATES.items()
        if counted[state]
    ]
    return f"{series}: {', '.join(told)}"


def legend() -> SafeString:
    """What the marks mean."""
    return format_html_join(
        "",
        '<span class="legend heat"><svg viewBox="0 0 16 16" width="16" height="16"'
        ' aria-hidden="true"><g class="{}"><rect width="16" height="16" rx="3"/><path d="{}"/></g>'
        "</svg>{}</span>",
        ((tone, _MARKS[state], words) for state, (tone, words) in columns.CONTROL_STATES.items()),
    )
