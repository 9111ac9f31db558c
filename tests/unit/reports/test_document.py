"""The document of a packet is read only in the one form that it is written in."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.formats import document
from reports.formats.document import DocumentRefused
from tests.unit.reports.documents import valid

Path = tuple[str | int, ...]
VALID = valid()
_OPEN: tuple[Path, ...] = (("facts",),)  # an object whose keys are names of facts


def paths(value: Any, here: Path = ()) -> Iterator[Path]:
    """Every place of a value."""
    yield here
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from paths(inner, (*here, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from paths(inner, (*here, index))


PATHS = list(paths(VALID))


def at(value: Any, path: Path) -> Any:
    """What stands at a place."""
    for step in path:
        value = value[step]
    return value


def changed(path: Path, change: Callable[[Any], Any]) -> dict[str, Any]:
    """The document with another value in one place."""
    made: dict[str, Any] = copy.deepcopy(VALID)
    at(made, path[:-1])[path[-1]] = change(at(made, path))
    return made


def refused(made: Any) -> DocumentRefused:
    """Both who builds and who reads refuse it."""
    with pytest.raises(DocumentRefused) as by_builder:
        document.build(made)
    raw = json.dumps(made, sort_keys=True, separators=(",", ":"), ensure_ascii=False) + "\n"
    with pytest.raises(DocumentRefused):
        document.parse(raw.encode())
    return by_builder.value


def test_what_is_built_is_read() -> None:
    raw = document.build(VALID)
    assert raw.endswith(b"}\n")
    assert document.parse(raw) == VALID


@pytest.mark.parametrize(
    "path", [path for path in PATHS if isinstance(at(VALID, path), dict)], ids=repr
)
def test_no_key_is_unknown_and_none_is_missing(path: Path) -> None:
    found = at(VALID, path)
    made = copy.deepcopy(VALID)
    at(made, path)["surplus"] = 1
    assert refused(made).field
    if path not in _OPEN:
        for key in found:
            made = copy.deepcopy(VALID)
            del at(made, path)[key]
            refused(made)


@pytest.mark.parametrize("path", [path for path in PATHS if path], ids=repr)
def test_no_value_is_of_another_type(path: Path) -> None:
    found = at(VALID, path)
    refused(changed(path, lambda value: "text" if isinstance(value, (dict, list)) else {"x": 1}))
    if type(found) is bool:
        refused(changed(path, int))
    else:
        refused(changed(path, lambda value: True))
    if type(found) is int:
        refused(changed(path, lambda value: [value]))


@given(st.sampled_from([path for path in PATHS if path]), st.data())
def test_whatever_is_exchanged_is_refused_or_read_back(path: Path, data: st.DataObject) -> None:
    strange = st.one_of(
        st.none(), st.booleans(), st.integers(-5, 5), st.text(max_size=5), st.floats(0, 1),
        st.just([]), st.just({}), st.sampled_from([at(VALID, other) for other in PATHS]),
    )  # fmt: skip
    made = changed(path, lambda value: data.draw(strange))
    try:
        raw = document.build(made)
    except DocumentRefused:
        return
    assert document.parse(raw) == made


@pytest.mark.parametrize(
    "spell",
    [
        lambda raw: raw.rstrip(b"\n"),
        lambda raw: raw + b"\n",
        lambda raw: raw.replace(b":", b": ", 1),
        lambda raw: b"\xef\xbb\xbf" + raw,
        lambda raw: raw.replace(b'"revision":1', b'"revision":1.0'),
        lambda raw: raw.replace(b'"revision":1', b'"revision":1,"revision":1'),
        lambda raw: raw.replace(b"Acme", b"\\u0041cme"),
        lambda raw: raw[: len(raw) // 2],
        lambda raw: b"",
        lambda raw: b"[]\n",
    ],
    ids=[
        "no-newline", "two-newlines", "space", "bom", "fraction", "twice", "escape", "half",
        "empty", "list",
    ],
)  # fmt: skip
def test_other_spellings_are_refused(spell: Callable[[bytes], bytes]) -> None:
    with pytest.raises(DocumentRefused):
        document.parse(spell(document.build(VALID)))


CONTRADICTIONS: dict[str, tuple[Path, Any]] = {
    "fewer-artefacts-than-listed": (("artifactListing", "total"), 0),
    "artefacts-cut-in-silence": (("artifactListing", "isTruncated"), False),
    "artefacts-of-no-source": (("artifactListing", "source"), None),
    "artefacts-by-another-count": (("artifactListing", "source", "count"), 3),
    "no-schema-of-ours": (("schema",), "strongroom/soc2-packet/v2"),
    "no-name": (("packetId",), "SOC2_Evidence_Acme"),
    "another-packet's-seed": (("packetId",), "SOC2_Evidence_acme_2026-09-01_2026-09-30"),
    "end-before-start": (("auditPeriod", "endDate"), "2026-09-01T00:00:00.000000Z"),
    "another-size": (("log", "treeSize"), 5),
    "another-root": (("log", "rootHash"), "A" * 43 + "="),
    "another-log": (("log", "origin"), "elsewhere/log"),
    "another-proof": (("samples", "proof", "tree_size"), 5),
    "number-without-source": (("facts", "backups.made", "value"), 0),
    "no-data-with-source": (("facts", "grants.made", "value"), "no data"),
    "fact-differs": (("facts", "grants.made", "label"), "Grants"),
    "result-differs": (("controls", 0, "testingResults", 0, "value"), 5),
    "unknown-fact": (("executiveSummary", "headline", 0, "fact"), "grants.unmade"),
    "counts-differ": (("executiveSummary", "controls", "compliant"), 2),
    "state-differs": (("controls", 0, "state"), "attention"),
    "never-assessed": (("controls", 1, "state"), "compliant"),
    "control-twice": (("controls", 1, "controlId"), "CC6.3"),
    "control-without-population": (("sampling", "populations", 1, "controlId"), "CC9.9"),
    "fewer-samples": (("sampling", "populations", 0, "events"), 9),
    "sample-elsewhere": (("controls", 0, "sampleEvidence", 0, "seq"), 7),
    "another-leaf": (("controls", 0, "sampleEvidence", 0, "leafHash"), "sha256:" + "0" * 64),
    "sample-told-otherwise": (("controls", 0, "sampleEvidence", 0, "outcome"), "denied"),
    "no-line": (("samples", "lines", 0), "{}"),
    "line-twice": (("samples", "lines", 1), VALID["samples"]["lines"][0]),
    "other-indexes": (("samples", "proof", "indexes"), [0, 1, 2]),
    "fewer-events-than-counted": (("facts", "grants.made", "source", "lastSeq"), 2),
    "fewer-objects": (("facts", "mfa.coverage", "source", "objects"), ["1"]),
    "row-too-short": (("annexes", 0, "rows", 0), []),
    "total-too-small": (("annexes", 0, "total"), 1),
    "nothing-left-out": (("annexes", 0, "total"), 2),
    "first-supersedes": (
        ("supersedes",),
        {"packetId": "x", "sha256": "sha256:" + "0" * 64, "reason": "y", "changes": []},
    ),
    "runs-do-not-add-up": (("completeness", "observed", "jobs", 0, "expected"), 3),
    "no-range": (("completeness", "lateArrivals", "ranges"), [[1, 0]]),
}


@pytest.mark.parametrize(("path", "value"), CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_contradictions_are_refused(path: Path, value: Any) -> None:
    assert refused(changed(path, lambda _: value)).code == "packet_document_refused"


def test_a_document_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = document.build(VALID)
    monkeypatch.setattr(document, "MAX_BYTES", len(raw) - 1)
    with pytest.raises(document.DocumentTooLarge):
        document.build(VALID)
    with pytest.raises(DocumentRefused):
        document.parse(raw)


def test_a_place_is_named() -> None:
    error = refused(changed(("controls", 0, "assessment", "assessedAt"), lambda _: "yesterday"))
    assert error.field == "/controls/0/assessment/assessedAt"
