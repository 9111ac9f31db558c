"""Every address of the installation."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from access.admin.site import site
from evidence.public import VerifyPage
from ops.api import urls as ops_urls
from ops.metrics.door import metrics


def healthz(request: HttpRequest) -> HttpResponse:
    """Answers as soon as the process serves requests; it looks at nothing else."""
    return HttpResponse("ok\n", content_type="text/plain")


# Drawn by Swagger UI, from a page of ours without the inline style that the policy would refuse.
api_docs = SpectacularSwaggerSplitView.as_view(url_name="schema", template_name="api_docs.html")

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index"), name="home"),
    path("healthz", healthz, name="healthz"),
    path("metrics", metrics, name="metrics"),
    path("accounts/", include("config.urls_accounts")),
    path("admin/", site.urls),
    path("api/token/", include("access.api.urls")),
    path("api/", include("audit.api.urls")),
    path("api/", include(ops_urls.api_urlpatterns)),
    path("api/", include("reports.api.urls")),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", api_docs, name="docs"),
    path("compliance/evidence/", include("evidence.api.urls")),
    path("ops/", include(ops_urls.ops_urlpatterns)),
    path("verify/", VerifyPage.as_view(), name="verify"),
]

handler500 = "access.admin.errors.server_error"
