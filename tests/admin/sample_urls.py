"""The installation's addresses, with one more admin: acts on a client, whose handler tests set."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpRequest
from django.urls import include, path
from django.views.generic import RedirectView

from access.admin.forms import PasswordForm
from access.admin.mixins import (
    Decision,
    ObjectAction,
    ObjectActionsMixin,
    ReadOnlyAdmin,
    ResultPage,
)
from access.admin.site import StrongroomAdminSite, site
from access.models import Client
from access.roles import Action
from config.urls import urlpatterns as real_urlpatterns
from sealing.results import Finding, Report

calls: list[dict[str, Any]] = []
answer: list[Any] = []
hindrances: list[str] = []


class NotedForm(PasswordForm):
    note = forms.CharField(max_length=20)


class SampleAdmin(ObjectActionsMixin, ReadOnlyAdmin):
    client_field = "id"
    list_display = ["name", "created_at"]
    search_fields = ["^name"]
    object_actions = [
        ObjectAction(
            "seal-up",
            "Seal up",
            Action.COUNTERSIGN,
            NotedForm,
            handler="do_it",
            describe="tell",
            hindrance=lambda request, obj: hindrances[0] if hindrances else None,
            primary=True,
        ),
        ObjectAction("check", "Check", Action.VERIFY, handler="do_check"),
    ]
    list_actions = [ObjectAction("open-all", "Open all", Action.EXPORT, handler="do_it")]

    def tell(self, request: HttpRequest, obj: Client) -> Decision:
        return Decision(
            act=f"Seal up {obj.pk}",
            consequences=["The client is sealed up."],
            irreversible=["It stays so."],
            digest="ab" * 32,
        )

    def do_it(self, request: HttpRequest, obj: Client | None, data: dict[str, Any]) -> Any:
        calls.append({"user": request.user.get_username(), "obj": obj, **data})
        if answer and isinstance(answer[0], Exception):
            raise answer[0]
        return answer[0] if answer else "Sealed up by Olivia Officer."

    def do_check(self, request: HttpRequest, obj: Client, data: dict[str, Any]) -> ResultPage:
        findings = (
            Finding("digest", True, "The digest is right."),
            Finding("countersigned", None, "There was nothing to compare with."),
        )
        return ResultPage(
            template="admin/verdict_page.html",
            context={"report": Report(findings), "not_checked": ["The weather."]},
        )


sample = StrongroomAdminSite(name="admin")
for model, registered in site._registry.items():
    if model is not Client:
        sample.register(model, type(registered))
sample.register(Client, SampleAdmin)

urlpatterns = [
    path("admin/", sample.urls),
    path("accounts/", include("config.urls_accounts")),
    path("home/", RedirectView.as_view(pattern_name="admin:index"), name="home"),
    *(entry for entry in real_urlpatterns if str(entry.pattern) not in ("admin/", "accounts/")),
]
