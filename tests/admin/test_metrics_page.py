"""Metrics at a glance: true numbers in words, bars and tables, for those who see every client."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audit.models import Segment
from audit.services.archive_verification import verify_archived
from ops.admin import glance, glance_charts
from ops.admin.bars import Chart, Series, bars, scale_of, shown
from ops.models import Run
from reports.admin import glance as packet_charts
from tests.admin.test_audit_admin import signed_in, text
from tests.factories import World
from tests.services.audit.helpers import seal
from tests.services.audit.trails import ACTOR, archive
from tests.services.ops.approving import Acts, ask
from tests.services.ops.kinds import add, job_of, run_of

PAGE = "/admin/ops/runtally/"
CHARTS = ("Packets made", "Runs per day", "Wait for the archive", "Age of the last verification",
          "Approvals that wait")  # fmt: skip


def sample(*values: float | None) -> Chart:
    return Chart(
        title="<b>Sample</b>",
        text="What it says.",
        unit="things",
        heading="Day",
        places=[f"{day} Jan" for day in range(1, len(values) + 1)],
        series=(Series("good & well", "success", values),),
        source="A test.",
    )


def test_each_chart_is_told_in_words_and_has_its_table(world: World) -> None:
    page = text(signed_in(world).get(PAGE))
    headings = re.findall(r"<h2 id=\"[a-z]+-title\">(.*?)</h2>", page)
    assert headings == list(CHARTS)
    assert page.count('<svg class="chart" role="img"') == len(CHARTS)
    assert page.count("<details") >= len(CHARTS)
    for title in CHARTS:
        assert re.search(rf'aria-label="{title}\. [^"]+\."><title>{title}\. ', page)
        assert f'As a table<span class="visually-hidden">: {title}</span>' in page
    assert "style=" not in page.partition("<main")[2]
    assert "Metrics" in page.partition("<main")[0]


def test_runs_are_counted_by_day_and_outcome(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    add(monkeypatch)
    job, now = job_of(world), timezone.now()
    before = glance_charts.runs()
    for days, status in ((0, "SUCCESS"), (0, "FAILED"), (3, "SUCCESS"), (40, "FAILED")):
        moment = now - timedelta(days=days)
        run_of(
            job,
            status=status,
            created_at=moment,
            finished_at=moment,
            error_message="No." if status == "FAILED" else "",
        )
    run_of(job)
    after = glance_charts.runs()
    grown = [
        [new - old for new, old in zip(later.values, former.values, strict=True)]
        for later, former in zip(after.series, before.series, strict=True)
    ]
    assert grown == [[0] * 13 + [1], [0] * 10 + [1, 0, 0, 1]]
    assert len(after.places) == glance_charts.DAYS
    assert Run.objects.count() >= 5


def test_the_wait_for_the_archive_and_the_verifications(committed_world: World) -> None:
    assert glance_charts.archive().text.startswith("Nothing was archived within 14 days")
    assert (
        glance_charts.verifications().text == "Database: never verified. Archive: never verified."
    )
    seal(4)
    archive()
    segment = Segment.objects.latest("first_seq")
    waited = (segment.archived_at - segment.newest_event_at).total_seconds() / 60
    chart = glance_charts.archive()
    assert chart.series[0].values[-1] == pytest.approx(waited, abs=0.01)
    verify_archived(actor=ACTOR, storage="local", archived=False)
    valid, wrong = glance_charts.verifications().series
    assert valid.values[0] is None and valid.values[1] == pytest.approx(0, abs=0.1)
    assert list(wrong.values) == [None, None]


def test_an_invalid_verification_is_told(committed_world: World, settings: Any) -> None:
    seal(4)
    archive()
    for file in settings.AUDIT_STORAGE_PATH.rglob("*.jsonl"):
        file.chmod(0o640)
        file.write_bytes(b"{}\n")
    verify_archived(actor=ACTOR, storage="local", archived=False)
    chart = glance_charts.verifications()
    assert "Archive: not valid, 0.0 hours ago." in chart.text
    assert chart.series[0].values[1] is None
    assert chart.series[1].values[1] is not None


def test_approvals_by_how_long_they_wait(
    committed_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    Acts.registered(monkeypatch)
    ask(committed_world)
    chart = glance_charts.approvals()
    assert list(chart.series[0].values) == [1, 0, 0, 0]
    assert chart.text == "1 wait for a decision."


def test_packets_of_a_year(world: World) -> None:
    chart = packet_charts.packets()
    assert len(chart.places) == 12
    assert chart.places[-1] == f"{timezone.now():%b %y}"
    assert [sum(value or 0 for value in series.values) for series in chart.series] == [0, 0]


def test_the_page_asks_a_bounded_number_of_small_questions(world: World) -> None:
    client = signed_in(world)
    with CaptureQueriesContext(connection) as asked:
        client.get(PAGE)
    assert len(asked) <= 25, [query["sql"] for query in asked.captured_queries]


@pytest.mark.parametrize(("who", "status"), [("alice", 200), ("audrey", 403), ("omar", 403)])
def test_the_page_is_for_those_who_see_every_client(world: World, who: str, status: int) -> None:
    assert signed_in(world, who).get(PAGE).status_code == status


def test_there_is_no_page_of_a_single_tally(world: World) -> None:
    assert signed_in(world).get(f"{PAGE}1/change/").status_code == 404


def test_nobody_looks_without_signing_in(world: World) -> None:
    assert Client().get(PAGE).status_code == 302


# --- the images ------------------------------------------------------------------------------


def test_bars_are_as_high_as_their_values() -> None:
    image = bars(sample(0, 5, 10, None))
    heights = re.findall(r'<rect class="success"[^>]* height="([0-9.]+)"', image)
    assert [float(height) for height in heights] == [70.0, 140.0]
    assert "4 Jan: good &amp; well —" in image
    assert "&lt;b&gt;Sample&lt;/b&gt;. What it says." in image
    assert "<b>" not in image


def test_what_is_small_can_still_be_seen() -> None:
    heights = re.findall(r' height="([0-9.]+)"/>', bars(sample(1, 10_000)))
    assert heights[0] == "1.5"


def test_few_labels_and_the_newest_always() -> None:
    labels = re.findall(r'class="place"[^>]*>([^<]+)<', bars(sample(*range(31))))
    assert len(labels) <= 7
    assert labels[-1] == "31 Jan"


def test_nothing_to_draw_is_an_image_too() -> None:
    assert "<rect" not in bars(sample(None, None))
    assert 'role="img"' in bars(sample())


@pytest.mark.parametrize(
    ("largest", "scale"), [(0, 1), (1, 1), (1.1, 2), (3, 5), (9, 10), (10, 10), (101, 200)]
)
def test_scales_are_round(largest: float, scale: float) -> None:
    assert scale_of(largest) == scale


@pytest.mark.parametrize(
    ("value", "word"), [(None, "—"), (0, "0"), (1234, "1,234"), (0.25, "0.2"), (123.4, "123")]
)
def test_numbers_are_written_as_people_do(value: float | None, word: str) -> None:
    assert shown(value) == word


def test_charts_can_only_be_added_at_start_up() -> None:
    with pytest.raises(RuntimeError):
        glance.register(glance.Glance("late", 1, lambda: sample(1)))
