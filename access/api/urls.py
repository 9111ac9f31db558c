"""Addresses of tokens, below `/api/token/`."""

from django.urls import path

from access.api import views

urlpatterns = [
    path("", views.ObtainView.as_view(), name="token-obtain"),
    path("refresh/", views.RefreshView.as_view(), name="token-refresh"),
    path("revoke/", views.RevokeView.as_view(), name="token-revoke"),
]
