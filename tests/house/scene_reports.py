"""What the table of roles asks for of packets, controls and artefacts; made on demand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.factories import World

_PERIOD = {"client_id": "clinic-001", "startDate": "2026-01-01", "endDate": "2026-01-31"}


def packet(world: World) -> Any:
    """The packet of clinic-001 that Olivia asked for."""
    from reports.models import Packet
    from tests.api.packets import stored

    return Packet.objects.first() or stored(world, by="olivia")


def _list(world: World) -> list[Any]:
    packet(world)
    return []


def _certificate(world: World) -> list[Any]:
    from reports.services import certificates

    certificates.service_chain(actor=world.actor("alice"))
    return []


def _countersign(world: World) -> dict[str, Any]:
    key = world.key("oscar")
    return {"signing_key_id": key.key_id, "password": world.password}


def artifact(world: World) -> Any:
    """The artefact of clinic-001 that Olivia handed in, in a vault."""
    from evidence.models import Artifact
    from tests.api.artifacts import keep

    _with_vault()
    return Artifact.objects.first() or keep(world)


def _with_vault() -> None:
    """Until the test ends: pytest-django forgets what was set meanwhile."""
    from django.conf import settings

    settings.COMPLIANCE_EVIDENCE_VAULT_DIR = str(settings.DATA_DIR / "vault")


def _upload(world: World) -> list[Any]:
    _with_vault()
    return []


def _artefact_body(world: World) -> dict[str, Any]:
    from tests.api.artifacts import PERIOD

    _with_vault()
    about = {"client_id": "clinic-001", "control": "CC6.1", "title": "Groups", **PERIOD}
    return {**about, "file_name": "groups.csv", "content": "YWxpY2U="}


# The arguments of addresses.
ARGS: dict[str, Callable[[World], list[Any]]] = {
    "soc2-packet": _list,
    "packets": _list,
    "packet-verify": _list,
    "packet": lambda world: [packet(world).name],
    "packet-file": lambda world: [packet(world).name, f"{packet(world).name}.json"],
    "packet-countersign": lambda world: [packet(world).name],
    "certificate": _certificate,
    "control-assessments": lambda world: ["CC6.1"],
    "admin:reports_packet_changelist": _list,
    **{
        f"admin:reports_packet_{act}": lambda world: [packet(world).pk]
        for act in ("change", "preview", "countersign", "read", "download", "verify", "revise")
    },
    "admin:reports_control_change": lambda world: ["SOC2_3ACC6.1"],
    "admin:reports_control_assess": lambda world: ["SOC2_3ACC6.1"],
    "admin:reports_packet_generate": lambda world: [],
    **{
        name: lambda world: [artifact(world).pk]
        for name in (
            "artifact",
            "artifact-content",
            "admin:evidence_artifact_change",
            "admin:evidence_artifact_download",
        )
    },
    "admin:evidence_artifact_upload": _upload,
}
# Bodies, by the word that stands for them in a row.
BODIES: dict[str, Callable[[World], Any]] = {
    "PACKET": lambda world: _PERIOD,
    "ARTEFACT": _artefact_body,
    "COUNTERSIGN PACKET": _countersign,
    "VERIFY PACKET": lambda world: {"packet": packet(world).name},
    "ASSESSMENT": lambda world: {**_PERIOD, "state": "compliant", "note": "Looked at it."},
}
