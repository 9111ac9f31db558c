"""Calling the audit trail's addresses as somebody."""

from __future__ import annotations

import json
from typing import Any

from django.test import Client

from access import tokens
from tests.factories import World

EVENTS = "/api/audit/events"


class Api:
    """One caller: by name, or nobody."""

    def __init__(self, world: World, username: str | None = None) -> None:
        self._client = Client(raise_request_exception=False)
        self._headers: dict[str, str] = {}
        if username is None:
            return
        is_service = world.user(username).is_service
        token = world.api_key(username) if is_service else tokens.issue(world.user(username)).access
        self._headers["Authorization"] = f"Bearer {token}"

    def get(self, path: str, query: dict[str, Any] | None = None, **headers: str) -> Any:
        """GET."""
        return self._client.get(path, query, headers={**self._headers, **headers})

    def post(
        self, body: Any, path: str = EVENTS, content_type: str = "application/json", **headers: str
    ) -> Any:
        """POST; what is not bytes yet is written as JSON."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self._client.post(
            path, raw, content_type=content_type, headers={**self._headers, **headers}
        )

    def ndjson(self, events: list[Any], path: str = EVENTS, **headers: str) -> Any:
        """POST of one event a line."""
        raw = b"".join(json.dumps(event).encode() + b"\n" for event in events)
        return self.post(raw, path, "application/x-ndjson", **headers)


def problem(response: Any, status: int, code: str | None = None) -> dict[str, Any]:
    """The problem details of a refusal."""
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert body["status"] == status
    if code is not None:
        assert body["code"] == code, body
    return body


def fields(response: Any, status: int = 400) -> list[str]:
    """The names of the fields that were refused."""
    return [error["field"] for error in problem(response, status)["errors"]]
