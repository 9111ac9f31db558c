"""Acts on an object from its page: GET shows what will happen, POST makes one service call.

class PackageAdmin(ObjectActionsMixin, ReadOnlyAdmin):
    object_actions = [
        ObjectAction(
            "countersign", "Countersign", Action.COUNTERSIGN, CountersignForm,
            handler="do_countersign", describe="describe_countersign",
        ),
    ]

    def describe_countersign(self, request, obj): return Decision(act=f"Countersign {obj}", …)
    def do_countersign(self, request, obj, data): …; return "Countersigned by …"
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from allauth.core import ratelimit
from django import forms
from django.contrib import messages
from django.contrib.admin.utils import quote
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from access import policy
from access.admin import desk
from access.admin.acts import Button, Decision, Done, ObjectAction, Outcome, ResultPage
from access.admin.forms import ActionForm, PasswordForm
from access.denials import mark_denied
from access.statuses import status_of
from sealing import errors

if TYPE_CHECKING:
    from access.admin.mixins import ReadOnlyAdmin as _Admin
else:
    _Admin = object

ADVICE: tuple[tuple[type[errors.StrongroomError], str], ...] = (
    (
        errors.IntegrityFailure,
        "What is stored does not agree with itself. Tell whoever runs this installation, with the"
        " request id, before you go on.",
    ),
    (errors.Unavailable, "Nothing is missing from the evidence. Try again later."),
)


class ObjectActionsMixin(_Admin):
    """Adds acts to a `ReadOnlyAdmin`: ``object_actions`` on an object, ``list_actions`` on none.

    An act of a list ("Export a package", "New client") is declared the same way and gets None
    for the object; the account needs the action for at least one client, and the service asks
    about the client that the form names.
    """

    object_actions: Sequence[ObjectAction] = ()
    list_actions: Sequence[ObjectAction] = ()

    def get_urls(self) -> list[URLPattern]:
        """The addresses of the acts, then those of the admin."""
        view = self.admin_site.admin_view
        name = f"{self.opts.app_label}_{self.opts.model_name}"
        acts = [
            path(
                f"{act.name}/",
                view(partial(self.action_view, act=act)),
                name=f"{name}_{act.name}",
            )
            for act in self.list_actions
        ] + [
            path(
                f"<path:object_id>/{act.name}/",
                view(partial(self.action_view, act=act)),
                name=f"{name}_{act.name}",
            )
            for act in self.object_actions
        ]
        return [*acts, *super().get_urls()]

    # --- which acts -------------------------------------------------------------------------

    def may(self, request: HttpRequest, act: ObjectAction, obj: Any) -> bool:
        """Whether the policy lets the account do ``act``."""
        if obj is not None:
            own = self.is_own(request, obj)
            return policy.can(request.user, act.action, self.client_of(obj), own=own)
        return bool(desk.scope_of(request, act.action))

    def buttons(self, request: HttpRequest, obj: Any = None) -> list[Button]:
        """Buttons for what the account may do, and can do now."""
        acts = self.object_actions if obj is not None else self.list_actions
        return [
            Button(act.label, self.action_url(act, obj), act.primary)
            for act in acts
            if self.may(request, act, obj) and self._hindrance(request, act, obj) is None
        ]

    def action_url(self, act: ObjectAction, obj: Any = None) -> str:
        """The address of an act's decision page."""
        args = [quote(obj.pk)] if obj is not None else []
        name = f"{self.opts.app_label}_{self.opts.model_name}_{act.name}"
        return reverse(f"admin:{name}", args=args)

    def _hindrance(self, request: HttpRequest, act: ObjectAction, obj: Any) -> str | None:
        return self._resolve(act.hindrance)(request, obj) if act.hindrance else None

    def _resolve(self, target: Any) -> Any:
        return getattr(self, target) if isinstance(target, str) else target

    # --- the page ---------------------------------------------------------------------------

    @method_decorator(sensitive_post_parameters())
    @method_decorator(require_http_methods(["GET", "HEAD", "POST"]))
    def action_view(
        self, request: HttpRequest, object_id: str | None = None, *, act: ObjectAction
    ) -> HttpResponseBase:
        """Shows the decision page, or does what it announced."""
        obj = self.object_or_404(request, object_id) if object_id is not None else None
        if not self.may(request, act, obj):
            return self.refused(request, act, obj)
        if request.method != "POST":
            hindrance = self._hindrance(request, act, obj)
            form = self.get_action_form(request, act, obj)
            return self._page(
                request, act, obj, form, 409 if hindrance else 200, hindrance=hindrance
            )
        form = self.get_action_form(request, act, obj, request.POST, request.FILES)
        if isinstance(form, PasswordForm) and not ratelimit.consume(
            request, action="reauthenticate", user=request.user
        ):
            return TemplateResponse(request, "429.html", status=429, headers={"Retry-After": "60"})
        if not form.is_valid():
            return self._page(request, act, obj, form, 400)
        try:
            outcome = self._resolve(act.handler)(request, obj, form.cleaned_data)
        except errors.StrongroomError as error:
            return self._failed(request, act, obj, form, error)
        return self._answer(request, act, obj, outcome)

    def get_action_form(
        self, request: HttpRequest, act: ObjectAction, obj: Any, *data: Any
    ) -> forms.Form:
        """The act's form; an `ActionForm` is told the request and the object."""
        if issubclass(act.form_class, ActionForm):
            return act.form_class(*data, request=request, obj=obj)
        return act.form_class(*data)

    def refused(self, request: HttpRequest, act: ObjectAction, obj: Any) -> HttpResponse:
        """403, with the reason: the role is missing, whatever the buttons showed."""
        mark_denied(request, "forbidden")
        where = f" for {self.client_of(obj)}" if obj is not None and self.client_of(obj) else ""
        reason = f"“{act.label}” needs a role that your account does not hold{where}."
        context = {
            **self.admin_site.each_context(request),
            "title": "Not allowed",
            "reason": reason,
        }
        return TemplateResponse(request, "403.html", context, status=403)

    def _failed(
        self,
        request: HttpRequest,
        act: ObjectAction,
        obj: Any,
        form: forms.Form,
        error: errors.StrongroomError,
    ) -> HttpResponse:
        status = status_of(error)
        if status in (403, 404):
            mark_denied(request, error.code)
        if error.field in form.fields:
            form.add_error(error.field, error.message)
        advice = next((words for kind, words in ADVICE if isinstance(error, kind)), "")
        return self._page(request, act, obj, form, status, error=error, error_advice=advice)

    def _answer(
        self, request: HttpRequest, act: ObjectAction, obj: Any, outcome: Outcome
    ) -> HttpResponseBase:
        if isinstance(outcome, HttpResponseBase):
            return outcome
        if isinstance(outcome, ResultPage):
            context = {**self._context(request, act, obj), **outcome.context}
            return TemplateResponse(request, outcome.template, context)
        done = outcome if isinstance(outcome, Done) else Done(message=outcome)
        messages.success(request, done.message)
        return redirect(done.url or self._home(obj))

    def _page(
        self,
        request: HttpRequest,
        act: ObjectAction,
        obj: Any,
        form: forms.Form,
        status: int,
        **extra: Any,
    ) -> HttpResponse:
        describe = self._resolve(act.describe)
        decision = describe(request, obj) if describe else Decision(act=act.label)
        context = {
            **self._context(request, act, obj),
            "title": decision.act,
            "decision": decision,
            "form": form,
            **extra,
        }
        response = TemplateResponse(request, act.template, context, status=status)
        response["Cache-Control"] = "no-store"
        return response

    def _context(self, request: HttpRequest, act: ObjectAction, obj: Any) -> dict[str, Any]:
        return {
            **self.admin_site.each_context(request),
            "title": act.label,
            "opts": self.opts,
            "original": obj,
            "act": act,
            "back_url": self._home(obj),
        }

    def _home(self, obj: Any) -> str:
        name = f"{self.opts.app_label}_{self.opts.model_name}"
        if obj is None:
            return reverse(f"admin:{name}_changelist")
        return reverse(f"admin:{name}_change", args=[quote(obj.pk)])

    # --- buttons on Django's pages ----------------------------------------------------------

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The list, with the buttons of its acts."""
        context = {"buttons": self.buttons(request), **(extra_context or {})}
        return super().changelist_view(request, context)

    def page_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        """The object's page gets the buttons of its acts."""
        return {"buttons": self.buttons(request, obj), **super().page_context(request, obj)}
