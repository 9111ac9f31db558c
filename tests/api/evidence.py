"""What the API tests of packages share."""

from __future__ import annotations

from typing import Any

from django.test import Client as HttpClient

from tests.factories import PASSWORD, World
from tests.services.evidence import helpers

EXPORT = "/compliance/evidence/export"
COUNTERSIGN = "/compliance/evidence/countersign"
VERIFY = "/compliance/evidence/verify"
PACKAGES = "/compliance/evidence/packages"
PERIOD = {"period_start": "2026-01-01T00:00:00Z", "period_end": "2026-02-01T00:00:00Z"}


class Caller:
    """Somebody who calls the API with a token of his own."""

    def __init__(self, world: World, username: str) -> None:
        from access import tokens

        self.world, self.username = world, username
        self.http = HttpClient(raise_request_exception=False)
        user = world.user(username)
        token = world.api_key(username) if user.is_service else tokens.issue(user).access
        self.headers = {"authorization": f"Bearer {token}"}

    def post(self, path: str, body: Any, **headers: str) -> Any:
        raw = body if isinstance(body, (str, bytes)) else None
        return self.http.post(
            path,
            data=body if raw is None else raw,
            content_type="application/json",
            headers={**self.headers, **headers},
        )

    def upload(self, path: str, body: dict[str, Any]) -> Any:
        return self.http.post(path, data=body, headers=self.headers)

    def get(self, path: str, query: dict[str, Any] | None = None, **headers: str) -> Any:
        return self.http.get(path, query or {}, headers={**self.headers, **headers})

    def export(self, **changes: Any) -> Any:
        return self.post(EXPORT, {"client_id": "clinic-001", **PERIOD, **changes})

    def countersign(self, package_path: str, **changes: Any) -> Any:
        body = {
            "package_path": package_path,
            "signer": self.username,
            "password": PASSWORD,
            **changes,
        }
        if "signing_key_id" not in body:
            body["signing_key_id"] = self.world.key(self.username).key_id
        return self.post(COUNTERSIGN, body)

    def verify(self, package_path: str, **changes: Any) -> Any:
        return self.post(VERIFY, {"package_path": package_path, **changes})


def problem(response: Any, status: int, code: str | None = None) -> dict[str, Any]:
    """The problem details of a refusal, which every refusal has."""
    assert response.status_code == status, (response.status_code, response.content)
    assert response["Content-Type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert {"type", "title", "status", "detail", "code", "errors"} <= body.keys()
    assert body["status"] == status
    if code is not None:
        assert body["code"] == code
    return body


def fields(body: dict[str, Any]) -> set[str]:
    """The fields that a problem names."""
    return {error["field"] for error in body["errors"]}


__all__ = ["Caller", "fields", "helpers", "problem"]
