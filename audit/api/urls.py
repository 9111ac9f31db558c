"""Addresses of the audit trail and of the public keys, below `/api/`."""

from django.urls import path

from audit.api import verification, views

urlpatterns = [
    path("audit/events", views.EventsView.as_view(), name="audit-events"),
    path("audit/events/<uuid:event_id>", views.EventView.as_view(), name="audit-event"),
    path("audit/events/<uuid:event_id>/proof", views.ProofView.as_view(), name="audit-proof"),
    path("audit/checkpoint", views.CheckpointView.as_view(), name="audit-checkpoint"),
    path("audit/consistency", views.ConsistencyView.as_view(), name="audit-consistency"),
    path("audit/status", views.StatusView.as_view(), name="audit-status"),
    path("audit/verify", verification.VerifyView.as_view(), name="audit-verify"),
    path(
        "audit/verify/<int:request_id>",
        verification.VerificationRequestView.as_view(),
        name="audit-verification",
    ),
    path("compliance/public-key", views.PublicKeyView.as_view(), name="public-key"),
    path("compliance/public-keys", views.PublicKeysView.as_view(), name="public-keys"),
]
