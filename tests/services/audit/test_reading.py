"""Reading the outbox: the quick way agrees with the strict one about every text."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from audit.services import reading
from sealing import canonical
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


@given(values, st.booleans(), st.booleans(), st.booleans())
@example({"\ue000": 1, "\U00010000": 2}, False, False, True)
@example(1.0, False, False, True)
@example(-0.0, False, False, True)
@example(1e21, False, False, True)
@example("\u2028\x7f\x1f", False, False, True)
def test_what_is_plainly_canonical_is_canonical(
    value: Any, ascii_only: bool, spaced: bool, in_order: bool
) -> None:
    text = json.dumps(
        value,
        ensure_ascii=ascii_only,
        separators=(", ", ": ") if spaced else (",", ":"),
        sort_keys=in_order,
    )
    raw = text.encode("utf-8", "surrogatepass")
    if reading._plainly(text, raw) is not None:
        assert canonical.is_canonical(raw)


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


def test_ordinary_events_go_the_quick_way() -> None:
    raw = event_bytes(data={"name": "Zoë", "n": 12, "digest": "0" * 64})
    assert reading._plainly(raw.decode(), raw) is not None


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
