"""The trail at the desk: events with their proof, keys, checkpoints, verifications, the card."""

from __future__ import annotations

import html
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from audit.admin.desk import recent_refusals, state_of_the_log
from audit.events import Actor, EventType
from audit.models import AuditEvent, Checkpoint, PendingEvent, VerificationRun
from audit.selectors import line_of
from audit.services import checkpoints, clock, sealing
from audit.services.ingest import ingest
from audit.services.verification import verify_database
from tests.factories import World
from tests.services.audit.helpers import force, record, seal, sent_event

EVENTS = "/admin/audit/auditevent/"
RUNS = "/admin/audit/verificationrun/"
START = datetime(2026, 1, 1, tzinfo=UTC)


def signed_in(world: World, username: str = "olivia") -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(world.user(username))
    return client


def text(response: Any, status: int = 200) -> str:
    assert response.status_code == status, response.content[:2_000]
    return html.unescape(response.content.decode())


def page_of(event_id: str) -> str:
    return f"{EVENTS}{AuditEvent.objects.get(id=event_id).pk}/change/"


def listed(response: Any) -> list[str]:
    """The ids of the events of a list, as its links name them."""
    numbers = re.findall(r"/admin/audit/auditevent/(\d+)/change/", text(response))
    found = {str(event.pk): str(event.id) for event in AuditEvent.objects.filter(pk__in=numbers)}
    return [found[number] for number in dict.fromkeys(numbers)]


# --- the list --------------------------------------------------------------------------------


def test_events_are_listed_newest_first(world: World) -> None:
    moments = [START + timedelta(minutes=n) for n in (0, 2, 1)]
    made = [seal(occurred_at=moment, client="clinic-002")[0] for moment in moments]
    found = listed(signed_in(world, "ben").get(EVENTS))
    assert found[-3:] == [made[1], made[2], made[0]]


def test_pages_hold_every_event_once(world: World) -> None:
    made = record(130, occurred_at=START, client="clinic-002")
    sealing.seal_pending()
    desk, found, pages = signed_in(world, "ben"), [], []
    address: str | None = EVENTS
    while address:
        response = desk.get(address)
        pages.append(listed(response))
        found += pages[-1]
        older = re.search(r'href="(\?[^"]*before=[^"]*)"', text(response))
        address = EVENTS + older.group(1) if older else None
    assert found[-130:] == sorted(made, reverse=True)
    assert len(set(found)) == len(found)
    assert [len(page) for page in pages[:2]] == [50, 50]
    newer = re.search(r'href="(\?[^"]*after=[^"]*)"', text(response))
    assert newer is not None
    assert listed(desk.get(EVENTS + newer.group(1))) == pages[1]


@pytest.mark.parametrize(
    "query", ["before=x", "after=x", "before=%00", "type=x&before=bnw=", "seq=1"]
)
def test_a_list_that_can_not_be_asked_for_is_no_error_of_ours(world: World, query: str) -> None:
    assert signed_in(world).get(f"{EVENTS}?{query}").status_code in (200, 302, 400)


def test_filters_offer_what_is_known_without_asking(world: World) -> None:
    denied = seal(client="clinic-002", outcome="denied", occurred_at=START)[0]
    other = seal(client="clinic-002", occurred_at=START)[0]
    desk = signed_in(world, "ben")
    assert listed(desk.get(EVENTS, {"outcome": "denied"})) == [denied]
    assert set(listed(desk.get(EVENTS, {"type": "access.logout"}))) == {denied, other}
    assert listed(desk.get(EVENTS, {"type": "access.denied"})) == []


def test_search_is_exact(world: World) -> None:
    event_id = seal(client="clinic-002", obj=("file", "F-77"), actor=world.actor("ben"))[0]
    seal(client="clinic-002", obj=("file", "F-777"))
    desk = signed_in(world, "ben")
    for term in (event_id, "F-77", " F-77 ", "user:ben"):
        assert listed(desk.get(EVENTS, {"q": term})) == [event_id], term
    for term in ("F-7", "f-77", "user:be", event_id[:8]):
        assert listed(desk.get(EVENTS, {"q": term})) == [], term


def test_the_list_asks_nothing_that_grows(world: World) -> None:
    seal(3)
    desk = signed_in(world)
    desk.get(EVENTS)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert desk.get(EVENTS, {"outcome": "denied"}).status_code == 200
    about_events = [q["sql"] for q in queries if '"audit_events"' in q["sql"]]
    assert about_events
    assert all("LIMIT" in sql for sql in about_events), about_events


