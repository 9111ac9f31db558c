"""Who gets what from the addresses of packets, controls and artefacts."""

from __future__ import annotations

from tests.house.role_rows import IN, OPEN, row
from tests.house.scene import Row

JANUARY = "?startDate=2026-01-01&endDate=2026-01-31&client_id=clinic-001"
ROWS: list[Row] = [
    #                              anon root nob. alic oliv audr omar ben  svc1 svc2
    row("soc2-packet", "GET", "401 404 404 200 200 403 403 404 403 404", address=JANUARY),
    row("packets", "GET", "401 403 403 200 200 200 200 200 200 200"),
    row("packets", "POST", "401 404 404 200 200 403 403 404 403 404", "PACKET"),
    row("packet", "GET", "401 404 404 200 200 200 404 404 404 404"),
    row("packet-file", "GET", "401 404 404 200 200 200 404 404 404 404"),
    row("packet-countersign", "POST", "401 404 404 403 403 403 404 404 404 404",
        "COUNTERSIGN PACKET"),
    row("packet-verify", "POST", "401 404 404 200 200 200 404 404 404 404", "VERIFY PACKET"),
    row("certificate", "GET", OPEN),
    row("controls", "GET", "401 404 404 200 200 200 403 404 403 404", address=JANUARY),
    row("control-assessments", "POST", "401 404 404 403 201 403 403 404 403 404", "ASSESSMENT"),
    row("artifacts", "GET", "401 403 403 200 200 200 200 200 200 200"),
    row("artifacts", "POST", "401 404 404 201 201 403 201 404 201 404", "ARTEFACT"),
    row("artifact", "GET", "401 404 404 200 200 200 404 404 404 404"),
    row("artifact-content", "GET", "401 404 404 200 200 200 404 404 404 404"),
    #                                            anon root nob. alic oliv audr omar ben
    row("admin:evidence_artifact_changelist", "GET", IN),
    row("admin:evidence_artifact_change", "GET", "302 403 403 200 200 200 404 404"),
    row("admin:evidence_artifact_upload", "GET", "302 403 403 200 200 403 200 200"),
    row("admin:evidence_artifact_upload", "POST", "302 403 403 400 400 403 400 400", {}),
    row("admin:evidence_artifact_download", "GET", "302 403 403 200 200 200 404 404"),
    row("admin:evidence_artifact_download", "POST", "302 403 403 200 200 200 404 404", {}),
    row("admin:reports_packet_changelist", "GET", IN),
    row("admin:reports_packet_change", "GET", "302 403 403 200 200 200 404 404"),
    row("admin:reports_packet_preview", "GET", "302 403 403 200 200 200 404 404"),
    row("admin:reports_packet_generate", "GET", "302 403 403 200 200 403 403 200"),
    row("admin:reports_packet_generate", "POST", "302 403 403 400 400 403 403 400", {}),
    row("admin:reports_packet_countersign", "GET", "302 403 403 403 409 403 404 404"),
    row("admin:reports_packet_countersign", "POST", "302 403 403 403 400 403 404 404", {}),
    row("admin:reports_packet_read", "GET", "302 403 403 200 200 200 404 404"),
    row("admin:reports_packet_read", "POST", "302 403 403 200 200 200 404 404", {}),
    row("admin:reports_packet_download", "GET", "302 403 403 200 200 200 404 404"),
    row("admin:reports_packet_download", "POST", "302 403 403 400 400 400 404 404", {}),
    row("admin:reports_packet_verify", "GET", "302 403 403 200 200 200 404 404"),
    row("admin:reports_packet_verify", "POST", "302 403 403 200 200 200 404 404", {}),
    row("admin:reports_packet_revise", "GET", "302 403 403 200 200 403 404 404"),
    row("admin:reports_packet_revise", "POST", "302 403 403 400 400 403 404 404", {}),
    row("admin:reports_control_changelist", "GET", IN),
    row("admin:reports_control_change", "GET", IN),
    row("admin:reports_control_assess", "GET", "302 403 403 403 200 403 403 200"),
    row("admin:reports_control_assess", "POST", "302 403 403 403 400 403 403 400", {}),
]  # fmt: skip
