"""Who gets what from every address: the table of roles, address by address.

The table is compared with the URL resolver: an address that it does not list fails the suite, so
that nothing is added without somebody deciding who may use it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.urls import URLPattern, URLResolver, get_resolver

from tests.factories import World
from tests.house import (
    role_rows_accounts,
    role_rows_admin,
    role_rows_api,
    role_rows_reports,
)
from tests.house.scene import PERSONAS, Row, Scene

TABLE = role_rows_api.ROWS + role_rows_reports.ROWS + role_rows_admin.ROWS + role_rows_accounts.ROWS


def addresses() -> Iterator[str]:
    """The name of every address that the resolver knows."""

    def walk(patterns: list[Any], namespace: str) -> Iterator[str]:
        for entry in patterns:
            if isinstance(entry, URLResolver):
                inner = f"{namespace}{entry.namespace}:" if entry.namespace else namespace
                yield from walk(entry.url_patterns, inner)
            elif isinstance(entry, URLPattern) and entry.name is not None:
                yield f"{namespace}{entry.name}"
            else:
                yield f"{namespace}{entry.pattern}"

    yield from walk(get_resolver().url_patterns, "")


def test_every_address_is_in_the_table() -> None:
    catch_all = "admin:(?P<url>.*)$"  # Django's own: adds a slash, or answers 404
    assert set(addresses()) - {catch_all} == {entry.name for entry in TABLE}


@pytest.mark.parametrize("entry", TABLE, ids=lambda e: f"{e.name}-{e.method}-{e.body or ''}"[:70])
def test_who_gets_what(entry: Row, world: World, settings: Any) -> None:
    from django.db import transaction

    scene = Scene(world)
    memory = settings.AUDIT_SIGNER_STATE.read_bytes()
    personas = PERSONAS[: len(entry.expected)]
    wrong = {}
    for persona, expected in zip(personas, entry.expected, strict=True):
        point = transaction.savepoint()
        got = scene.status(entry, persona)
        transaction.savepoint_rollback(point)
        settings.AUDIT_SIGNER_STATE.write_bytes(memory)
        if got != expected:
            wrong[persona] = f"{got} instead of {expected}"
    assert not wrong, f"{entry.method} {entry.name}: {wrong}"
