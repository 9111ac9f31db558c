"""The operator's page of exports names what there is, and nothing that there is not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from evidence.formats import retention
from evidence.services import payloads
from evidence.services.periods import Period
from evidence.services.vault import errors as vault_errors
from ops.services.sla import BreachCode

PROJECT = Path(__file__).resolve().parents[2]
OPERATORS = PROJECT / "docs" / "operators"
PAGE = (OPERATORS / "evidence-export.md").read_text(encoding="utf-8")
SETTINGS = (PROJECT / "config" / "settings.py").read_text(encoding="utf-8")
READ = re.compile(
    r'env\.\w+\(\s*"((?:COMPLIANCE_EVIDENCE|EVIDENCE(?!_ARTIFACT)|TSA)_\w+|KEY_ENCRYPTION_KEYS_FORMER)"'
)


def section(heading: str) -> str:
    found = re.search(
        rf"^#+ {re.escape(heading)}\n(.*?)(?=^#+ |\Z)", PAGE, re.MULTILINE | re.DOTALL
    )
    assert found is not None
    return found[1]


def in_first_column(text: str) -> set[str]:
    rows = re.findall(r"^\| (`.*?) \|", text, re.MULTILINE)
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row)}


def test_every_setting_of_exports_is_named() -> None:
    read = set(READ.findall(SETTINGS))
    assert len(read) > 15
    assert in_first_column(section("Settings")) == read


def test_every_key_of_a_payload_is_named() -> None:
    known = {*payloads._PERIOD, *payloads._TEXTS, *payloads._FLAGS, *payloads._OTHERS}
    told = section("2. Register a job")
    assert known == in_first_column(told) | {"signer", "signing_key_id"}
    assert all(f"`{period}`" in told for period in Period)
    assert all(name in told for name in retention.NAMED)


def test_every_field_of_a_summary_is_named() -> None:
    source = (PROJECT / "evidence" / "services" / "exporting.py").read_text(encoding="utf-8")
    returned = source[source.index("def summary(") : source.index("def _told(")]
    fields = set(re.findall(r'^        "(\w+)": ', returned, re.MULTILINE))
    assert len(fields) > 10
    assert in_first_column(section("4. Inspect the run")) == fields | {"archive_receipt"}


def test_the_codes_are_those_that_there_are() -> None:
    incidents = (OPERATORS / "incidents.md").read_text(encoding="utf-8")
    assert BreachCode.MISSED_RUN in PAGE
    assert BreachCode.MISSED_RUN in incidents
    assert f"`{vault_errors.VaultUnavailable.code}`" in (OPERATORS / "vault.md").read_text()


@pytest.mark.parametrize("name", ["evidence-export.md", "incidents.md"])
def test_links_lead_somewhere(name: str) -> None:
    text = (OPERATORS / name).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)]+)\)", text):
        path, _, anchor = target.partition("#")
        page = (OPERATORS / path) if path else OPERATORS / name
        assert page.is_file(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {_anchor(heading) for heading in headings}, target


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
