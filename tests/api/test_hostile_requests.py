"""Whatever is sent to the real addresses, the answer is a refusal and never a crash."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from access import tokens
from tests.api.test_bodies import HOSTILE
from tests.factories import World

# As they stand in an address.
WORDS = [
    "%00",
    "%ED%A0%80",
    "%FF",
    "%C0%80",
    "'",
    "%0A",
    "%",
    "a" * 5000,
    "..%2f..%2fetc",
    "99999999999999999999",
    "-1",
]
PLACES = [
    "/api/audit/events/{}",
    "/api/audit/events/{}/proof",
    "/api/audit/events?q={}",
    "/api/audit/events?type={}",
    "/api/audit/events?since={}",
    "/api/audit/events?client_id={}",
    "/api/audit/events?cursor={}",
    "/api/audit/events?page_size={}",
    "/api/audit/consistency?from={}&to=1",
    "/api/compliance/public-key?key_id={}",
    "/compliance/evidence/packages/{}",
    "/compliance/evidence/packages/{}/files/x",
    "/compliance/evidence/packages?client_id={}",
    "/compliance/evidence/packages?status={}",
    "/compliance/evidence/packages?cursor={}",
    "/compliance/evidence/packages?page_size={}",
    "/api/compliance/soc2-packet?startDate={}&endDate=2026-01-31",
    "/api/compliance/soc2-packet?startDate=2026-01-01&endDate=2026-01-31&revision={}",
    "/api/compliance/packets/{}",
    "/api/compliance/packets/x/files/{}",
    "/api/compliance/packets?since={}",
    "/api/compliance/packets?client_id={}",
    "/api/controls?client_id={}",
]
WRITES = [
    "/api/audit/events",
    "/compliance/evidence/export",
    "/compliance/evidence/countersign",
    "/compliance/evidence/verify",
    "/api/compliance/packets",
    "/api/compliance/packets/verify",
    "/api/compliance/packets/SOC2_Evidence_platform_2026-01-01_2026-01-31/countersign",
    "/api/controls/CC6.1/assessments",
    "/api/token/",
    "/api/token/refresh/",
    "/api/token/revoke/",
]


@pytest.fixture
def api() -> APIClient:
    return APIClient(raise_request_exception=False)


@pytest.mark.parametrize("place", PLACES)
def test_address(api: APIClient, world: World, place: str) -> None:
    bearer = f"Bearer {tokens.issue(world.user('alice')).access}"
    path, _, query = place.partition("?")
    for word in WORDS:
        answer = api.generic(
            "GET",
            path.format(word),
            QUERY_STRING=query.format(word),
            HTTP_AUTHORIZATION=bearer,
        )
        assert answer.status_code < 500, word
        if answer.status_code >= 400:
            assert answer["Content-Type"] == "application/problem+json", word


@pytest.mark.parametrize("content_type", ["application/json", "application/x-ndjson"])
@pytest.mark.parametrize("path", WRITES)
def test_body(api: APIClient, world: World, path: str, content_type: str) -> None:
    for credential in (tokens.issue(world.user("alice")).access, world.api_key()):
        for name, raw in HOSTILE.items():
            headers: dict[str, Any] = {"HTTP_AUTHORIZATION": f"Bearer {credential}"}
            for key in (None, name.replace(" ", "-")):
                if key:
                    headers["HTTP_IDEMPOTENCY_KEY"] = key
                answer = api.generic("POST", path, raw, content_type=content_type, **headers)
                assert 400 <= answer.status_code < 500, (name, answer.content[:200])
                assert answer["Content-Type"] == "application/problem+json", name
