"""Registering a job on the desk: asked for in words, done by one or asked of another."""

from __future__ import annotations

import pytest

from ops.models import Approval, Job
from tests.admin import jobs
from tests.admin.test_jobs_admin import LIST, browser, page, text_of
from tests.factories import World

pytestmark = pytest.mark.django_db

FORM = {
    "name": "Quarterly",
    "schedule_cron": "0 4 1 1,4,7,10 *",
    "description": "For the auditor",
    "enabled": "on",
    "client_id": "clinic-001",
    "period": "previous_quarter",
    "event_types": "access.denied\r\nevidence.package.exported\r\n",
    "package_prefix": "quarter",
    "sign_bundle": "on",
    "required_countersignatures": "2",
    "retention_policy": "regulatory_7y",
    "vault_mode": "none",
    "note": "Regular",
}


def test_the_form_asks_in_words(world: World) -> None:
    text = page(world, "alice", f"{LIST}new/")
    for known in ("The quarter before", "On day 1 of every month at 03:00 UTC", "Schedule",
                  "Countersignatures needed", "Register the job"):  # fmt: skip
        assert known in text, known
    assert "payload" not in text.lower().split("<main", 1)[1]


def test_register(world: World) -> None:
    response = browser(world, "alice").post(f"{LIST}new/", FORM, follow=True)
    assert "Registered Quarterly." in text_of(response), text_of(response)
    job = Job.objects.get(name="Quarterly")
    assert (job.owner, job.client_id, job.is_enabled) == (
        world.user("alice"), "clinic-001", True)  # fmt: skip
    told = {
        "client_id": "clinic-001",
        "period": "previous_quarter",
        "event_types": ["access.denied", "evidence.package.exported"],
        "package_prefix": "quarter",
        "sign_bundle": True,
        "required_countersignatures": 2,
        "retention_policy": "regulatory_7y",
        "vault_mode": "none",
        "note": "Regular",
    }
    assert told.items() <= job.payload.items()


def test_the_administrator_of_one_client_registers_at_once(world: World) -> None:
    jobs.of_one_client(world, "nobody")
    text = page(world, "nobody", f"{LIST}new/")
    assert "Register the job" in text
    assert "another person has to approve" not in text
    response = browser(world, "nobody").post(f"{LIST}new/", FORM, follow=True)
    assert "Registered Quarterly." in text_of(response), text_of(response)
    assert Job.objects.get(name="Quarterly").owner == world.user("nobody")


def test_register_with_days_of_its_own(world: World) -> None:
    days = {"period": "fixed", "first_day": "2026-01-01", "last_day": "2026-01-31"}
    browser(world, "alice").post(f"{LIST}new/", FORM | days)
    payload = Job.objects.get(name="Quarterly").payload
    assert payload["period"] is None
    assert payload["period_start"] == "2026-01-01T00:00:00.000000Z"
    assert payload["period_end"] == "2026-02-01T00:00:00.000000Z"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": ""}, "This field is required."),
        ({"name": "/etc"}, "letters, digits"),
        ({"schedule_cron": "every night"}, "Five fields are expected"),
        ({"schedule_cron": "0 0 31 2 *"}, "is no schedule"),
        ({"client_id": "clinic-999"}, "Select a valid choice"),
        ({"period": "fixed"}, "Which day?"),
        ({"first_day": "2026-01-01"}, "Choose “These days” as well."),
        ({"package_prefix": "../x"}, "package_prefix"),
        ({"required_countersignatures": "99"}, "less than or equal to 8"),
        ({"event_types": "not a type!"}, "No type of event is called"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_register_with_an_answer_that_does_not_fit(
    world: World, changes: dict[str, str], words: str
) -> None:
    response = browser(world, "alice").post(f"{LIST}new/", FORM | changes)
    assert response.status_code == 400
    assert words in text_of(response)
    assert not Job.objects.filter(owner__isnull=False).exists()


def test_register_a_name_that_is_taken(world: World) -> None:
    job = jobs.job(world)
    response = browser(world, "alice").post(f"{LIST}new/", FORM | {"name": job.name})
    assert response.status_code == 409
    assert "There is a job Monthly export already." in text_of(response)


def test_an_officer_asks_for_a_job(world: World) -> None:
    text = page(world, "olivia", f"{LIST}new/")
    assert "Ask for a job to be registered" in text
    given = FORM | {"reason": "Contract of 2026"}
    response = browser(world, "olivia").post(f"{LIST}new/", given)
    assert response.status_code == 302, text_of(response)
    asked = Approval.objects.get()
    assert (asked.action, asked.params["name"]) == ("job.register", "Quarterly")
    assert not Job.objects.filter(name="Quarterly").exists()
    assert browser(world, "audrey").get(f"{LIST}new/").status_code == 403


def test_there_is_no_other_type(world: World) -> None:
    assert browser(world, "alice").get(f"{LIST}new/?type=audit_archive").status_code == 404
