"""Legal holds at the desk: placed and released once another person approved."""

from __future__ import annotations

from datetime import date

import pytest

from audit.models import LegalHold
from audit.services import holds
from tests.admin.approvals import approved, asked
from tests.admin.test_audit_admin import signed_in, text
from tests.admin.test_audit_archive import recorded, words
from tests.factories import World

HOLDS = "/admin/audit/legalhold/"


def test_a_hold_is_placed_and_released(world: World) -> None:
    desk = signed_in(world)
    given = {"case_id": "C-7", "reason": "Litigation", "start_day": "2026-01-01", "end_day": ""}
    approval = asked(desk, f"{HOLDS}place/", given)
    assert not LegalHold.objects.exists()
    approved(world, approval)
    hold = LegalHold.objects.get()
    assert (hold.start_day, hold.end_day, hold.placed_by) == (
        date(2026, 1, 1),
        None,
        "user:olivia",
    )
    shown = words(text(desk.get(f"{HOLDS}{hold.pk}/change/")))
    assert "In force" in shown
    assert "2026-01-01 to the end" in shown
    assert desk.post(f"{HOLDS}place/", given).status_code == 409
    release = f"{HOLDS}{hold.pk}/release/"
    assert "Litigation" in text(desk.get(release))
    approval = asked(desk, release, {"reason": "The case is closed."})
    hold.refresh_from_db()
    assert hold.released_at is None
    approved(world, approval)
    hold.refresh_from_db()
    assert (hold.released_by, hold.release_reason) == ("user:olivia", "The case is closed.")
    assert desk.get(release).status_code == 409
    assert recorded("audit.legal_hold.released").actor_id == "user:olivia"


def test_days_the_wrong_way_round_are_refused_beside_the_field(world: World) -> None:
    given = {
        "case_id": "C",
        "reason": "R",
        "start_day": "2026-02-01",
        "end_day": "2026-01-01",
    }
    response = signed_in(world).post(f"{HOLDS}place/", given)
    assert "The last day is before the first." in text(response, 400)
    assert not LegalHold.objects.exists()


@pytest.mark.parametrize("username", ["audrey", "omar", "ben"])
def test_holds_are_for_those_of_all_clients(world: World, username: str) -> None:
    hold = holds.place(actor=world.actor("olivia"), case_id="C", reason="R")
    desk = signed_in(world, username)
    assert desk.get(HOLDS).status_code == 403
    assert desk.get(f"{HOLDS}{hold.pk}/change/").status_code in (403, 404)
    assert desk.post(f"{HOLDS}{hold.pk}/release/", {"reason": "x"}).status_code == 404
    assert desk.post(f"{HOLDS}place/", {"case_id": "D", "reason": "x"}).status_code == 403
    assert LegalHold.objects.get().released_at is None
