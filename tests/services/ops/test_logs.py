"""Lines of the log: JSON, with the request or the run that they belong to, and ``[JOB: …]``."""

from __future__ import annotations

import io
import json
import logging
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from django.test import Client
from django.utils import timezone

from ops.models import Run
from ops.registry import RunContext
from ops.services import sweeping
from ops.services.execution import execute
from ops.services.holding import Context
from sealing.errors import Invalid
from tests.factories import World
from tests.services.ops.kinds import NAME, add, job_of, kind, run_of

RUN_KEYS = {"run_id", "job_type"}


class Lines:
    """What was logged, as it is written in production."""

    def __init__(self, stream: io.StringIO) -> None:
        self._stream = stream

    def all(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._stream.getvalue().splitlines()]

    def of(self, words: str) -> dict[str, Any]:
        [line] = [line for line in self.all() if words in line["event"]]
        return line


@pytest.fixture
def lines() -> Iterator[Lines]:
    """The formatter of the settings over a stream of the test's own."""
    [configured] = [
        handler
        for handler in logging.getLogger().handlers
        if isinstance(handler.formatter, structlog.stdlib.ProcessorFormatter)
    ]
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(configured.formatter)
    logging.getLogger().addHandler(handler)
    yield Lines(stream)
    logging.getLogger().removeHandler(handler)


def refused(context: RunContext) -> dict[str, Any]:
    logging.getLogger("a.library").error("it went wrong")
    logging.getLogger("a.library").info("it went on")
    raise Invalid("There is no such day.", field="day")


def broken(context: RunContext) -> dict[str, Any]:
    raise ZeroDivisionError("nobody foresaw this")


def test_what_a_failed_run_says_names_the_job(
    committed_world: World, monkeypatch: pytest.MonkeyPatch, lines: Lines
) -> None:
    add(monkeypatch, kind(refused))
    run = run_of(job_of(committed_world))
    execute(run.pk)
    line = lines.of("a run failed")
    assert line["event"] == f"[JOB: {NAME}] a run failed"
    assert (line["level"], line["reason"]) == ("error", "There is no such day.")
    assert (line["run_id"], line["job_type"]) == (str(run.pk), NAME)
    assert line["timestamp"].endswith("Z")


def test_what_libraries_say_within_a_run_names_it_too(
    committed_world: World, monkeypatch: pytest.MonkeyPatch, lines: Lines
) -> None:
    add(monkeypatch, kind(refused))
    run = run_of(job_of(committed_world))
    execute(run.pk)
    line = lines.of("it went wrong")
    assert line["event"] == f"[JOB: {NAME}] it went wrong"
    assert (line["run_id"], line["logger"]) == (str(run.pk), "a.library")
    # What is no error keeps its words, and the run's keys.
    assert lines.of("it went on")["event"] == "it went on"
    assert lines.of("it went on")["run_id"] == str(run.pk)


def test_a_mistake_in_a_job_is_logged_with_its_traceback(
    committed_world: World, monkeypatch: pytest.MonkeyPatch, lines: Lines
) -> None:
    add(monkeypatch, kind(broken))
    execute(run_of(job_of(committed_world)).pk)
    line = lines.of("nobody foresaw")
    assert line["event"].startswith(f"[JOB: {NAME}] ")
    assert "ZeroDivisionError: nobody foresaw this" in line["exception"]


def test_the_thread_that_renews_the_lease_belongs_to_the_run(
    committed_world: World, monkeypatch: pytest.MonkeyPatch, lines: Lines
) -> None:
    said = logging.getLogger("the.lease")

    def work(context: RunContext) -> dict[str, Any]:
        assert isinstance(context, Context)
        context.progress(1)
        for _ in range(100):
            if any("asked" in line["event"] for line in lines.all()):
                return {}
            never.wait(0.05)
        return {}

    never = threading.Event()
    take_news = Context.take_news

    def noisy(self: Context) -> Any:
        said.warning("asked for news")
        return take_news(self)

    monkeypatch.setattr(Context, "take_news", noisy)
    add(monkeypatch, kind(work))
    run = run_of(job_of(committed_world))
    execute(run.pk)
    asked = [line for line in lines.all() if "asked for news" in line["event"]]
    assert {line["run_id"] for line in asked} == {str(run.pk)}


def test_a_run_that_was_lost_is_told_by_its_job(
    world: World, monkeypatch: pytest.MonkeyPatch, lines: Lines
) -> None:
    add(monkeypatch)
    run = run_of(job_of(world))
    now = timezone.now()
    Run.objects.filter(pk=run.pk).update(
        status="RUNNING", attempts=3, lease=run.pk, lease_expires_at=now, started_at=now
    )
    sweeping.sweep()
    line = lines.of("lost for good")
    assert line["event"] == f"[JOB: {NAME}] a run was lost for good"
    assert {*line} >= RUN_KEYS


def test_what_is_said_within_a_request_has_its_id(
    world: World, monkeypatch: pytest.MonkeyPatch, lines: Lines
) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("audit.standing.archiver_state", fail)
    client = Client(raise_request_exception=False)
    response = client.get("/metrics", headers={"X-Request-Id": "from-the-proxy-7"})
    assert response.status_code == 500
    line = lines.of("Internal Server Error")
    assert line["request_id"] == "from-the-proxy-7" == response["X-Request-Id"]
    assert line["event"].startswith("Internal Server Error")
    assert not RUN_KEYS & {*line}
