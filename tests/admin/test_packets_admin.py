"""Packets on the desk: list, page, preview and files, for each of those who may look."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any

import pytest
from django.utils.html import escape

from audit.events import EventType
from reports.models import Packet
from reports.services import writing
from tests.admin.reports_pages import PACKETS, address, browser, in_this_process, page, text_of
from tests.factories import PASSWORD, World
from tests.reports_rows import assessment
from tests.services.evidence import helpers
from tests.services.evidence.vaults import local_vault  # noqa: F401
from tests.services.reports import packing

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    in_this_process(monkeypatch)


@pytest.fixture
def packet(world: World, local_vault: Path) -> Packet:  # noqa: F811
    helpers.some_events()
    assessment(world, state="attention", note="Two accounts without an owner.")
    return packing.make(world)


# --- the list -------------------------------------------------------------------------------------


def test_list(world: World, packet: Packet) -> None:
    text = page(world, "audrey", PACKETS)
    for known in (packet.name, "Awaiting countersignature", "one of two", packet.json_sha256[7:19]):
        assert known in text
    assert "Generate a packet" not in text
    assert "Generate a packet" in page(world, "olivia", PACKETS)


def test_an_empty_list_has_the_button_that_starts_it(world: World) -> None:
    text = page(world, "olivia", PACKETS)
    assert "The packets of each month will be listed here" in text
    assert text.count("Generate a packet") >= 2


def test_list_is_in_scope(world: World, packet: Packet) -> None:
    for username in ("ben", "omar"):
        assert packet.name not in page(world, username, PACKETS)
    for username in ("nobody", "root"):
        page(world, username, PACKETS, 403)


def test_filters_and_search(world: World, packet: Packet) -> None:
    other = packing.make(world, client="clinic-002")
    packing.countersign(world, other)
    for query, is_there in (
        ("?waiting=me", True),
        ("?state=awaiting", True),
        ("?state=countersigned", False),
        ("?state=failed", False),
        ("?state=nonsense", False),
        ("?client=clinic-001", True),
        ("?client=clinic-002", False),
        ("?client=platform", False),
        ("?month=2026-01", True),
        ("?month=2026-13", False),
        ("?q=SOC2_Evidence_clinic-001", True),
        ("?q=clinic-001", False),
    ):
        assert (f"/{packet.pk}/change/" in page(world, "oscar", PACKETS + query)) is is_there, query
    assert packet.name not in page(world, "olivia", f"{PACKETS}?waiting=me")
    assert other.name in page(world, "oscar", f"{PACKETS}?state=countersigned")


def test_list_costs_the_same_however_long_it_is(
    world: World, packet: Packet, django_assert_max_num_queries: Any
) -> None:
    packing.make(world, client=None)
    found = browser(world, "alice")
    with django_assert_max_num_queries(14):
        assert found.get(PACKETS).status_code == 200


# --- the page -------------------------------------------------------------------------------------


def test_page_with_summary_files_and_custody(world: World, packet: Packet) -> None:
    packing.countersign(world, packet, note="Looked at every figure")
    found = browser(world, "audrey")
    name = f"{packet.name}.json"
    found.post(address(packet, "download"), {"file": name})
    helpers.sealing.seal_pending()
    text = text_of(found.get(address(packet)))
    steps = [
        "Planned",
        "Generated and verified",
        "Signed by the service",
        "Deposited in the local vault",
        "Locked",
        "Countersigned: reviewed and approved",
        f"Downloaded {name}",
    ]
    custody = text[text.index('id="custody-title"') :]
    places = [custody.index(f">{step}<") for step in steps]
    assert places == sorted(places)
    for known in ("Olivia Officer", "Oscar Officer", "Audrey Auditor", "Looked at every figure",
                  packet.json_sha256, "two of two", "Two accounts without an owner.",
                  f"{packet.name}.countersigned.pdf.sig", "As a table"):  # fmt: skip
        assert known in text, known
    assert 'style="' not in text and "<style" not in text


def test_figures_say_where_they_come_from(world: World, packet: Packet) -> None:
    text = page(world, "audrey", address(packet))
    document = packing.document(packet)
    for item in document["executiveSummary"]["headline"]:
        assert escape(item["label"]) in text
    assert text.count('class="bars"') == sum(
        1 for chart in document["executiveSummary"]["charts"] if chart["series"]
    )


def test_a_revision_shows_what_changed_and_what_it_follows(world: World, packet: Packet) -> None:
    helpers.some_events(count=2)
    second = packing.make(world, revise=True, reason="A late export")
    text = page(world, "audrey", address(second))
    assert "What changed since the revision before" in text
    assert "A late export" in text and f"/{packet.pk}/change/" in text
    assert f"/{second.pk}/change/" in page(world, "audrey", address(packet))


def test_a_packet_whose_file_was_changed_shows_that_and_no_figures(
    world: World, packet: Packet, monkeypatch: pytest.MonkeyPatch
) -> None:
    from reports.services import files
    from reports.services.errors import FileMissing

    def gone(*args: Any) -> None:
        raise FileMissing("It is not where it was put.")

    monkeypatch.setattr(files, "look", gone)
    text = page(world, "audrey", address(packet))
    assert "It is not where it was put." in text and "can't be shown" in text
    assert 'id="summary-title"' not in text and 'id="custody-title"' in text


def test_another_clients_packet_is_not_there(world: World, packet: Packet) -> None:
    for act in ("change", "preview", "countersign", "download", "read", "verify", "revise"):
        page(world, "ben", address(packet, act), 404)
        page(world, "omar", address(packet, act), 404)


# --- the preview ----------------------------------------------------------------------------------


def test_preview_of_the_json_as_tables(world: World, packet: Packet) -> None:
    text = page(world, "audrey", address(packet, "preview"))
    document = packing.document(packet)
    for heading in ("What it is", "Every figure", "Sampled evidence", "What could be missing"):
        assert heading in text
    for fact in document["facts"]:
        assert fact in text
    assert document["sampling"]["seed"] in text
    assert "Numbers that the log lacks" in text and "Jobs of the period" in text
    assert packing.told(EventType.REPORTS_PACKET_DOWNLOADED, packet) == 0


def test_the_preview_does_not_hand_out_the_file_itself(world: World, packet: Packet) -> None:
    """Byte for byte it is a download, which is recorded."""
    raw = packing.working_files(packet)[".json"].decode().strip()
    for query in ("", "?text", "?text=1", "?format=json"):
        text = html.unescape(page(world, "audrey", address(packet, "preview") + query))
        assert raw not in text
        assert '"packetId":' not in text


def test_hostile_text_stays_text(world: World, packet: Packet) -> None:
    note = "<script>alert(1)</script><img src=x onerror=alert(2)>{{ 7|add:7 }}"
    assessment(world, control_id="CC6.2", note=note)
    second = packing.make(world, revise=True, reason=note)
    for act in ("change", "preview"):
        text = page(world, "audrey", address(second, act))
        assert "<script>alert" not in text and "<img" not in text
        assert "&lt;script&gt;alert(1)" in text and "{{ 7|add:7 }}" in text


# --- files ----------------------------------------------------------------------------------------


def test_a_download_is_recorded_and_leaves_as_a_file(world: World, packet: Packet) -> None:
    name = f"{packet.name}.json"
    asked = page(world, "audrey", address(packet, "download") + f"?file={name}.sig")
    assert re.search(rf'value="{re.escape(name)}.sig"[^>]*checked', asked)
    response = browser(world, "audrey").post(address(packet, "download"), {"file": name})
    assert response.content == writing.file_of(packet, name).read_bytes()
    assert response["Content-Disposition"] == f'attachment; filename="{name}"'
    assert "no-store" in response["Cache-Control"]
    assert packing.told(EventType.REPORTS_PACKET_DOWNLOADED, packet) == 1


def test_the_pdf_opens_in_the_browser_and_that_is_a_download(world: World, packet: Packet) -> None:
    found = browser(world, "audrey")
    assert packing.told(EventType.REPORTS_PACKET_DOWNLOADED, packet) == 0
    assert found.get(address(packet, "read")).status_code == 200
    assert packing.told(EventType.REPORTS_PACKET_DOWNLOADED, packet) == 0
    response = found.post(address(packet, "read"))
    assert response["Content-Type"] == "application/pdf"
    assert response["Content-Disposition"] == f'inline; filename="{packet.name}.pdf"'
    assert "default-src 'none'" in response["Content-Security-Policy"]
    assert response["X-Content-Type-Options"] == "nosniff"
    assert packing.told(EventType.REPORTS_PACKET_DOWNLOADED, packet) == 1
    packing.countersign(world, packet)
    again = found.post(address(packet, "read"))
    assert f"{packet.name}.countersigned.pdf" in again["Content-Disposition"]


def test_a_file_that_the_packet_has_not_is_refused(world: World, packet: Packet) -> None:
    found = browser(world, "audrey")
    for name in ("../../etc/passwd", f"{packet.name}.countersigned.pdf", ""):
        assert found.post(address(packet, "download"), {"file": name}).status_code == 400


def test_verify_now_shows_each_check(world: World, packet: Packet) -> None:
    response = browser(world, "audrey").post(address(packet, "verify"))
    text = text_of(response)
    assert response.status_code == 200
    assert "INVALID" in text and 'class="checks"' in text  # the countersignature is missing
    assert "Whether this is the latest revision" in text
    packing.countersign(world, packet)
    again = text_of(browser(world, "audrey").post(address(packet, "verify")))
    assert "Everything that was checked is as it must be." in again


def test_a_countersignature_that_is_refused_is_part_of_the_custody(
    world: World, packet: Packet
) -> None:
    packing.key_of(world, "olivia")
    answer = browser(world, "olivia").post(
        address(packet, "countersign"), {"meaning": "approved", "password": PASSWORD}
    )
    assert answer.status_code == 403
    helpers.sealing.seal_pending()
    text = page(world, "audrey", address(packet))
    assert "Countersignature refused" in text and "countersigner is maker" in text


def test_read_only(world: World, packet: Packet, settings: Any) -> None:
    settings.AUDIT_ENABLED = False
    found = browser(world, "oscar")
    for act in ("change", "preview"):
        assert found.get(address(packet, act)).status_code == 200
    assert found.post(address(packet, "verify")).status_code == 200
    for act in ("countersign", "revise", "download", "read"):
        assert found.post(address(packet, act), {"file": f"{packet.name}.json"}).status_code == 503
