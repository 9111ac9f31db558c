"""What the tables of roles are written with: a row, and the columns that many rows share."""

from __future__ import annotations

from typing import Any

from tests.house.scene import Row


def row(name: str, method: str, expected: str, body: Any = None, address: str = "") -> Row:
    return Row(name, method, tuple(int(code) for code in expected.split()), body, address)


# Where everybody gets the same, because nobody has to sign in, or nobody gets in.
OPEN = "200 200 200 200 200 200 200 200 200 200"
CLOSED = "404 404 404 404 404 404 404 404 404 404"

# Pages need a session: services have none, so their two columns are left out.
IN = "302 403 403 200 200 200 200 200"
# What needs a grant for all clients; an empty form is refused to those who may.
PLATFORM = "302 403 403 200 200 403 403 403"
REFUSED_THERE = "302 403 403 400 400 403 403 403"
