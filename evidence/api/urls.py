"""Addresses below ``/compliance/evidence/``."""

from django.urls import path

from evidence.api import views

urlpatterns = [
    path("export", views.ExportView.as_view(), name="evidence-export"),
    path("countersign", views.CountersignView.as_view(), name="evidence-countersign"),
    path("verify", views.VerifyView.as_view(), name="evidence-verify"),
    path("packages", views.PackageListView.as_view(), name="evidence-packages"),
    path("packages/<str:bundle_id>", views.PackageView.as_view(), name="evidence-package"),
    path(
        "packages/<str:bundle_id>/files/<str:name>",
        views.PackageFileView.as_view(),
        name="evidence-file",
    ),
]
