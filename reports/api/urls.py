"""Addresses of this room below ``/api/``."""

from __future__ import annotations

from django.urls import URLPattern, path

from reports.api import artifacts, controls, packets, verification

packet_urlpatterns: list[URLPattern] = [
    path("compliance/soc2-packet", packets.Soc2PacketView.as_view(), name="soc2-packet"),
    path("compliance/certificate", packets.CertificateView.as_view(), name="certificate"),
    path("compliance/packets", packets.PacketsView.as_view(), name="packets"),
    path(
        "compliance/packets/verify",
        verification.PacketVerifyView.as_view(),
        name="packet-verify",
    ),
    path("compliance/packets/<str:name>", packets.PacketView.as_view(), name="packet"),
    path(
        "compliance/packets/<str:name>/files/<str:file>",
        packets.PacketFileView.as_view(),
        name="packet-file",
    ),
    path(
        "compliance/packets/<str:name>/countersign",
        packets.PacketCountersignView.as_view(),
        name="packet-countersign",
    ),
]
control_urlpatterns: list[URLPattern] = [
    path("controls", controls.ControlsView.as_view(), name="controls"),
    path(
        "controls/<str:control_id>/assessments",
        controls.AssessmentsView.as_view(),
        name="control-assessments",
    ),
]
artifact_urlpatterns: list[URLPattern] = [
    path("artifacts", artifacts.ArtifactListView.as_view(), name="artifacts"),
    path("artifacts/<uuid:artifact_id>", artifacts.ArtifactView.as_view(), name="artifact"),
    path(
        "artifacts/<uuid:artifact_id>/content",
        artifacts.ArtifactContentView.as_view(),
        name="artifact-content",
    ),
]
urlpatterns = [*packet_urlpatterns, *control_urlpatterns, *artifact_urlpatterns]
