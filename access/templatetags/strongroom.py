"""Template tags of the desk: its pieces, its frame, and words for states.

``{% load strongroom %}`` gives ``{% pill %}``, ``{% digest %}``, ``{% when %}``, ``{% person %}``,
``{% icon %}`` and, for the frame, ``{% navigation %}``, ``{% crumbs %}``, ``{% client_switch %}``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from django import template
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import capfirst

from access.admin import components, desk
from access.admin.site import site
from access.roles import Action

register = template.Library()

register.simple_tag(components.pill, name="pill")
register.simple_tag(components.digest, name="digest")
register.simple_tag(components.when, name="when")
register.simple_tag(components.person, name="person")
register.simple_tag(components.icon, name="icon")

VERDICTS = {"VALID": "VALID", "INVALID": "INVALID", "INCONCLUSIVE": "COULD NOT CHECK"}
VERDICT_MEANING = {
    "VALID": "Every check that was made passed.",
    "INVALID": "At least one check failed. Do not rely on it.",
    "INCONCLUSIVE": "Something could not be checked, so this says neither yes nor no.",
}


@register.filter
def verdict_words(verdict: object) -> str:
    """VALID, INVALID or COULD NOT CHECK; whatever is not known could not be checked."""
    return VERDICTS.get(str(verdict), VERDICTS["INCONCLUSIVE"])


@register.filter
def verdict_meaning(verdict: object) -> str:
    """What the verdict means, in a sentence."""
    return VERDICT_MEANING.get(str(verdict), VERDICT_MEANING["INCONCLUSIVE"])


@register.filter
def tone(state: object) -> str:
    """The tone of a verdict or state, as a class name."""
    known = components.STATES.get(str(state).lower().replace("_", " "))
    return str(known[0] if known else components.Tone.NEUTRAL)


@register.filter
def tone_icon(name: object) -> SafeString:
    """The icon that goes with a tone."""
    try:
        return components.icon(components.ICONS[components.Tone(str(name))])
    except ValueError:
        return components.icon(components.ICONS[components.Tone.NEUTRAL])


@register.filter
def check_result(ok: bool | None) -> SafeString:
    """The pill of one check: passed, failed or not checked."""
    if ok is None:
        return components.pill("inconclusive", "Not checked")
    return components.pill("valid", "Passed") if ok else components.pill("failed", "Failed")


@register.filter
def at_place(values: Sequence[Any], place: int) -> Any:
    """The value at a place; empty where there is none."""
    return values[place] if 0 <= place < len(values) else ""


@register.filter
def of(values: Mapping[str, Any], key: object) -> Any:
    """The value of a key; empty where there is none."""
    return values.get(str(key), "")


@register.simple_tag
def labelled_cell(cell: str, headers: Sequence[dict[str, Any]], place: int) -> SafeString:
    """A cell of Django's change list that carries its column's name, for narrow screens."""
    label = format_html(' data-label="{}"', capfirst(at_place(headers, place)["text"]))
    return mark_safe(re.sub(r"^(<t[dh])", lambda tag: tag.group(1) + label, cell, count=1))  # noqa: S308


@register.filter
def plain_words(role: object) -> str:
    """A role or code as words: ``compliance-officer`` -> ``compliance officer``."""
    return str(role).replace("-", " ").replace("_", " ")


@register.simple_tag(takes_context=True)
def navigation(context: template.Context) -> list[desk.NavSection]:
    """The sections that the viewer may follow; none for a stranger."""
    request = _viewer(context)
    return desk.desk.navigation(request) if request else []


@register.simple_tag(takes_context=True)
def crumbs(context: template.Context, *tail: object) -> list[desk.Crumb]:
    """Where the page stands: Desk, section, list; then ``tail``, label and address in turn."""
    request = _viewer(context)
    trail: list[desk.Crumb] = []
    if request:
        trail.append(desk.Crumb("Desk", reverse("admin:index")))
        for section in desk.desk.navigation(request):
            for link in section.links:
                if link.is_current and link.url != trail[0].url:
                    if section.label != link.label:
                        trail.append(desk.Crumb(section.label))
                    trail.append(desk.Crumb(link.label, link.url))
    pairs = zip(tail[::2], (*tail[1::2], None), strict=False)
    trail += [desk.Crumb(str(label), str(url) if url else None) for label, url in pairs if label]
    return trail


@register.inclusion_tag("strongroom/client_switch.html", takes_context=True)
def client_switch(context: template.Context) -> dict[str, Any]:
    """The current client, and the way to another one."""
    request = _viewer(context)
    if request is None:
        return {"clients": []}
    return {
        "request": request,
        "clients": desk.clients_of(request),
        "current": desk.current_client(request),
        "all_clients": desk.scope_of(request, Action.VIEW).all_clients,
        "csrf_token": context.get("csrf_token"),
    }


@register.simple_tag(takes_context=True)
def roles(context: template.Context) -> list[str]:
    """The viewer's roles, in words."""
    request = _viewer(context)
    return sorted(plain_words(role) for role in desk.roles_of(request)) if request else []


def _viewer(context: template.Context) -> Any:
    request = context.get("request")
    user = getattr(request, "user", None)
    if request is None or user is None or not user.is_authenticated:
        return None
    return request if site.has_permission(request) else None
