"""A packet by REST alone, from asking for it to the second signature and the next revision."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from cryptography import x509
from django.test import Client as Browser

from reports.models import Packet
from tests.api.evidence import Caller, problem
from tests.api.packets import (
    CERTIFICATE,
    DOOR,
    JANUARY,
    PACKETS,
    QUERY,
    VERIFY,
    countersign,
    packing,
)
from tests.factories import World
from tests.services.evidence import helpers
from tests.services.evidence.vaults import local_vault

__all__ = ["local_vault"]
BODY = {"client_id": "clinic-001", **JANUARY}


def test_from_asking_to_the_second_signature(committed_world: World, local_vault: Path) -> None:
    world = committed_world
    helpers.some_events()
    olivia = Caller(world, "olivia")
    made = olivia.post(PACKETS, BODY)
    assert made.status_code == 201, made.content
    packet = Packet.objects.get()
    told = made.json()
    assert (told["name"], told["maker"]["name"]) == (packet.name, "Olivia Officer")
    assert made["Location"] == f"{PACKETS}/{packet.name}"
    assert told["vault_folder"] == packet.deposit.folder
    packing.check_complete(packet)
    raw = olivia.get(DOOR, QUERY).content
    assert json.loads(raw)["auditPeriod"] == told["auditPeriod"]
    assert f"sha256:{hashlib.sha256(raw).hexdigest()}" == told["json_sha256"]

    signed = countersign(world, "oscar", packet, meaning="read and agreed", note="January")
    assert signed.status_code == 200, signed.content
    told = signed.json()["countersignature"]
    assert (told["name"], told["meaning"], told["note"]) == (
        "Oscar Officer", "read and agreed", "January",
    )  # fmt: skip
    pdf = olivia.get(DOOR, {**QUERY, "format": "pdf"})
    assert f"sha256:{hashlib.sha256(pdf.content).hexdigest()}" == told["pdf_sha256"]
    packing.check_complete(packet, suffixes=packing.SIX)
    verdict = olivia.post(VERIFY, {"packet": packet.name, "require_countersign": True}).json()
    assert (verdict["verdict"], verdict["issues"]) == ("VALID", [])
    assert verdict["countersigner"] == "Oscar Officer"
    problem(countersign(world, "oscar", packet), 409, "already_countersigned")

    revised = olivia.post(PACKETS, {**BODY, "revise": True, "reason": "A late arrival."})
    assert revised.status_code == 201, revised.content
    assert revised.json()["name"] == f"{packet.name}_r2"
    chain = x509.load_pem_x509_certificates(Browser().get(CERTIFICATE).content)
    assert len(chain) == 1
