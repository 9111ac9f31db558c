"""Redaction: what is taken out of an event before it is hashed, and what is said of it."""

from __future__ import annotations

from typing import Any

import pytest

from audit.services.redaction import redact


def event() -> dict[str, Any]:
    return {
        "object": {"type": "file", "id": "1"},
        "source": {"ip": "192.0.2.1", "user_agent": "x"},
        "data": {
            "token": "secret",
            "list": [1, {"deep": "secret"}, 3],
            "a/b": {"~": 1},
            "": {"": 2},
            "0": "text",
        },
    }


@pytest.mark.parametrize(
    ("pointer", "place", "left"),
    [
        ("/data/token", "token", None),
        ("/data/list/1/deep", "list", [1, {}, 3]),
        ("/data/list/0", "list", [None, {"deep": "secret"}, 3]),
        ("/data/a~1b/~0", "a/b", {}),
        ("/data//", "", {}),
        ("/data/0", "0", None),
    ],
)
def test_a_pointer_removes_what_it_names(pointer: str, place: str, left: object) -> None:
    found = event()
    assert redact(found, [pointer]) == [pointer]
    assert found["data"].get(place) == left
    untouched = event()
    untouched["data"].pop(place)
    found["data"].pop(place, None)
    assert found == untouched


@pytest.mark.parametrize(
    "pointer",
    [
        "/data/none",
        "/data/list/3",
        "/data/list/01",
        "/data/list/-",
        "/data/list/-1",
        "/data/list/٣",
        "/data/list/99999999999999999999",
        "/data/token/deeper",
        "/nothing/here",
    ],
)
def test_a_pointer_that_names_nothing_removes_nothing(pointer: str) -> None:
    found = event()
    assert redact(found, [pointer]) == []
    assert found == event()


def test_several_pointers_mean_what_they_say() -> None:
    found = event()
    pointers = ["/data/list/0", "/data/list/2", "/source/ip", "/data/none"]
    assert redact(found, pointers) == pointers[:3]
    assert found["data"]["list"] == [None, {"deep": "secret"}, None]
    assert found["source"] == {"user_agent": "x"}


def test_an_object_is_whole_or_not_there() -> None:
    found = event()
    assert redact(found, ["/object/id", "/object/type"]) == ["/object"]
    assert found["object"] is None