def test_the_chosen_client_narrows_the_list(world: World) -> None:
    one, two = seal(client="clinic-001")[0], seal(client="clinic-002")[0]
    desk = signed_in(world)
    desk.post("/admin/client/", {"client": "clinic-002"})
    found = listed(desk.get(EVENTS))
    assert two in found
    assert one not in found


def test_everybody_sees_his_own(world: World) -> None:
    one = seal(client="clinic-001")[0]
    two = seal(client="clinic-002")[0]
    platform = seal(client=None)[0]
    omars = seal(client="clinic-001", actor=world.actor("omar"))[0]
    for username, sees in (
        ("olivia", {one, two, platform, omars}),
        ("audrey", {one, omars}),
        ("ben", {two}),
        ("omar", {omars}),
    ):
        desk = signed_in(world, username)
        for event_id in (one, two, platform, omars):
            expected = 200 if event_id in sees else 404
            assert desk.get(page_of(event_id)).status_code == expected, (username, event_id)
        assert set(listed(desk.get(EVENTS))) & {one, two, platform, omars} == sees


# --- one event -------------------------------------------------------------------------------


def test_the_page_proves_the_event(world: World) -> None:
    seal(40)
    (event_id,) = seal(obj=("file", "<b>F</b>"))
    response = signed_in(world).get(page_of(event_id))
    page = text(response)
    assert "VALID" in page
    assert "INVALID" not in page
    assert line_of(AuditEvent.objects.get(id=event_id)).decode() in page
    assert "sha256sum" in page
    assert b"<b>F</b>" not in response.content
    latest = checkpoints.latest()
    assert latest is not None
    assert latest.note in page


def test_an_event_that_can_not_be_proven_says_so(world: World, settings: Any) -> None:
    (event_id,) = seal()
    settings.AUDIT_SIGNER_STATE.write_text("nonsense")
    page = text(signed_in(world).get(page_of(event_id)))
    assert "COULD NOT CHECK" in page
    assert "signer_state_invalid" in page


@pytest.mark.parametrize("path", ["add/", "{pk}/delete/", "{pk}/history/"])
def test_there_is_nothing_to_add_or_delete(world: World, path: str) -> None:
    seal()
    desk, pk = signed_in(world, "alice"), AuditEvent.objects.latest("seq").pk
    assert desk.get(EVENTS + path.format(pk=pk)).status_code == 404


def test_a_page_is_not_a_form(world: World) -> None:
    (event_id,) = seal()
    before = AuditEvent.objects.values().get(id=event_id)
    response = signed_in(world, "alice").post(page_of(event_id), {"outcome": "denied"})
    assert response.status_code == 403
    assert AuditEvent.objects.values().get(id=event_id) == before


# --- the log as a whole ----------------------------------------------------------------------


def test_checkpoints_are_shown_with_their_signature(world: World) -> None:
    checkpoint = checkpoints.issue()
    desk = signed_in(world, "audrey")
    assert f"/admin/audit/checkpoint/{checkpoint.pk}/change/" in text(
        desk.get("/admin/audit/checkpoint/")
    )
    page = text(desk.get(f"/admin/audit/checkpoint/{checkpoint.pk}/change/"))
    assert checkpoint.note in page
    assert "INVALID" not in page


def test_the_log_can_be_verified_from_the_desk(world: World) -> None:
    seal(3)
    desk = signed_in(world, "audrey")
    assert "Verify the newest events" in text(desk.get(RUNS + "verify/"))
    assert not VerificationRun.objects.exists()
    page = text(desk.post(RUNS + "verify/"))
    run = VerificationRun.objects.get()
    assert (run.verdict, run.actor_id) == ("VALID", "user:audrey")
    assert "are chained and give their hashes" in page
    assert f"{RUNS}{run.pk}/change/" in text(desk.get(RUNS))
    assert "are chained and give their hashes" in text(desk.get(f"{RUNS}{run.pk}/change/"))


