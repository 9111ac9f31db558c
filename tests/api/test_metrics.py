"""`/metrics`: read by Prometheus's own parser, true from the database, for the right callers."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client
from django.utils import timezone
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from audit.models import ArchiverState, LogHead, RelayState
from audit.services import loghead, sealing, switches
from audit.services.archive_verification import verify_archived
from audit.services.verification import verify_database
from ops.metrics import sources
from tests.factories import World
from tests.services.audit.helpers import force, record, seal
from tests.services.audit.trails import ACTOR, archive

METRICS = "/metrics"
OURS = {
    "strongroom_audit_head_seq",
    "strongroom_audit_unsealed_events",
    "strongroom_audit_oldest_unsealed_seconds",
    "strongroom_audit_set_aside_events",
    "strongroom_audit_unarchived_events",
    "strongroom_audit_oldest_unarchived_seconds",
    "strongroom_audit_last_verified_seq",
    "strongroom_audit_last_verification_timestamp_seconds",
    "strongroom_audit_last_verification_valid",
    "strongroom_audit_object_lock_mismatches",
    "strongroom_audit_archiver_paused",
    "strongroom_audit_retention_sweep_paused",
    "strongroom_audit_archiver_failing",
    "strongroom_audit_archiver_last_success_timestamp_seconds",
    "strongroom_audit_timestamps_failing",
    "strongroom_audit_relay_behind_events",
    "strongroom_audit_relay_failing",
    "strongroom_audit_duty_overdue",
    "audit_export_jobs_total",
    "audit_export_job_failed_total",
    "strongroom_clock_skew_seconds",
    "strongroom_job_runs_total",
    "strongroom_job_last_failure_timestamp_seconds",
    "strongroom_job_last_success_timestamp_seconds",
    "strongroom_runs_open",
    "strongroom_oldest_queued_run_seconds",
    "strongroom_schedule_missed",
    "strongroom_approvals_pending",
    "strongroom_oldest_pending_approval_seconds",
    "strongroom_package_size_bytes",
    "intelgraph_soc2_job_runs_total",
    "intelgraph_soc2_job_duration_seconds_bucket",
    "intelgraph_soc2_job_duration_seconds_count",
    "intelgraph_soc2_job_duration_seconds_sum",
    "intelgraph_soc2_packet_size_bytes",
}


def scrape(**headers: str) -> dict[str, Any]:
    """Every sample by name and the values of its labels."""
    response = Client().get(METRICS, headers=headers)
    assert response.status_code == 200, response.content
    assert response["Content-Type"].startswith("text/plain; version=")
    found: dict[str, Any] = {}
    for family in text_string_to_metric_families(response.content.decode()):
        for sample in family.samples:
            found["/".join([sample.name, *sample.labels.values()])] = sample.value
    return found


def ours(found: dict[str, Any]) -> set[str]:
    names = {key.partition("/")[0] for key in found}
    return {name for name in names if name.startswith(("strongroom_", "audit_", "intelgraph_"))}


def test_everything_is_there_from_the_beginning(world: World) -> None:
    assert Client().get("/healthz").status_code == 200
    found = scrape()
    assert ours(found) == OURS
    assert found["audit_export_jobs_total"] == 0
    assert found["audit_export_job_failed_total"] == 0
    for copy in ("database", "archive"):
        assert found[f"strongroom_audit_last_verified_seq/{copy}"] == -1
        assert found[f"strongroom_audit_last_verification_timestamp_seconds/{copy}"] == 0
        assert found[f"strongroom_audit_last_verification_valid/{copy}"] == 0
    assert found["strongroom_audit_relay_behind_events/strongroom.audit"] == 0
    assert found["strongroom_audit_duty_overdue/restore_drill"] == 0
    assert found["django_http_responses_total_by_status_total/200"] >= 1
    assert "process_resident_memory_bytes" in found


def test_an_empty_log(committed_db: None) -> None:
    found = scrape()
    assert found["strongroom_audit_head_seq"] == -1
    assert found["strongroom_audit_unarchived_events"] == 0
    assert not LogHead.objects.exists()


def test_numbers_are_those_of_the_database(committed_world: World) -> None:
    seal(4)
    through = archive().through_seq
    verify_archived(actor=ACTOR, storage="local", archived=False)
    done = verify_database(actor=ACTOR)
    sealing.seal_pending()
    record(3)
    force("poison")
    found, size = scrape(), loghead.current().size
    assert found["strongroom_audit_head_seq"] == size - 1
    assert found["strongroom_audit_unsealed_events"] == 4
    assert found["strongroom_audit_unarchived_events"] == size - 1 - through
    assert 0 < found["strongroom_audit_oldest_unarchived_seconds"] < 60
    assert found["strongroom_audit_last_verified_seq/archive"] == through
    assert found["strongroom_audit_last_verified_seq/database"] == done.run.end_seq - 1
    ended = found["strongroom_audit_last_verification_timestamp_seconds/database"]
    assert ended == pytest.approx(done.run.finished_at.timestamp())
    assert found["strongroom_audit_last_verification_valid/database"] == 1
    assert found["audit_export_jobs_total"] == 1
    sealing.seal_pending()
    assert scrape()["strongroom_audit_set_aside_events"] == 1


def test_an_invalid_verification_shows(committed_world: World, settings: Any) -> None:
    seal(4)
    through = archive().through_seq
    verify_archived(actor=ACTOR, storage="local", archived=False)
    for file in settings.AUDIT_STORAGE_PATH.rglob("*.jsonl"):
        file.chmod(0o640)
        file.write_bytes(b"{}\n")
    verify_archived(actor=ACTOR, storage="local", archived=False)
    found = scrape()
    assert found["strongroom_audit_last_verification_valid/archive"] == 0
    assert found["strongroom_audit_last_verified_seq/archive"] == through


def test_failures_and_pauses_show(world: World, settings: Any) -> None:
    switches.tell_success(actor=ACTOR)
    switches.tell_failure(actor=ACTOR, code="x", message="No.")
    switches.pause(actor=world.actor("alice"), what="archiver", reason="Case 7")
    switches.pause(actor=world.actor("alice"), what="retention_sweep", reason="Case 7")
    ArchiverState.objects.update(lock_mismatches=5, stamp_failing_since=timezone.now())
    settings.KAFKA_BOOTSTRAP_SERVERS = "broker:9092"
    for topic in ("old", settings.KAFKA_TOPIC):
        RelayState.objects.create(topic=topic, next_seq=0, head=bytes(32), is_failing=True)
    found = scrape()
    assert found["audit_export_jobs_total"] == 2
    assert found["audit_export_job_failed_total"] == 1
    for name, value in (
        ("archiver_paused", 1),
        ("retention_sweep_paused", 1),
        ("archiver_failing", 1),
        ("object_lock_mismatches", 5),
        ("timestamps_failing", 1),
        ("relay_failing/strongroom.audit", 1),
    ):
        assert found[f"strongroom_audit_{name}"] == value, name
    assert "strongroom_audit_relay_failing/old" not in found


def test_a_stream_that_was_switched_off_is_not_behind(world: World, settings: Any) -> None:
    seal(3)
    for topic in ("old", settings.KAFKA_TOPIC):
        RelayState.objects.create(topic=topic, next_seq=0, head=bytes(32), is_failing=True)
    found = scrape()
    told = {key: value for key, value in found.items() if "_audit_relay_" in key}
    assert told == {
        "strongroom_audit_relay_behind_events/strongroom.audit": 0,
        "strongroom_audit_relay_failing/strongroom.audit": 0,
    }


def test_a_log_that_does_not_hold_together_is_still_measured(world: World) -> None:
    seal(3)
    LogHead.objects.update(frontier=b"")
    assert scrape()["strongroom_audit_head_seq"] >= 2


def test_registering_asks_the_database_nothing() -> None:
    """pytest-django refuses queries here, since the test asks for no database."""
    registry = CollectorRegistry()
    described = set()
    for source in sources.all_sources():
        registry.register(source)
        described |= {metric.name for metric in source.describe()}
    endings = re.compile(r"_(total|bucket|count|sum)$")
    assert {endings.sub("", name) for name in OURS} == described


# --- who may ask -----------------------------------------------------------------------------


def status_of(**extra: Any) -> int:
    return Client().get(METRICS, **extra).status_code


def test_this_host_may_and_others_may_not(world: World) -> None:
    assert status_of() == 200
    assert status_of(REMOTE_ADDR="::1") == 200
    assert status_of(REMOTE_ADDR="10.0.0.7") == 403
    assert status_of(REMOTE_ADDR="") == 403


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "Via"])
def test_whoever_came_through_a_proxy_is_not_on_this_host(world: World, header: str) -> None:
    assert status_of(headers={header: "127.0.0.1"}) == 403


def test_a_proxy_that_is_trusted_says_who_it_was(world: World, settings: Any) -> None:
    settings.TRUST_PROXY_HEADERS = True
    assert status_of(headers={"X-Forwarded-For": "10.0.0.7"}) == 403
    assert status_of(headers={"X-Forwarded-For": "127.0.0.1"}) == 200


def test_a_token_opens_from_everywhere(world: World, settings: Any) -> None:
    settings.METRICS_TOKEN = "a token for Prometheus"
    right = {"Authorization": "Bearer a token for Prometheus"}
    assert status_of(REMOTE_ADDR="10.0.0.7", headers=right) == 200
    assert status_of() == 200


@pytest.mark.parametrize(
    "given", ["Bearer wrong", "Bearer ", "Basic YTpi", "a token for Prometheus", "Bearer ä"]
)
@pytest.mark.parametrize("address", ["10.0.0.7", "127.0.0.1"])
def test_a_wrong_token_opens_nowhere(world: World, settings: Any, given: str, address: str) -> None:
    settings.METRICS_TOKEN = "a token for Prometheus"
    response = Client().get(METRICS, REMOTE_ADDR=address, headers={"Authorization": given})
    assert response.status_code == 401
    assert response["WWW-Authenticate"].startswith("Bearer")
    assert b"strongroom_" not in response.content


def test_without_a_token_in_the_settings_no_token_opens(world: World) -> None:
    assert status_of(REMOTE_ADDR="10.0.0.7", headers={"Authorization": "Bearer "}) == 403


def test_nothing_is_posted(world: World) -> None:
    assert Client().post(METRICS).status_code == 405


def test_a_database_that_does_not_answer_is_no_measurement(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise OperationalError

    monkeypatch.setattr("audit.standing.archiver_state", fail)
    assert status_of() == 503


def test_several_processes_are_summed(tmp_path: Path) -> None:
    """Each process counts requests in files of its own; whichever is asked answers for all."""
    script = (
        "import os, django; django.setup()\n"
        "from django.test import Client\n"
        "from prometheus_client import generate_latest\n"
        "from ops.metrics import door\n"
        "for _ in range(2): Client().get('/healthz')\n"
        "print(generate_latest(door._others()).decode())\n"
    )
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", script],
            cwd=Path(__file__).resolve().parents[2],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
    counted = {
        sample.name: sample.value
        for family in text_string_to_metric_families(done.stdout)
        for sample in family.samples
        if not sample.labels
    }
    assert counted["django_http_requests_before_middlewares_total"] == 4
