"""Strings that have broken software, through every door that takes text: never a 500."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest
from django.core.cache import cache
from django.test import Client as Browser

from tests.conformance.data import folder
from tests.factories import World


@pytest.fixture(scope="module")
def naughty() -> list[str]:
    found = json.loads((folder("json_hostile") / "blns.json").read_text(encoding="utf-8"))
    assert len(found) > 400
    return list(found)


def check(answer: Any, text: str) -> None:
    assert answer.status_code < 500, ascii(text)
    if answer.status_code >= 400:
        assert answer["Content-Type"] == "application/problem+json", ascii(text)
        assert answer.json()["code"], ascii(text)


def event(number: int, text: str) -> dict[str, Any]:
    return {
        "id": f"01942f4c-0000-7000-8000-{number:012x}",
        "type": "test.string.sent",
        "occurred_at": "2026-01-31T09:00:00.000000Z",
        "actor": {"id": text or "-"},
        "object": {"type": "text", "id": text or "-"},
        "outcome": "success",
        "data": {"text": text, text: 1},
    }


def test_ingest_keeps_them_as_they_are_or_refuses_them(world: World, naughty: list[str]) -> None:
    headers = {"Authorization": f"Bearer {world.api_key()}"}
    kept = 0
    for number, text in enumerate(naughty):
        sent = event(number, text)
        answer = Browser().post(
            "/api/audit/events",
            json.dumps(sent),
            content_type="application/json",
            headers=headers,
        )
        check(answer, text)
        if answer.status_code == 201:
            kept += 1
            line = Browser().get(f"/api/audit/events/{sent['id']}", headers=headers)
            assert json.loads(line.content)["event"]["data"] == sent["data"]
    assert kept > len(naughty) * 0.9


def test_filters(world: World, naughty: list[str]) -> None:
    browser = Browser()
    browser.force_login(world.user("olivia"))
    names = ("actor", "object_id", "type", "client_id", "since", "q", "cursor")
    for number, text in enumerate(naughty):
        for name in (names[number % len(names)], names[(number + 3) % len(names)]):
            check(browser.get("/api/audit/events", {name: text}), text)


VERIFY = {
    "package_path": "clinic-001/evidence_20260101T000000Z_00000000.zip",
    "signature_path": "clinic-001/evidence_20260101T000000Z_00000000.signature.json",
}
COUNTERSIGN = {
    "package_path": "clinic-001/evidence_20260101T000000Z_00000000.zip",
    "signer": "olivia",
    "signing_key_id": "sha256:" + "0" * 64,
    "password": "a password",
}
EXPORT = {
    "client_id": "clinic-001",
    "period_start": "2026-01-02T00:00:00Z",
    "period_end": "2026-01-01T00:00:00Z",
    "retention_policy": "hipaa_6y",
    "vault_mode": "none",
    "package_prefix": "evidence",
}


@pytest.mark.parametrize(
    ("address", "whole"), [("verify", VERIFY), ("countersign", COUNTERSIGN), ("export", EXPORT)]
)
def test_bodies(world: World, naughty: list[str], address: str, whole: dict[str, str]) -> None:
    browser = Browser()
    browser.force_login(world.user("olivia"))
    names = list(whole)
    for number, text in enumerate(naughty):
        cache.clear()  # how often one may try is another test's matter
        body = whole | {names[number % len(names)]: text}
        answer = browser.post(
            f"/compliance/evidence/{address}", json.dumps(body), content_type="application/json"
        )
        check(answer, text)


def test_names_in_addresses(world: World, naughty: list[str]) -> None:
    browser = Browser()
    browser.force_login(world.user("olivia"))
    for text in naughty:
        safe = quote(text, safe="") or "x"
        check(browser.get(f"/compliance/evidence/packages/{safe}"), text)
        check(browser.get("/api/compliance/public-key", {"key_id": text}), text)
        assert browser.get(f"/admin/audit/auditevent/{safe}/change/").status_code < 500


def test_credentials(world: World, naughty: list[str]) -> None:
    for text in naughty:
        cache.clear()
        body = json.dumps({"username": text, "password": text})
        check(Browser().post("/api/token/", body, content_type="application/json"), text)
