"""`Idempotency-Key`: once done, answered the same."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from rest_framework.response import Response
from rest_framework.test import APIClient

from access.models import IdempotencyRecord
from sealing.errors import Conflict, Forbidden, Unavailable
from tests.api import access_urls
from tests.api.access_urls import streamed
from tests.factories import World

pytestmark = pytest.mark.urls("tests.api.access_urls")


@pytest.fixture(autouse=True)
def nothing_called() -> Iterator[None]:
    access_urls.calls.clear()
    access_urls.behaviour.clear()
    yield
    access_urls.calls.clear()
    access_urls.behaviour.clear()


@pytest.fixture
def write(world: World) -> Any:
    def send(
        body: Any = None,
        key: str | None = "key-1",
        *,
        username: str = "alice",
        path: str = "/api/write",
        method: str = "post",
        **extra: Any,
    ) -> Any:
        api = APIClient(raise_request_exception=False)
        api.force_authenticate(world.user(username))
        headers = {"HTTP_IDEMPOTENCY_KEY": key} if key is not None else {}
        raw = body if isinstance(body, bytes) else json.dumps(body or {"text": "a"}).encode()
        extra.setdefault("content_type", "application/json")
        return api.generic(method.upper(), path, raw, **headers, **extra)

    return send


def test_same_again_is_answered_the_same_and_done_once(write: Any) -> None:
    first, second = write(), write()
    assert (first.status_code, first.json()) == (201, {"call": 1})
    assert (second.status_code, second.content) == (201, first.content)
    for header in ("Content-Type", "Location"):
        assert second[header] == first[header]
    assert "Idempotent-Replayed" not in first
    assert second["Idempotent-Replayed"] == "true"
    assert len(access_urls.calls) == 1


def test_without_a_key_each_is_done(write: Any) -> None:
    assert [write(key=None).json()["call"] for _ in range(2)] == [1, 2]
    assert not IdempotencyRecord.objects.exists()


@pytest.mark.parametrize(
    "change",
    [
        {"body": {"text": "b"}},
        {"body": b'{"text": "a" }'},
        {"path": "/api/write?profile=cloudtrail"},
        {"content_type": "application/json; charset=utf-8"},
        {"HTTP_CONTENT_ENCODING": "identity"},
    ],
)
def test_another_request_with_the_same_key(write: Any, change: dict[str, Any]) -> None:
    write()
    answer = write(**change)
    assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_key_reused")
    assert len(access_urls.calls) == 1
    assert write().status_code == 201


@pytest.mark.parametrize(
    "change", [{"username": "olivia"}, {"path": "/api/other"}, {"method": "put"}, {"key": "key-2"}]
)
def test_key_is_of_an_account_method_and_path(write: Any, change: dict[str, Any]) -> None:
    write()
    answer = write(**change)
    assert (answer.status_code, answer.json()) == (201, {"call": 2})
    assert "Idempotent-Replayed" not in answer


def test_reads_take_no_key(write: Any) -> None:
    assert [write(method="get").json()["call"] for _ in range(2)] == [1, 2]
    assert not IdempotencyRecord.objects.exists()


@pytest.mark.parametrize("key", ["", " ", "a b", "x" * 201, "é", "a\tb", "\x7f"])
def test_malformed_key(write: Any, key: str) -> None:
    answer = write(key=key)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "Idempotency-Key"
    assert not access_urls.calls


def test_key_of_200_characters(write: Any) -> None:
    assert [write(key="~" * 200).json() for _ in range(2)] == [{"call": 1}] * 2


def test_refusal_of_the_body_is_kept_too(write: Any) -> None:
    first, second = write({"unknown": 1}), write({"unknown": 1})
    assert first.status_code == second.status_code == 400
    assert second["Content-Type"] == "application/problem+json"
    assert second.content == first.content


@pytest.mark.parametrize("error", [Conflict("no"), Forbidden("no")])
def test_refusal_by_the_service_is_kept_too(write: Any, error: Exception) -> None:
    def refuse(request: Any) -> None:
        raise error

    access_urls.behaviour.append(refuse)
    assert write().status_code == write().status_code
    assert len(access_urls.calls) == 1


def _crash(request: Any) -> None:
    raise ZeroDivisionError


def _unavailable(request: Any) -> None:
    raise Unavailable("later")


def _says_500(request: Any) -> Response:
    return Response({}, status=500)


@pytest.mark.parametrize("failing", [_crash, _unavailable, _says_500, streamed])
def test_failure_of_the_server_is_not_kept(write: Any, failing: Any) -> None:
    access_urls.behaviour.append(failing)
    write()
    assert not IdempotencyRecord.objects.exists()
    access_urls.behaviour.clear()
    answer = write()
    assert (answer.status_code, answer.json()) == (201, {"call": 2})


def test_answer_without_a_body(write: Any) -> None:
    access_urls.behaviour.append(lambda request: Response(status=204))
    first, second = write(), write()
    assert (first.status_code, first.content) == (second.status_code, second.content) == (204, b"")
    assert second.get("Content-Type") == first.get("Content-Type")
    assert second["Idempotent-Replayed"] == "true"


def test_first_one_still_at_work(write: Any) -> None:
    seen: list[Any] = []

    def meanwhile(request: Any) -> Response:
        access_urls.behaviour.clear()
        seen.append(write())
        return Response({}, status=201)

    access_urls.behaviour.append(meanwhile)
    write()
    assert (seen[0].status_code, seen[0].json()["code"]) == (409, "idempotency_in_progress")
    assert len(access_urls.calls) == 1
    assert write().status_code == 201


def test_cut_short(write: Any) -> None:
    write()
    IdempotencyRecord.objects.update(status=None, created_at=timezone.now() - timedelta(minutes=16))
    answer = write()
    assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_outcome_unknown")
    assert len(access_urls.calls) == 1


def test_kept_for_a_day(write: Any) -> None:
    write()
    IdempotencyRecord.objects.update(created_at=timezone.now() - timedelta(hours=23, minutes=59))
    assert write().json() == {"call": 1}
    IdempotencyRecord.objects.update(created_at=timezone.now() - timedelta(hours=24, minutes=1))
    assert write().json() == {"call": 2}


def test_no_plain_hash_of_the_body_is_stored(write: Any) -> None:
    body = b'{"text": "a password"}'
    write(body)
    stored = IdempotencyRecord.objects.values().get()
    assert hashlib.sha256(body).hexdigest() not in str(stored)
    assert "a password" not in str(stored)


def test_who_may_not_call_opens_no_record(world: World) -> None:
    api = APIClient()
    answer = api.post("/api/write", {}, format="json", HTTP_IDEMPOTENCY_KEY="key-1")
    assert answer.status_code == 401
    assert not IdempotencyRecord.objects.exists()


@pytest.mark.parametrize("key", [None, "key-1"])
def test_limit_of_the_body(write: Any, key: str | None) -> None:
    def sized(size: int) -> bytes:
        return b'{"text": "a"}'.ljust(size)

    for path, limit in (("/api/write", 1 << 20), ("/api/large", 3 << 20)):
        assert write(sized(limit), key, path=path).status_code == 201
        answer = write(sized(limit + 1), key and "key-2", path=path)
        assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


def test_two_at_once_are_one(committed_world: World) -> None:
    """Real transactions: of many with one key, one does the work."""
    user = committed_world.user("alice")
    started, answers = threading.Barrier(6), []
    # Slow enough for the others to come in between.
    release = threading.Event()

    def slowly(request: Any) -> Response:
        release.wait(5)
        return Response({"done": True}, status=201)

    access_urls.behaviour.append(slowly)

    def send() -> None:
        api = APIClient()
        api.force_authenticate(user)
        started.wait(5)
        answer = api.post("/api/write", {"text": "a"}, format="json", HTTP_IDEMPOTENCY_KEY="k")
        answers.append((answer.status_code, answer.json().get("code")))
        connection.close()
        if len(answers) == 5:
            release.set()

    threads = [threading.Thread(target=send) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(answers, key=str) == [(201, None), *[(409, "idempotency_in_progress")] * 5]
    assert len(access_urls.calls) == 1
