"""The PDF of a packet as its readers find it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from datetime import datetime
from typing import Any

import pytest

from reports.rendering import assembling, process, render
from tests import pdfs
from tests.reports_documents import GENERATED_AT, document

DIGEST = "sha256:0123456789ab" + "c" * 46 + "def012"
SHORT = "sha256:0123456789ab…def012"

CHILD = f"""
import sys, time
from reports.rendering import render
from tests.reports_documents import document
sys.stdout.buffer.write(render(document(4, 120), json_sha256={DIGEST!r}))
"""


@pytest.fixture(scope="module")
def pdf() -> bytes:
    return render(document(12, 300), json_sha256=DIGEST)


@pytest.fixture(scope="module")
def pages(pdf: bytes) -> list[str]:
    return pdfs.texts(pdf)


def small(**changed: Any) -> bytes:
    """The PDF of a small document, with fields changed, made in this process."""
    return assembling.pdf_bytes(document(1, 2) | changed, json_sha256=DIGEST)


def test_every_page_has_its_number_the_digest_and_where_to_verify(pages: list[str]) -> None:
    for number, text in enumerate(pages, 1):
        assert f"Page {number} of {len(pages)}" in " ".join(text.split())
        assert SHORT in text
        assert "Verify at https://vault.example.org/verify/" in text
        assert "SOC2_Evidence_acme_2026-10-01_2026-10-31" in text


def test_every_part_control_and_annex_has_a_bookmark(pdf: bytes, pages: list[str]) -> None:
    found = pdfs.bookmarks(pdf)
    assert [title for depth, title, _ in found if depth == 0] == [
        "SOC 2 evidence packet",
        "Executive summary",
        "Controls",
        "Control by control",
        "Completeness",
        "Artefacts",
        "Annexes",
        "How to verify this packet",
    ]
    controls = [control["controlId"] for control in document(12)["controls"]]
    below = [title for depth, title, _ in found if depth == 1]
    assert [title.split()[0] for title in below[:12]] == controls
    assert below[12:] == ["Incidents", "Keys and their changes", "Sampling and inclusion proof"]
    for _, title, page in found:
        assert pdfs.squeezed(title) in pdfs.squeezed(pages[page - 1])


def test_the_document_tells_its_title_and_language(pdf: bytes) -> None:
    reader = pdfs.opened(pdf)
    catalog: Any = reader.trailer["/Root"]
    assert catalog["/Lang"] == "en-GB"
    assert catalog["/ViewerPreferences"]["/DisplayDocTitle"].value is True
    assert catalog["/PageMode"] == "/UseOutlines"
    assert reader.metadata is not None
    assert reader.metadata.title == (
        "SOC 2 evidence packet, Acme Health Ltd, 1 October 2026 to 31 October 2026"
    )
    assert DIGEST in str(reader.metadata.subject)
    maker = document(1)["maker"]
    assert reader.metadata.keywords == f"maker {maker['person']}"
    made = reader.metadata.creation_date
    assert made == datetime.fromisoformat(GENERATED_AT)
    assert {tuple(map(round, page.mediabox)) for page in reader.pages} == {(0, 0, 595, 842)}


def test_every_font_is_embedded(pdf: bytes) -> None:
    found = pdfs.fonts(pdf)
    assert {name.partition("+")[2] for name in found} == {
        "DejaVuSans",
        "DejaVuSans-Bold",
        "DejaVuSansMono",
    }
    assert all(found.values())


def test_headers_repeat_on_each_page_of_an_annex(pages: list[str]) -> None:
    annex = [text for text in pages if "INC-2026-10-" in text and "Restarted" in text]
    assert len(annex) > 3
    for text in annex:
        assert "Incident" in text.replace("INC-", "")
        assert "Runbook" in text
        assert "Time to" in text
    whole = pdfs.squeezed("".join(pages))
    assert all(f"INC-2026-10-{number:05d}" in whole for number in range(300))


def test_every_number_stands_with_its_source(pages: list[str]) -> None:
    whole = " ".join(" ".join(pages).split())
    assert "logins.failed: 17 events, from 1002 to 41907" in whole
    assert "accounts.mfa_coverage: 3 account records (12, 17, 31)" in whole
    assert re.search(r"Restore drills no data no source", whole)


def test_states_are_words_and_signs(pages: list[str]) -> None:
    whole = "".join(pages)
    for state in ("✔ Compliant", "⚠ Needs attention", "✖ Not compliant", "⊘ Not applicable"):
        assert state in whole
    assert "Nobody assessed this control for the period." in whole


def test_all_hashes_of_samples_and_proof_are_there(pages: list[str]) -> None:
    whole = pdfs.squeezed("".join(pages))
    made = document(12)
    for control in made["controls"]:
        for item in control["sampleEvidence"]:
            assert (item["leafHash"] if item["kind"] == "event" else item["sha256"]) in whole
    assert all(item in whole for item in made["samples"]["proof"]["hashes"])
    assert all(pdfs.squeezed(line) in whole for line in made["verification"]["commands"])
    assert DIGEST.partition(":")[2] in whole


def test_the_code_holds_the_verify_page_with_the_digest() -> None:
    none = assembling.pdf_bytes(document(1, 1, verify_url="/verify/"), json_sha256=DIGEST)
    for text in pdfs.texts(none):
        assert "No public address is configured, so there is no QR code." in text
    assert b"verify-qr" not in _forms(none)
    assert b"verify-qr" in _forms(small())


def test_a_draft_says_so_on_every_page() -> None:
    for text in pdfs.texts(small(draft=True)):
        assert "DRAFT" in text
        assert "Draft: not evidence" in text
    assert not any("DRAFT" in text or "Draft" in text for text in pdfs.texts(small()))


def test_a_revision_says_what_it_replaces() -> None:
    earlier = {
        "packetId": "SOC2_Evidence_acme_2026-10-01_2026-10-31",
        "sha256": f"sha256:{'e' * 64}",
        "reason": "A late event arrived.",
        "changes": [{"fact": "logins_failed", "before": 17, "after": "no data"}],
    }
    cover = pdfs.texts(small(supersedes=earlier, revision=2))[0]
    for word in ("revision 2", "A late event arrived.", "logins_failed", "17", "no data"):
        assert word in cover
    assert "e" * 64 in pdfs.squeezed(cover)


def test_a_packet_of_the_platform_that_the_schedule_made() -> None:
    text = pdfs.texts(small(client=None, maker=None))[0]
    assert "The whole installation" in text
    assert "the schedule" in text


def test_a_chart_of_one_value_or_of_zeros_is_a_line() -> None:
    made = document(1, 1)
    one, zeros = made["executiveSummary"]["charts"]
    one["series"] = [{"label": "2026-10-05", "value": 52}]
    zeros["series"] = [{"label": f"outcome {n}", "value": 0} for n in range(3)]
    page = " ".join(pdfs.texts(assembling.pdf_bytes(made, json_sha256=DIGEST))[1].split())
    assert "Logins by outcome (events) · 2026-10-05: 52 Source: logins.failed: 64" in page
    assert "Failed logins by day (events) · each of the 3 values is 0" in page
    assert "outcome 2 0 Source: logins.failed: 64" in page


def test_a_packet_without_anything() -> None:
    empty = document(0, 0) | {"artifacts": [], "annexes": [], "facts": {}, "completeness": {}}
    empty["executiveSummary"] |= {"headline": [], "charts": [], "text": []}
    empty["samples"] = {"lines": [], "proof": {"tree_size": 0, "indexes": [], "hashes": []}}
    assert pdfs.texts(assembling.pdf_bytes(empty, json_sha256=DIGEST))


def test_artefacts_that_are_not_listed_are_counted() -> None:
    made = document(1)
    made["artifactListing"] |= {"total": 1_204, "isTruncated": True}
    for result in made["controls"][0]["testingResults"][:1]:
        result |= {"fact": f"artifacts.{made['controls'][0]['controlId']}", "value": 203}
    for item in made["artifacts"]:
        item |= {"title": "long " * 40}
    text = " ".join(" ".join(pdfs.texts(assembling.pdf_bytes(made, json_sha256=DIGEST))).split())
    assert "4 of 1,204 are listed, of each control the oldest." in text
    assert "1 of 203 are listed." in text
    assert "long …" in text and "long " * 30 not in text


def test_the_same_document_gives_the_same_bytes() -> None:
    """In processes of other hash seeds, time zones and times."""
    found = set()
    for seed, zone in (("1", "UTC"), ("4242", "Pacific/Kiritimati")):
        done = subprocess.run(
            [sys.executable, "-c", CHILD],
            env={**os.environ, "PYTHONHASHSEED": seed, "TZ": zone},
            cwd=process._PROJECT,
            capture_output=True,
            check=True,
        )
        found.add(done.stdout)
    assert len(found) == 1
    assert found.pop() == render(document(4, 120), json_sha256=DIGEST)


def _forms(pdf: bytes) -> bytes:
    return b"".join(
        name.encode() for page in pdfs.opened(pdf).pages for name in page["/Resources"]["/XObject"]
    )
