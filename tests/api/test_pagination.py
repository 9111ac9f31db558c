"""Lists by cursor."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from access.models import Grant
from tests.factories import World

pytestmark = pytest.mark.urls("tests.api.access_urls")


@pytest.fixture
def api(world: World) -> APIClient:
    """Somebody signed in, and 24 grants more, of which many share a time."""
    api = APIClient()
    api.force_authenticate(world.user("alice"))
    groups = [Group.objects.create(name=f"group {number}") for number in range(24)]
    user = world.user("nobody")
    Grant.objects.bulk_create(Grant(user=user, group=group) for group in groups)
    return api


def ids(answer: Any) -> list[int]:
    assert answer.status_code == 200, answer.content
    return [row["id"] for row in answer.json()["results"]]


def walk(api: APIClient, address: str, direction: str = "next") -> list[list[int]]:
    pages, url = [], address
    while url:
        answer = api.get(url)
        pages.append(ids(answer))
        url = answer.json()[direction]
        assert len(pages) < 100
    return pages


ORDERS = {
    "/api/list": ("-id",),
    "/api/by-time": ("created_at", "-id"),
    "/api/values": ("created_at", "-id"),
}


@pytest.mark.parametrize("address", list(ORDERS))
@pytest.mark.parametrize("size", [1, 3, 8, 33, 34, 500])
def test_walk_there_and_back(api: APIClient, address: str, size: int) -> None:
    everything = list(Grant.objects.order_by(*ORDERS[address]).values_list("id", flat=True))
    assert len(everything) > 30
    pages = walk(api, f"{address}?page_size={size}")
    assert [row for page in pages for row in page] == everything
    assert all(len(page) == size for page in pages[:-1])
    assert pages[-1] or not everything
    url = f"{address}?page_size={size}"
    last = url
    while url:
        last, url = url, api.get(url).json()["next"]
    back = walk(api, last, "previous")
    assert [row for page in reversed(back) for row in page] == everything


def test_first_page_has_no_previous_and_last_no_next(api: APIClient) -> None:
    answer = api.get("/api/list?page_size=500").json()
    assert (answer["next"], answer["previous"]) == (None, None)
    first = api.get("/api/list?page_size=5").json()
    assert first["previous"] is None
    second = api.get(first["next"]).json()
    again = api.get(second["previous"]).json()
    assert again["results"] == first["results"]
    assert again["previous"] is None


def test_rows_that_come_in_between_shift_nothing(api: APIClient, world: World) -> None:
    first = api.get("/api/list?page_size=5").json()
    expected = ids(api.get(first["next"]))
    Grant.objects.create(user=world.user("omar"), group=Group.objects.create(name="newer"))
    assert ids(api.get(first["next"])) == expected


def test_other_parameters_stay(api: APIClient) -> None:
    query = parse_qs(urlsplit(api.get("/api/list?page_size=5&q=a%20b").json()["next"]).query)
    assert (query["page_size"], query["q"], len(query["cursor"])) == (["5"], ["a b"], 1)


def test_empty(api: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.api import access_urls

    monkeypatch.setattr(access_urls.ListView, "queryset", Grant.objects.none())
    assert api.get("/api/list").json() == {"next": None, "previous": None, "results": []}


def test_neither_count_nor_offset(api: APIClient) -> None:
    url = api.get("/api/by-time?page_size=5").json()["next"]
    with CaptureQueriesContext(
        connection,
    ) as queries:
        api.get(url)
    sql = " ".join(query["sql"] for query in queries)
    assert "COUNT" not in sql
    assert "OFFSET" not in sql
    assert "LIMIT 6" in sql


@pytest.mark.parametrize("size", ["0", "-1", "x", "", "1.5", "٣", " 5", "5\x00", "1e3", "+5"])
def test_size_that_is_none(api: APIClient, size: str) -> None:
    answer = api.get("/api/list", {"page_size": size})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "page_size"


@pytest.mark.parametrize("size", ["501", "10000", "9" * 400])
def test_size_has_a_limit(api: APIClient, size: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from access.api.pagination import CursorPagination

    monkeypatch.setattr(CursorPagination, "max_page_size", 7)
    assert len(ids(api.get("/api/list", {"page_size": size}))) == 7


def _cursor(api: APIClient, address: str) -> str:
    url = api.get(f"{address}?page_size=5").json()["next"]
    return parse_qs(urlsplit(url).query)["cursor"][0]


def refused(api: APIClient, address: str, cursor: str) -> None:
    answer = api.get(address, {"cursor": cursor})
    assert answer.status_code == 400, answer.content
    assert answer.json()["code"] == "cursor_invalid"
    assert answer.json()["errors"][0]["field"] == "cursor"


def test_every_character_of_a_cursor_counts(api: APIClient) -> None:
    cursor = _cursor(api, "/api/by-time")
    for place in range(len(cursor)):
        other = "a" if cursor[place] != "a" else "b"
        refused(api, "/api/by-time", cursor[:place] + other + cursor[place + 1 :])


def _plain(*values: Any) -> str:
    return base64.b64encode(json.dumps(values).encode()).decode()


@pytest.mark.parametrize(
    "cursor",
    [
        "", " ", "x", "\x00", "é", "\ud7ff", "A" * 32, "A" * 5000, "=" * 33,
        base64.b64encode(b"p=not-a-date").decode(),
        base64.b64encode(b"r=1&o=99999999999999999999").decode(),
        base64.b64encode(b"\xff\xfe\x00").decode(),
        _plain(False, "1"), _plain(False, None, {}), _plain("'; DROP TABLE x; --"),
    ],
)  # fmt: skip
def test_rubbish(api: APIClient, cursor: str) -> None:
    for address in ORDERS:
        refused(api, address, cursor)


def test_cursor_of_another_list(api: APIClient) -> None:
    refused(api, "/api/list", _cursor(api, "/api/by-time"))
    refused(api, "/api/values", _cursor(api, "/api/by-time"))


def test_cursor_of_another_installation(api: APIClient, settings: Any) -> None:
    cursor = _cursor(api, "/api/list")
    settings.SECRET_KEY = "another installation's key, as long as it has to be for Django, fifty"
    refused(api, "/api/list", cursor)
