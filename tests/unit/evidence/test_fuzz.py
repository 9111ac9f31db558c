"""Whatever JSON stands in a place, the verifier answers INVALID and never raises."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evidence.formats import contents
from evidence.formats.package import MANIFEST, open_package
from evidence.formats.verification import Sidecars, verify_package
from sealing import canonical
from sealing.errors import Invalid
from sealing.results import Verdict
from tests.unit.evidence import making
from tests.unit.evidence.making import Made, Recipe, make

ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=20)
    | st.sampled_from(["sha256:" + "0" * 64, "2026-02-02T09:30:00.000000Z", "clinic-001", "|"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
MEMBERS = [
    MANIFEST,
    contents.PROOFS,
    contents.COMPLETENESS,
    contents.CHAIN_VERIFY,
    contents.ARCHIVE_POLICY,
]
FUZZ = settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))


@cache
def small() -> Made:
    log = making.log_lines(3)
    chosen = [pair for pair in log if b'"client_id":"clinic-001"' in pair[1]]
    return make(Recipe(log=log, chosen=chosen, secret=b"shared"))


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    if isinstance(value, (dict, list)):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from places(value[key], (*path, key))


def replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    changed = copy.deepcopy(value)
    target = changed
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = new
    return changed


def mutated(raw: bytes, data: st.DataObject) -> bytes | None:
    """The document with one value exchanged; None if that changes nothing."""
    value = json.loads(raw)
    path = data.draw(st.sampled_from(sorted(places(value), key=str)))
    try:
        changed = canonical.document(replaced(value, path, data.draw(ANYTHING)))
    except Invalid:
        return None
    return None if changed == raw else changed


@FUZZ
@pytest.mark.parametrize("name", ["signature", "countersign"])
@given(data=st.data())
def test_sidecars(name: str, data: st.DataObject) -> None:
    made = small()
    raw = mutated(getattr(made.sidecars, name), data)
    if raw is not None:
        report = verify_package(made.data, made.with_(**{name: raw}), making.signers())
        assert report.verdict is Verdict.INVALID


@FUZZ
@pytest.mark.parametrize("name", MEMBERS)
@given(data=st.data())
def test_members(name: str, data: st.DataObject) -> None:
    made = small()
    package = open_package(made.data)
    files = {e.name: package.read(e.name, max_bytes=1 << 20) for e in package.entries}
    raw = mutated(files[name], data)
    if raw is not None:
        report = verify_package(making.zipped(files | {name: raw}), made.sidecars, making.signers())
        assert report.verdict is Verdict.INVALID


@FUZZ
@pytest.mark.parametrize("name", MEMBERS[1:])
@given(data=st.data())
def test_members_that_were_signed_so(name: str, data: st.DataObject) -> None:
    """What the service itself signed may be wrong too: a verdict comes of it, never an error."""
    package = open_package(small().data)
    raw = mutated(package.read(name, max_bytes=1 << 20), data)
    if raw is not None:
        log = making.log_lines(3)
        chosen = [pair for pair in log if b'"client_id":"clinic-001"' in pair[1]]
        made = make(Recipe(log=log, chosen=chosen, replaced={name: raw}))
        report = verify_package(made.data, made.sidecars, making.signers())
        assert report.signature_valid
        assert report.manifest_valid


@FUZZ
@given(
    raw=st.binary(max_size=300),
    sig=st.none() | st.binary(max_size=50),
    signature=st.none() | st.binary(max_size=50),
    countersign=st.none() | st.binary(max_size=50),
)
def test_bytes(
    raw: bytes, sig: bytes | None, signature: bytes | None, countersign: bytes | None
) -> None:
    sidecars = Sidecars(sig, signature, countersign)
    assert verify_package(raw, sidecars, making.signers()).verdict is Verdict.INVALID
