"""The desk's card "did the jobs run": what it says, and where it leads."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from ops.models import Job
from ops.services import jobs as services
from tests.admin import jobs
from tests.admin.test_jobs_admin import RUNS, page
from tests.factories import World

pytestmark = pytest.mark.django_db


def card(world: World, username: str = "alice") -> str:
    text = page(world, username, "/admin/")
    assert "Did the jobs run" in text
    return text.split("Did the jobs run")[1].split("</a>")[0]


@pytest.fixture
def alone(world: World) -> Job:
    """One job and no other, with its windows looked at until now."""
    Job.objects.update(is_enabled=False)
    found = jobs.job(world)
    Job.objects.update(windows_through=timezone.now())
    return found


def test_the_card_when_nothing_was_due(world: World, alone: Job) -> None:
    assert "None was due" in card(world)


def test_the_card_when_all_ran(world: World, alone: Job) -> None:
    jobs.run(alone)
    jobs.run(alone, "RUNNING")
    text = card(world)
    assert "All ran" in text
    assert "1 of 2 runs succeeded in the last 24 hours. 1 is not at an end yet." in text


def test_the_card_when_one_failed(world: World, alone: Job) -> None:
    jobs.run(alone, "FAILED")
    jobs.run(alone)
    text = page(world, "alice", "/admin/")
    assert "1 failed" in card(world)
    assert f"{RUNS}?state=FAILED&amp;period=day" in text


def test_the_card_when_one_was_missed(world: World, alone: Job) -> None:
    Job.objects.update(
        schedule_cron="0 * * * *", windows_through=timezone.now() - timedelta(hours=3)
    )
    text = card(world)
    assert "1 missed" in text
    assert "is a worker running?" in text


def test_the_card_is_about_the_viewer_s_clients(world: World, alone: Job) -> None:
    jobs.run(alone, "FAILED")
    assert "None was due" in card(world, "ben")
    assert services.visible_jobs(world.user("ben")).count() == 0
