"""The API as its own description tells it: valid, and no request made from it ends in a 500."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from django.core.wsgi import get_wsgi_application
from django.test import Client as Browser
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error

from tests.factories import World

EXAMPLES = 12


@pytest.fixture
def description(committed_world: World) -> dict[str, Any]:
    browser = Browser()
    browser.force_login(committed_world.user("olivia"))
    answer = browser.get("/api/schema/", headers={"Accept": "application/json"})
    assert answer.status_code == 200
    return dict(answer.json())


def test_it_is_openapi_3_1_and_tells_of_problem_details(description: dict[str, Any]) -> None:
    assert description["openapi"].startswith("3.1")
    for path, operations in description["paths"].items():
        for method, operation in operations.items():
            refused = operation["responses"]["400"]["content"]
            assert list(refused) == ["application/problem+json"], f"{method} {path}"


@pytest.mark.parametrize("username", ["olivia", "svc-clinic-001"])
def test_no_request_made_from_it_ends_in_a_500(
    committed_world: World, description: dict[str, Any], username: str
) -> None:
    from access.tokens import issue

    world = committed_world
    user = world.user(username)
    token = world.api_key(username) if user.is_service else issue(user).access
    schema = schemathesis.openapi.from_dict(description)
    application = get_wsgi_application()
    headers = {"Authorization": f"Bearer {token}"}
    tried = 0
    for result in schema.get_all_operations():
        operation = result.ok()

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def attempt(case: schemathesis.Case) -> None:
            nonlocal tried
            tried += 1
            response = case.call(app=application, headers=headers)
            case.validate_response(response, checks=(not_a_server_error,))

        attempt()
    assert tried > EXAMPLES * 10
