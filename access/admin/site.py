"""The admin site: Django's, entered through allauth, with navigation by work."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from allauth.account.decorators import secure_admin_login
from django.contrib.admin import AdminSite
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, URLResolver, path, reverse
from django.utils.decorators import method_decorator
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from access.admin import desk
from access.denials import mark_denied

# Django's own addresses that lead nowhere here: allauth has the passwords, records are read-only.
LEFT_OUT = frozenset(
    {
        "password_change",
        "password_change_done",
        "autocomplete",
        "jsi18n",
        "view_on_site",
        "app_list",
    }
)


class StrongroomAdminSite(AdminSite):
    """The desk: who has a grant may enter, and `access.policy` decides the rest."""

    site_title = "Strongroom"
    site_header = "Strongroom"
    index_title = "Desk"
    empty_value_display = "—"
    enable_nav_sidebar = False

    def has_permission(self, request: HttpRequest) -> bool:
        """Whether this is an active human account with at least one grant."""
        user = request.user
        if not user.is_authenticated or not user.is_active or getattr(user, "is_service", True):
            return False
        return bool(desk.roles_of(request))

    def admin_view(self, view: Callable[..., Any], cacheable: bool = False) -> Any:
        """Django's, except that somebody signed in without a grant is told so, with 403."""
        inner: Callable[..., HttpResponseBase] = super().admin_view(view, cacheable)

        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if request.user.is_authenticated and not self.has_permission(request):
                return self.without_grants(request)
            return inner(request, *args, **kwargs)

        return guarded

    def without_grants(self, request: HttpRequest) -> HttpResponse:
        """The page for an account that may see nothing, a superuser's included."""
        mark_denied(request, "no_grants")
        response = TemplateResponse(
            request, "admin/no_grants.html", {"title": "No access yet"}, status=403
        )
        response["Cache-Control"] = "no-store"
        return response

    @method_decorator(never_cache)
    @login_not_required
    def login(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Sends to allauth's sign-in, which knows rate limits and second factors."""
        if self.has_permission(request):
            return redirect("admin:index")
        if request.user.is_authenticated:
            return self.without_grants(request)
        response: HttpResponse = secure_admin_login(super().login)(request, extra_context)
        return response

    def logout(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """Sends to allauth's sign-out."""
        return redirect("account_logout")

    def get_urls(self) -> list[URLResolver | URLPattern]:
        """Django's addresses, less those that are not used, and the client switch."""
        kept = [p for p in super().get_urls() if getattr(p, "name", None) not in LEFT_OUT]
        switch = path("client/", self.admin_view(self.switch_client), name="switch_client")
        return [switch, *kept]

    @method_decorator(require_POST)
    def switch_client(self, request: HttpRequest) -> HttpResponseRedirect:
        """Narrows the lists to one client, or to none, for this session."""
        desk.choose_client(request, request.POST.get("client", ""))
        target = request.POST.get("next", "")
        allowed = url_has_allowed_host_and_scheme(
            target, allowed_hosts={request.get_host()}, require_https=request.is_secure()
        )
        return HttpResponseRedirect(target if allowed else reverse("admin:index"))

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """What every page of the desk needs; navigation is drawn by the base template."""
        return {
            "site_title": self.site_title,
            "site_header": self.site_header,
            "site_url": None,
            "has_permission": self.has_permission(request),
            "is_popup": False,
            "is_nav_sidebar_enabled": False,
        }

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """None: the navigation goes by work (`access.admin.desk`), not by application."""
        return []

    def index(self, request: HttpRequest, extra_context: Any = None) -> TemplateResponse:
        """The first page: what waits, what failed, how the log stands."""
        context = {
            "cards": desk.desk.card_data(request),
            "panels": desk.desk.panel_data(request),
            **(extra_context or {}),
        }
        return super().index(request, context)


site = StrongroomAdminSite(name="admin")
