"""How an act is declared: what its page says, who may do it, and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from django import forms
from django.http import HttpRequest, HttpResponseBase

from access.admin.forms import ActionForm
from access.roles import Action


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a decision page says before the act.

    Attributes:
        act: the act by name, as its button and heading say it ("Countersign evidence_2026…").
        consequences: what will happen, a sentence each.
        irreversible: what can't be undone, a sentence each.
        digest: the digest of what it is about.
        facts: (label, value) of what it is about, on whose request and why; values may be markup.
        changes: (what, before, after) where something changes.
        danger: the act takes something away.
    """

    act: str
    consequences: Sequence[str] = ()
    irreversible: Sequence[str] = ()
    digest: str | bytes | None = None
    facts: Sequence[tuple[str, Any]] = ()
    changes: Sequence[tuple[str, Any, Any]] = ()
    danger: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """An act done: a sentence for the next page, and which page that is (default: the object)."""

    message: str
    url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultPage:
    """An act whose answer is a page of its own (a verification, a key that is shown once)."""

    template: str
    context: dict[str, Any] = field(default_factory=dict)


Outcome = str | Done | ResultPage | HttpResponseBase
Handler = Callable[[HttpRequest, Any, dict[str, Any]], Outcome]
Describer = Callable[[HttpRequest, Any], Decision]
Hindrance = Callable[[HttpRequest, Any], str | None]


@dataclass(frozen=True, slots=True)
class ObjectAction:
    """An act, declared.

    ``handler``, ``describe`` and ``hindrance`` are functions, or names of methods of the admin.

    Attributes:
        name: its part of the address.
        label: the words of the button that leads to the decision page.
        action: who may do it; asked of the policy for the object's client.
        form_class: what the decision page asks for.
        template: the decision page.
        handler: makes the one service call: (request, obj, cleaned data) -> outcome.
        describe: what the decision page says: (request, obj) -> `Decision`.
        hindrance: why it can't be done now, for those who otherwise may; None where it can.
        primary: the button stands out.
    """

    name: str
    label: str
    action: Action
    form_class: type[forms.Form] = ActionForm
    template: str = "admin/decision.html"
    handler: Handler | str = ""
    describe: Describer | str | None = None
    hindrance: Hindrance | str | None = None
    primary: bool = False


class Button(NamedTuple):
    """A button that leads to a decision page."""

    label: str
    url: str
    primary: bool
