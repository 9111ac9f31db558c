"""What is done with packets from the desk: generate, revise, countersign; and who may not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as current
from django.test import Client as Browser

from audit.services import keys
from ops.models import Run
from reports.admin import months
from reports.models import Packet, PacketCountersignature
from tests.admin import jobs
from tests.admin.reports_pages import PACKETS, address, browser, in_this_process, page, text_of
from tests.api.packets import stored
from tests.carrying import carry_out
from tests.factories import PASSWORD, World
from tests.reports_rows import assessment
from tests.services.evidence import helpers
from tests.services.evidence.vaults import local_vault  # noqa: F401
from tests.services.reports import packing

pytestmark = pytest.mark.django_db
GENERATE = f"{PACKETS}generate/"
JANUARY = {"client_id": "clinic-001", "month": "days", "first_day": "2026-01-01",
           "last_day": "2026-01-31"}  # fmt: skip


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, local_vault: Path) -> None:  # noqa: F811
    in_this_process(monkeypatch)


@pytest.fixture
def packet(world: World) -> Packet:
    helpers.some_events()
    return packing.make(world)


# --- generate -------------------------------------------------------------------------------------


def test_the_month_before_is_offered_first(world: World) -> None:
    text = page(world, "olivia", GENERATE)
    last = months.last_month()
    chosen = f'<option value="{months.text_of(last)}" selected>{months.words(last)}</option>'
    assert chosen in text
    assert "Show what would be made" in text


def test_a_packet_is_made_only_after_what_would_be_made_was_confirmed(world: World) -> None:
    found = browser(world, "olivia")
    asked = found.post(GENERATE, JANUARY)
    text = text_of(asked)
    name = "SOC2_Evidence_clinic-001_2026-01-01_2026-01-31"
    assert f"Generate {name}" in text and "0 of" in text
    assert 'name="confirmed" value="yes"' in text and 'value="2026-01-31"' in text
    assert not Packet.objects.exists() and not Run.objects.exists()
    made = found.post(GENERATE, {**JANUARY, "confirmed": "yes"})
    packet = Packet.objects.get()
    assert made.status_code == 302 and made["Location"] == address(packet)
    assert (packet.name, packet.status) == (name, "complete")
    assert packet.maker == world.person("olivia")


def test_what_was_assessed_is_told_before(world: World) -> None:
    assessment(world)
    text = text_of(browser(world, "olivia").post(GENERATE, JANUARY))
    assert "1 of" in text and "assessed for this period" in text


def test_what_is_there_already_is_shown_instead(world: World, packet: Packet) -> None:
    text = text_of(browser(world, "olivia").post(GENERATE, JANUARY))
    assert "There is a packet of this period already" in text
    assert f"/{packet.pk}/change/" in text
    assert "What can’t be undone" not in text
    assert f">Generate {packet.name}</button>" not in text


def test_what_was_made_before_the_end_would_be_followed_by_a_revision(world: World) -> None:
    half = stored(world, at=packing.JANUARY.start)
    text = text_of(browser(world, "olivia").post(GENERATE, JANUARY))
    assert "There is a packet from before the period was over" in text
    assert f"/{half.pk}/change/" in text
    assert f"Generate {half.name}_r2" in text


def test_a_run_that_takes_longer_is_shown_on_its_own_page(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from reports.services import packets

    monkeypatch.setattr(packets, "wait_for", lambda run, seconds: run)
    answer = browser(world, "olivia").post(GENERATE, {**JANUARY, "confirmed": "yes"})
    run = Run.objects.get()
    assert answer["Location"] == f"/admin/ops/run/{run.pk}/change/"
    text = page(world, "olivia", answer["Location"])
    assert "clinic-001" in text.lower() and "2026-01-01" in text


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"last_day": "2025-12-31"}, "last_day"),
        ({"first_day": ""}, "first_day"),
        ({"last_day": "9999-12-31"}, "last_day"),
        ({"first_day": "2019-01-01"}, "last_day"),
        ({"month": "2026-13"}, "month"),
        ({"client_id": "clinic-009"}, "client_id"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_can_not_be_made_names_the_field(
    world: World, changed: dict[str, str], field: str
) -> None:
    answer = browser(world, "olivia").post(GENERATE, {**JANUARY, **changed, "confirmed": "yes"})
    assert answer.status_code == 400
    assert f'id="id_{field}_error"' in answer.content.decode()
    assert not Run.objects.exists()


def test_days_without_these_days_are_refused(world: World) -> None:
    month = months.text_of(months.last_month())
    answer = browser(world, "olivia").post(GENERATE, {**JANUARY, "month": month})
    assert answer.status_code == 400 and "Choose “These days” as well." in text_of(answer)


def test_an_open_period_says_what_would_be_missing(world: World) -> None:
    from django.utils import timezone

    today = f"{timezone.now():%Y-%m-%d}"
    answer = browser(world, "olivia").post(
        GENERATE, {**JANUARY, "first_day": today, "last_day": today}
    )
    assert "The period is not over yet" in text_of(answer)


def test_who_may_not_generate(world: World) -> None:
    for username in ("audrey", "omar", "nobody", "root"):
        found = browser(world, username)
        assert found.get(GENERATE).status_code == 403
        assert found.post(GENERATE, {**JANUARY, "confirmed": "yes"}).status_code == 403
    ben = browser(world, "ben").post(GENERATE, {**JANUARY, "confirmed": "yes"})
    assert ben.status_code == 400  # another client's officer is not offered it
    assert not Run.objects.exists()


# --- revise ---------------------------------------------------------------------------------------


def test_revise_asks_why_and_makes_the_next_one(world: World, packet: Packet) -> None:
    found = browser(world, "oscar")
    assert found.post(address(packet, "revise"), {"reason": " "}).status_code == 400
    answer = found.post(address(packet, "revise"), {"reason": "A late export"})
    second = Packet.objects.get(revision=2)
    assert answer["Location"] == address(second)
    assert (second.reason, second.maker) == ("A late export", world.person("oscar"))
    text = page(world, "oscar", address(packet, "revise"), 409)
    assert "There is a newer revision of this period already" in text


# --- countersign ----------------------------------------------------------------------------------


def countersign(found: Browser, packet: Packet, **changed: Any) -> Any:
    data = {"meaning": "reviewed and approved", "note": "", "password": PASSWORD, **changed}
    return found.post(address(packet, "countersign"), data)


def test_countersign_shows_the_digest_and_asks_for_the_password(
    world: World, packet: Packet
) -> None:
    packing.key_of(world, "oscar")
    found = browser(world, "oscar")
    text = text_of(found.get(address(packet, "countersign")))
    for known in (f"Countersign {packet.name}", packet.pdf_sha256, "Your password", "withdrawn"):
        assert known in text, known
    assert not PacketCountersignature.objects.exists()
    assert countersign(found, packet, password="wrong").status_code == 403
    assert not PacketCountersignature.objects.exists()
    assert countersign(found, packet, note="Every figure").status_code == 302
    second = PacketCountersignature.objects.get()
    assert (second.person, second.note) == (world.person("oscar"), "Every figure")
    assert "two of two" in page(world, "oscar", address(packet))


def test_the_maker_sees_no_countersign_and_is_told_why(world: World, packet: Packet) -> None:
    packing.key_of(world, "olivia")
    link = f'href="{address(packet, "countersign")}"'
    for username in ("olivia", "olivia2"):
        text = page(world, username, address(packet))
        assert link not in text
        assert "You made this packet: another person has to countersign it." in text
        assert "another person" in page(world, username, address(packet, "countersign"), 409)
        assert countersign(browser(world, username), packet).status_code == 403
    packing.key_of(world, "oscar")
    text = page(world, "oscar", address(packet))
    assert link in text and "not for yours" not in text
    assert not PacketCountersignature.objects.exists()


def test_without_a_key_and_with_one_that_readers_do_not_know(world: World, packet: Packet) -> None:
    assert "You have no active signing key" in page(world, "oscar", address(packet))
    keys.create_person_key(
        actor=world.actor("oscar"),
        person=world.person("oscar"),
        password=PASSWORD,
        algorithm="ed25519",
    )
    assert "Rotate it" in page(world, "oscar", address(packet))


def test_what_the_schedule_made_has_no_maker_and_any_officer_may(world: World) -> None:
    run = jobs.run(packing.monthly_job(), "QUEUED", account=None)
    assert carry_out(run.pk).status == "SUCCESS"
    packet = Packet.objects.get()  # the platform's: the clients came after that month
    packing.key_of(world, "olivia")
    text = page(world, "olivia", address(packet))
    assert "The schedule" in text and "not for yours" not in text
    assert countersign(browser(world, "olivia"), packet).status_code == 302
    told = page(world, "olivia", f"/admin/ops/run/{run.pk}/change/")
    assert packet.name in told and "one for each active client" in told


def test_countersigned_once_is_enough(world: World, packet: Packet) -> None:
    packing.countersign(world, packet)
    text = page(world, "oscar", address(packet, "countersign"), 409)
    assert "The packet has its countersignature." in text


# --- whoever may not ------------------------------------------------------------------------------


def test_hidden_acts_are_refused(world: World, packet: Packet) -> None:
    packing.key_of(world, "oscar")
    for username, acts in {
        "alice": ("countersign",),
        "audrey": ("countersign", "revise"),
    }.items():
        found = browser(world, username)
        text = text_of(found.get(address(packet)))
        for act in acts:
            assert address(packet, act) not in text
            assert found.get(address(packet, act)).status_code == 403
            assert found.post(address(packet, act), {}).status_code == 403
    for username in ("omar", "ben"):
        found = browser(world, username)
        for act in ("countersign", "revise", "download", "read", "verify"):
            assert found.post(address(packet, act), {}).status_code == 404
    assert Packet.objects.count() == 1


def test_posts_need_the_token_of_the_page(world: World, packet: Packet) -> None:
    found = Browser(enforce_csrf_checks=True)
    found.force_login(world.user("oscar"))
    for act in ("countersign", "revise", "download", "read", "verify"):
        assert found.post(address(packet, act), {}).status_code == 403
    assert found.post(GENERATE, JANUARY).status_code == 403
    assert found.post(address(packet, "preview")).status_code in (403, 405)


def test_looking_changes_nothing(world: World, packet: Packet) -> None:
    packing.key_of(world, "oscar")
    folder = Path(current.EVIDENCE_PACKAGE_DIR)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    found = browser(world, "oscar")
    for act in ("change", "preview", "countersign", "revise", "download", "read", "verify"):
        assert found.get(address(packet, act)).status_code == 200, act
    assert found.get(GENERATE).status_code == 200
    after = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    assert after == before
    assert (Packet.objects.count(), Run.objects.count()) == (1, 1)
    assert not PacketCountersignature.objects.exists()


# --- the desk -------------------------------------------------------------------------------------


def test_the_desk_says_what_waits_and_what_failed(world: World, packet: Packet) -> None:
    text = page(world, "oscar", "/admin/")
    assert "Packets for my countersignature" in text and "?waiting=me" in text
    assert "Last packets" in text and packet.name in text
    assert "Packets that could not be made" not in text
    mine = page(world, "olivia", "/admin/")
    assert f"{PACKETS}?waiting=me" not in mine
    current.COMPLIANCE_EVIDENCE_VAULT_DIR = ""
    answer = browser(world, "olivia").post(
        GENERATE, {**JANUARY, "client_id": "clinic-002", "confirmed": "yes"}
    )
    assert answer.status_code == 409
    assert "no vault" in text_of(answer)


def test_a_packet_that_could_not_be_made_says_so_everywhere(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from reports.services import making

    def fail(*args: Any, **kwargs: Any) -> bytes:
        raise OSError(20, "Not a directory")

    monkeypatch.setattr(making, "render", fail)
    found = browser(world, "olivia")
    refused = found.post(GENERATE, {**JANUARY, "confirmed": "yes"})
    assert refused.status_code == 409 and "Not a directory" in text_of(refused)
    packet = Packet.objects.get()
    desk = text_of(found.get("/admin/"))
    assert "Packets that could not be made" in desk and "?state=failed" in desk
    assert packet.name in text_of(found.get(f"{PACKETS}?state=failed"))
    text = text_of(found.get(address(packet)))
    for known in ("Not a directory", "Could not be made", "storage_error"):
        assert known in text, known
    for act in ("countersign", "revise", "download", "read", "verify"):
        assert found.get(address(packet, act)).status_code in (403, 409)
    assert "was not made to its end" in text_of(found.get(address(packet, "preview")))
