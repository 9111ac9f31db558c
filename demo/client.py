"""A small HTTP client: what anybody with curl could do."""

from __future__ import annotations

import json
from http.client import HTTPResponse
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen


class Client:
    """Talks to one server, with a bearer token once somebody has signed in."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        self._token = ""

    def sign_in(self, username: str, password: str) -> None:
        """Gets a token for the account."""
        answer = self.post_json("/api/token/", {"username": username, "password": password})
        self._token = answer["access"]

    def post_json(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Posts JSON; returns the answer's."""
        return self.post(path, json.dumps(body).encode(), content_type="application/json")

    def post(self, path: str, body: bytes, *, content_type: str, token: str = "") -> dict[str, Any]:
        """Posts bytes; returns the answer's JSON. Any error ends the demo with what was said."""
        request = Request(self.base_url + path, data=body, method="POST")
        request.add_header("Content-Type", content_type)
        return dict(json.loads(self._send(request, token)))

    def get_raw(self, path: str) -> bytes:
        """Gets bytes."""
        return self._send(Request(self.base_url + path), "")

    def _send(self, request: Request, token: str) -> bytes:
        if token or self._token:
            request.add_header("Authorization", f"Bearer {token or self._token}")
        try:
            response: HTTPResponse
            with urlopen(request, timeout=60) as response:
                return response.read()
        except HTTPError as error:
            body = error.read().decode(errors="replace")
            raise SystemExit(f"{request.full_url} answered {error.code}: {body}") from error
