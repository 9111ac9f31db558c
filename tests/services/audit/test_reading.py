"""Reading the outbox: what was built can be read, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.services import reading
from sealing.errors import Invalid
from tests.services.audit.helpers import event_bytes

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=12)
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(values)
def test_whatever_is_built_can_be_read(data: Any) -> None:
    try:
        raw = event_bytes(data=data)
    except Invalid:
        return
    row = reading.read(raw.decode("utf-8"))
    assert row.raw == raw
    assert (row.type, row.actor_id, row.client_id) == (
        "access.logout",
        "service:test",
        "clinic-001",
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "not json",
        '{"a":1}',
        '{"id":"x","id":"x"}',
        "[" * 100_000,
        '{"a":' * 5_000 + "1" + "}" * 5_000,
        '{"a":1e400}',
        '{"a":' + "9" * 5_000 + "}",
        event_bytes().decode() + " ",
        event_bytes().decode().replace('{"actor"', '{ "actor"'),
        event_bytes().decode().replace('"n":1', '"n":1.0'),
        event_bytes().decode().replace('"n":1', '"n":1,"n":1'),
        event_bytes().decode().replace('"n":1', '"n":12345678901234567890'),
        event_bytes().decode().replace('"n":1', '"n":"\\u0000"'),
        event_bytes().decode().replace('"n":1', '"n":"\\ud800"'),
        event_bytes().decode().replace('"n":1', '"n":"\\u0041"'),
        event_bytes().decode().replace('"n":1', '"n":NaN'),
        event_bytes().decode().replace('"redacted":[],', ""),
        event_bytes().decode().replace('"outcome":"success"', '"outcome":"perhaps"'),
        event_bytes().decode().replace("2026-01-02", "2026-13-02"),
        event_bytes(data={"x": "y" * 200_000}).decode().replace("yyy", "yyyyyy"),
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        reading.read(text)
