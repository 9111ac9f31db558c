"""Every code that a verification of a package can answer with is explained to its readers."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[3]
DOC = (PROJECT / "docs" / "auditors" / "verifying.md").read_text(encoding="utf-8")
# What verification consists of, and what it reads documents with.
SOURCES = (
    *sorted((PROJECT / "evidence" / "formats").glob("check_*.py")),
    *(
        PROJECT / "evidence" / "formats" / f"{name}.py"
        for name in ("completeness", "contents", "countersign", "errors", "fields", "lines",
                     "manifest", "package", "report", "signature", "statements", "verification")
    ),
    PROJECT / "evidence" / "services" / "checking.py",
    PROJECT / "evidence" / "services" / "verification.py",
    PROJECT / "audit" / "formats" / "checkpoint.py",
    PROJECT / "sealing" / "keys.py",
    PROJECT / "sealing" / "canonical.py",
    PROJECT / "sealing" / "digests.py",
    PROJECT / "sealing" / "merkle.py",
    PROJECT / "sealing" / "times.py",
)  # fmt: skip
# Refusals of whole inputs, which a finding with a code of its own stands for, and of writers.
ELSEWHERE = {
    "checkpoint_invalid", "encoder_missing", "key_invalid", "signers_invalid",
}  # fmt: skip
CODE = re.compile(r"[a-z]+(_[a-z]+)+\Z")
NAMES = {"code", "COUNTERSIGNATURE_MISSING", "COUNTERSIGNER_MERGED", "KEY_COMPROMISED"}
CALLS = {"bad", "good", "unknown", "note", "Finding", "_bad", "_refused", "LineRefused"}


def codes_of(source: Path) -> Iterator[str]:
    """The codes in a module: arguments of findings and refusals, `code = …`, constants."""
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        texts: list[ast.expr | None] = []
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            texts += [word.value for word in node.keywords if word.arg == "code"]
            texts += node.args[:3] if name in CALLS else []
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            named = {getattr(target, "id", "") for target in targets}
            if named & NAMES:
                texts.append(node.value)
        for text in texts:
            value = text.value if isinstance(text, ast.Constant) else None
            if isinstance(value, str) and CODE.match(value):
                yield value


def test_each_code_is_in_the_auditor_s_table() -> None:
    section = DOC.partition("### What the findings mean")[2].partition("\n## ")[0]
    explained = set(re.findall(r"`([a-z_]+)`", section))
    told = {code for source in SOURCES for code in codes_of(source)} - ELSEWHERE
    # As many as these modules were known to have when this was written, or the search is broken.
    assert len(told) > 70
    assert sorted(told - explained) == []
    fields = {"verdict", "issues", "code", "message", "where"}
    assert sorted(explained - told - fields - {"package_file_missing"}) == []
