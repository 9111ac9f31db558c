"""Strings that have broken software, through the doors of packets and controls: never a 500."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest
from django.core.cache import cache
from django.test import Client as Browser

from reports.models import ControlAssessment, Packet
from tests.conformance.data import folder
from tests.conformance.test_naughty_strings import check
from tests.factories import World

PACKETS = "/api/compliance/packets"
DATES = {"startDate": "2026-01-01", "endDate": "2026-01-31"}
# Two of these take each string, another two the next one.
READS: list[tuple[str, tuple[str, ...]]] = [
    ("/api/compliance/soc2-packet", ("startDate", "endDate", "format", "client_id", "revision")),
    (PACKETS, ("framework", "client_id", "status", "since", "cursor", "page_size")),
    ("/api/controls", ("framework", "client_id", "startDate", "endDate")),
]
BODIES: list[tuple[str, dict[str, Any], tuple[str, ...]]] = [
    (PACKETS, {**DATES, "client_id": "clinic-001", "revise": True, "reason": "Late"},
     ("startDate", "endDate", "client_id", "revise", "reason")),
    (f"{PACKETS}/verify", {"packet": "x"}, ("packet", "require_countersign")),
    (f"{PACKETS}/SOC2_Evidence_clinic-001_2026-01-01_2026-01-31/countersign",
     {"signing_key_id": "sha256:" + "0" * 64, "password": "a password"},
     ("signer", "signing_key_id", "password", "meaning", "note")),
    ("/api/controls/CC6.1/assessments",
     {**DATES, "client_id": "clinic-001", "state": "compliant", "note": "Read"},
     ("framework", "client_id", "startDate", "endDate", "state", "evidence")),
]  # fmt: skip


@pytest.fixture(scope="module")
def naughty() -> list[str]:
    found = json.loads((folder("json_hostile") / "blns.json").read_text(encoding="utf-8"))
    return list(found)


@pytest.fixture
def browser(world: World) -> Browser:
    found = Browser(raise_request_exception=False)
    found.force_login(world.user("olivia"))
    return found


def test_parameters(browser: Browser, naughty: list[str]) -> None:
    for number, text in enumerate(naughty):
        path, names = READS[number % len(READS)]
        query = dict(DATES) if path != PACKETS else {}
        name = names[number // len(READS) % len(names)]
        given = {text or "-": "x"} if number % 5 == 0 else {name: text}
        check(browser.get(path, {**query, **given}), text)
    assert not Packet.objects.exists()


def test_names(browser: Browser, naughty: list[str]) -> None:
    places = ("{}", "{}/files/x", "SOC2_Evidence_clinic-001_2026-01-01_2026-01-31/files/{}")
    for number, text in enumerate(naughty[::3]):
        place = places[number % len(places)]
        answer = browser.get(f"{PACKETS}/{place.format(quote(text, safe=''))}")
        assert answer.status_code in (301, 404, 405, 200), ascii(text)


def test_bodies(browser: Browser, naughty: list[str]) -> None:
    for number, text in enumerate(naughty):
        cache.clear()  # or the throttle answers
        path, body, names = BODIES[number % len(BODIES)]
        name = names[number // len(BODIES) % len(names)]
        sent = json.dumps({**body, name: text})
        check(browser.post(path, sent, content_type="application/json"), text)
    assert not Packet.objects.exists()


def test_notes_are_kept_as_they_are_or_refused(browser: Browser, naughty: list[str]) -> None:
    kept, some = 0, naughty[::3]
    for text in some:
        body = {**DATES, "client_id": "clinic-001", "state": "attention", "note": text}
        answer = browser.post(
            "/api/controls/CC6.1/assessments", json.dumps(body), content_type="application/json"
        )
        check(answer, text)
        if answer.status_code == 201:
            kept += 1
            assert answer.json()["note"] == text.strip()
            assert ControlAssessment.objects.first().note == text.strip()
    assert kept > len(some) * 0.9
