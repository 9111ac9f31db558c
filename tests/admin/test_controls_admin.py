"""Controls on the desk: how they stand, what they rest on, assessing, and the heat map."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from django.test import Client as Browser

from reports import catalogue
from reports.admin import heat, months
from reports.models import ControlAssessment
from tests.admin.reports_pages import CONTROLS, browser, control, in_this_process, page, text_of
from tests.factories import World
from tests.reports_rows import JANUARY, QUARTER, artifact, assessment
from tests.services.evidence import helpers
from tests.services.evidence.vaults import local_vault  # noqa: F401
from tests.services.reports import packing

pytestmark = pytest.mark.django_db
QUERY = "?client=clinic-001&month=2026-01"


def line_of(text: str, control_id: str) -> str:
    """The line of a control in the list."""
    found = re.search(rf"<tr>\s*<th[^>]*><a[^>]*>{control_id}</a>.*?</tr>", text, re.S)
    assert found is not None
    return found[0]


# --- the list -------------------------------------------------------------------------------------


def test_every_control_in_scope_says_how_it_stands(world: World, settings: Any) -> None:
    settings.SOC2_CATEGORIES = ["availability"]
    assessment(world, state="attention", note="Two accounts without an owner.")
    assessment(world, control_id="CC6.2", period=QUARTER, state="not_compliant")
    artifact(world)
    text = page(world, "audrey", CONTROLS + QUERY)
    specs = catalogue.in_scope("SOC2", frozenset({"availability"}))
    assert text.count("<tr>") - len({spec.series for spec in specs}) == len(specs)
    assert "January 2026" in text and "Clinic-001" in text
    line = line_of(text, "CC6.1")
    for known in ("Attention", "Olivia Officer", "Two accounts without an owner.", ">1<"):
        assert known in line
    assert "Not compliant" in line_of(text, "CC6.2")
    assert "Not assessed" in line_of(text, "CC6.3")
    assert "Compliant</span></span> " not in line_of(text, "CC6.3")


def test_last_month_and_the_client_of_the_header_are_shown_first(world: World) -> None:
    found = browser(world, "olivia")
    assert "The installation" in text_of(found.get(CONTROLS))
    found.post("/admin/client/", {"client": "clinic-002"})
    text = text_of(found.get(CONTROLS))
    assert f"SOC 2, Clinic-002, {months.words(months.last_month())}" in text
    assert "SOC 2, Clinic-001, January 2026" in text_of(found.get(CONTROLS + QUERY))


def test_nobody_sees_what_was_found_about_another_client(world: World) -> None:
    assessment(world, note="Seen by few")
    for query in ("", "?client=clinic-002&month=2026-01"):
        assert "Seen by few" not in page(world, "ben", CONTROLS + query)
    page(world, "ben", CONTROLS + QUERY, 404)
    page(world, "ben", CONTROLS + "?client=platform", 404)
    page(world, "ben", control("CC6.1", query=QUERY), 404)
    page(world, "audrey", CONTROLS + "?client=clinic-009", 404)
    text = page(world, "omar", CONTROLS)
    assert "What officers found about each control will be here" in text
    assert "Seen by few" not in page(world, "omar", control("CC6.1"))


def test_a_month_that_is_none_is_last_month(world: World) -> None:
    for month in ("2026-13", "9999-12", "0000-01", "x"):
        text = page(world, "olivia", f"{CONTROLS}?client=clinic-001&month={month}")
        assert months.words(months.last_month()) in text


def test_only_officers_see_assess(world: World) -> None:
    assert "/assess/" in page(world, "olivia", CONTROLS + QUERY)
    for username in ("alice", "audrey"):
        assert "/assess/" not in page(world, username, CONTROLS + QUERY)
        assert "/assess/" not in page(world, username, control("CC6.1", query=QUERY))


def test_the_list_costs_the_same_however_much_was_assessed(
    world: World, django_assert_max_num_queries: Any
) -> None:
    found = browser(world, "olivia")
    for spec in catalogue.controls("SOC2")[:12]:
        assessment(world, control_id=spec.control_id)
    with django_assert_max_num_queries(18):
        assert found.get(CONTROLS + QUERY).status_code == 200


# --- a control ------------------------------------------------------------------------------------


def test_a_control_shows_figures_artefacts_and_everything_that_was_found(
    world: World,
    local_vault: Path,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    in_this_process(monkeypatch)
    kept = artifact(world, title="Accounts of <Okta>")
    assessment(world, state="not_compliant", note="First look")
    assessment(world, by="oscar", note="Second look\nAll seen", evidence=[kept.pk])
    helpers.some_events()
    text = page(world, "audrey", control("CC6.1", query=QUERY))
    for known in ("Accounts of &lt;Okta&gt;", "First look", "Second look", "Oscar Officer",
                  "counts for January 2026", "1 artefact"):  # fmt: skip
        assert known in text, known
    assert text.count("counts for January 2026") == 1
    assert "There is no packet of this period yet" in text
    packet = packing.make(world)
    text = page(world, "audrey", control("CC6.1", query=QUERY))
    assert packet.name in text and "There is no packet" not in text
    facts = catalogue.control("SOC2", "CC6.1").facts
    assert facts and all(name in text for name in facts)


def test_an_unknown_control_is_not_there(world: World) -> None:
    for control_id in ("CC99.9", "..", "CC6.1%00"):
        page(world, "olivia", control(control_id), 404)


# --- assess ---------------------------------------------------------------------------------------


def answers(**changed: Any) -> dict[str, Any]:
    """A filled-in form."""
    given = {"client_id": "clinic-001", "month": "days", "first_day": "2026-01-01",
             "last_day": "2026-01-31", "state": "attention", "note": "Two of them."}  # fmt: skip
    return {**given, **changed}


def test_assess_asks_for_everything_and_records_it(world: World) -> None:
    kept = artifact(world)
    other = artifact(world, control="CC6.2", title="Of another control")
    platform = artifact(world, client=None, title="Policy of the installation")
    found = browser(world, "olivia")
    asked = text_of(found.get(control("CC6.1", "assess", QUERY)))
    for known in ("Assess CC6.1 for Clinic-001", "Not assessed", str(kept.pk), str(platform.pk)):
        assert known in asked, known
    assert other.title not in asked and not ControlAssessment.objects.exists()
    assert '<option value="2026-01" selected>January 2026</option>' in asked
    answer = found.post(
        control("CC6.1", "assess", QUERY),
        answers(month="2026-01", first_day="", last_day="", evidence=[str(kept.pk)]),
    )
    made = ControlAssessment.objects.get()
    assert answer["Location"] == control("CC6.1", "change", QUERY)
    assert (made.state, made.client_id, made.evidence) == (
        "attention", "clinic-001", [str(kept.pk)]
    )  # fmt: skip
    assert (made.period_start, made.period_end) == (JANUARY.start, JANUARY.end)
    text = text_of(found.get(answer["Location"]))
    assert "Assessed CC6.1 as attention for Clinic-001, January 2026." in text


def test_last_month_is_the_period_unless_another_is_chosen(world: World) -> None:
    asked = page(world, "olivia", control("CC6.1", "assess", "?client=clinic-001"))
    last = months.last_month()
    assert f'<option value="{months.text_of(last)}" selected>{months.words(last)}<' in asked


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"note": ""}, "note"),
        ({"state": "fine"}, "state"),
        ({"state": "not assessed"}, "state"),
        ({"last_day": "2025-12-01"}, "last_day"),
        ({"evidence": ["00000000-0000-4000-8000-000000000001"]}, "evidence"),
    ],
    ids=["no note", "no state", "not assessed", "days the wrong way round", "no artefact"],
)
def test_answers_that_can_not_be_accepted_name_the_field(
    world: World, changed: dict[str, Any], field: str
) -> None:
    artifact(world)
    answer = browser(world, "olivia").post(control("CC6.1", "assess", QUERY), answers(**changed))
    assert answer.status_code == 400
    assert f'id="id_{field}_error"' in answer.content.decode()
    assert not ControlAssessment.objects.exists()


def test_what_is_sent_says_for_whom_it_is_whatever_the_address_says(world: World) -> None:
    found = browser(world, "olivia")
    found.post(control("CC6.1", "assess", QUERY), answers(client_id="clinic-002"))
    assert ControlAssessment.objects.get().client_id == "clinic-002"


def test_who_may_not_assess(world: World) -> None:
    for username in ("alice", "audrey", "omar", "root", "nobody"):
        found = browser(world, username)
        assert found.get(control("CC6.1", "assess", QUERY)).status_code == 403
        assert found.post(control("CC6.1", "assess", QUERY), answers()).status_code == 403
    ben = browser(world, "ben")
    assert ben.get(control("CC6.1", "assess", QUERY)).status_code == 404
    query = "?client=clinic-002&month=2026-01"
    refused = ben.post(control("CC6.1", "assess", query), answers())
    assert refused.status_code == 400 and "You can’t assess for this client." in text_of(refused)
    assert not ControlAssessment.objects.exists()
    assert ben.post(control("CC6.1", "assess", query), answers(client_id="clinic-002"))
    assert ControlAssessment.objects.get().client_id == "clinic-002"


def test_assessing_needs_the_token_of_the_page(world: World) -> None:
    found = Browser(enforce_csrf_checks=True)
    found.force_login(world.user("olivia"))
    assert found.post(control("CC6.1", "assess", QUERY), answers()).status_code == 403
    assert not ControlAssessment.objects.exists()


# --- the heat map ---------------------------------------------------------------------------------


def test_the_desk_shows_last_months_controls_of_each_client(world: World) -> None:
    last = months.last_month()
    assessment(world, state="not_compliant", period=last)
    assessment(world, client_id="clinic-002", control_id="CC6.2", period=last)
    text = page(world, "olivia", "/admin/")
    assert f"Controls in {months.words(last)}" in text
    assert 'aria-label="CC6: 1 not compliant, 7 not assessed"' in text
    assert 'aria-label="CC6: 1 compliant, 7 not assessed"' in text
    mine = page(world, "ben", "/admin/")
    assert "1 compliant" in mine and "1 not compliant" not in mine
    assert "Controls in " not in page(world, "omar", "/admin/")


def test_a_square_has_a_mark_beside_its_colour() -> None:
    drawn = heat.squares("CC1", ["compliant", "attention", "not_compliant", "not assessed"])
    marks = re.findall(r'<path d="([^"]+)"', drawn)
    assert len(marks) == len(set(marks)) == 4
    assert "<title>CC1: 1 compliant, 1 attention, 1 not compliant, 1 not assessed</title>" in drawn