def test_of_a_long_log_the_newest_events_are_verified(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audit.admin.verifications.VERIFY_EVENTS", 5)
    seal(10)
    page = text(signed_in(world, "audrey").post(RUNS + "verify/"))
    run = VerificationRun.objects.get()
    assert run.start_seq > 0
    assert f"Events 0 to {run.start_seq - 1}, but for the tree over them." in page


def test_what_was_set_aside_is_shown_without_its_text(world: World) -> None:
    poisoned = force("secret poison")
    sealing.seal_pending()
    page = text(signed_in(world).get("/admin/audit/pendingevent/"))
    assert "Set aside" in page
    assert "secret poison" not in page
    detail = text(signed_in(world).get(f"/admin/audit/pendingevent/{poisoned}/change/"))
    assert "secret poison" not in detail
    assert signed_in(world, "audrey").get("/admin/audit/pendingevent/").status_code == 403


@pytest.mark.parametrize("name", ["auditevent", "checkpoint", "verificationrun", "signingkey"])
def test_nobody_enters_without_signing_in(world: World, name: str) -> None:
    response = Client().get(reverse(f"admin:audit_{name}_changelist"))
    assert response.status_code == 302
    assert (
        signed_in(world, "root").get(reverse(f"admin:audit_{name}_changelist")).status_code == 403
    )


# --- the desk --------------------------------------------------------------------------------


class Asked:
    """As much of a request as a card needs."""

    def __init__(self, world: World, username: str) -> None:
        self.user = world.user(username)
        self.session: dict[str, str] = {}


def card(world: World, username: str = "olivia") -> Any:
    return state_of_the_log(Asked(world, username))  # type: ignore[arg-type]


def test_the_card_tells_whether_the_trail_is_whole(world: World) -> None:
    seal()
    assert (card(world).value, card(world).state) == ("No recent checkpoint", "attention")
    checkpoints.issue()
    assert (card(world).value, card(world).state) == ("Not verified yet", "neutral")
    verify_database(actor=Actor.system("test"))
    sealing.seal_pending()
    assert (card(world).value, card(world).state) == ("Verified", "verified")
    assert "verified just now" in card(world).detail


def test_the_card_tells_what_is_wrong(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    seal()
    checkpoints.issue()
    record(1)
    PendingEvent.objects.update(created_at=datetime.now(UTC) - timedelta(minutes=2))
    assert card(world).value == "Sealing stands still"
    assert "1 to be sealed" in card(world).detail
    sealing.seal_pending()
    force("poison")
    sealing.seal_pending()
    assert (card(world).value, card(world).state) == ("Events were set aside", "attention")
    now = datetime.now(UTC)
    VerificationRun.objects.create(
        started_at=now,
        finished_at=now,
        actor_id="service:test",
        start_seq=0,
        end_seq=5,
        checked_events=3,
        verdict="INVALID",
        first_bad_seq=3,
        message="Event 3 does not hold.",
        findings=[],
    )
    assert (card(world).value, card(world).state) == ("It does not verify", "refused")
    monkeypatch.setattr("django.conf.settings.AUDIT_ORIGIN", "other.test/audit")
    assert (card(world).value, card(world).state) == ("It does not add up", "refused")


def test_the_card_is_for_those_who_may_verify(world: World) -> None:
    assert card(world, "audrey") is not None
    assert card(world, "nobody") is None


def test_refusals_are_shown_to_those_who_may_see_them(world: World) -> None:
    denied = {"kind": EventType.ACCESS_DENIED, "outcome": "denied"}
    seal(client="clinic-001", obj=("address", "packages"), **denied)
    # What other systems denied is theirs to look after.
    sent = sent_event(outcome="denied", type="aws.s3.GetObject")
    ingest(actor=world.actor("svc-clinic-001"), events=[sent])
    for username, count in (("audrey", 1), ("ben", 0), ("olivia", 1)):
        panel = recent_refusals(Asked(world, username))  # type: ignore[arg-type]
        assert panel is not None
        assert len(panel.rows) == count, username


def test_the_desk_shows_card_and_refusals(world: World) -> None:
    seal(kind=EventType.ACCESS_DENIED, outcome="denied", obj=("address", "packages"))
    page = text(signed_in(world).get("/admin/"))
    assert "Is the trail whole" in page
    assert "Recent refusals" in page
    for label in ("Events", "Checkpoints", "Verifications", "Signing keys", "Outbox"):
        assert label in page


def test_a_clock_that_stands_wrong_does_not_close_the_list(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    seal()
    record(1)
    PendingEvent.objects.update(created_at=datetime.now(UTC) - timedelta(minutes=2))
    monkeypatch.setattr(clock, "database_clock", lambda: datetime(2020, 1, 1, tzinfo=UTC))
    assert signed_in(world).get(EVENTS).status_code == 200
    assert Checkpoint.objects.count() == 0
