"""The archiver under fire: killed at every step, two at once, and a store that fails it."""

from __future__ import annotations

import gzip
import itertools
import os
import signal
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from audit import failpoints, storage
from audit.models import ArchiverState, AuditEvent, PendingEvent, Segment, SegmentStatus
from audit.services import archiving, cutting, keys, loghead, sealing
from audit.services.archiving import ArchiverBusy
from audit.verify import main as verify
from ops.models import Job
from ops.services import windows
from ops.services.runs import request_run
from ops.worker import Worker
from sealing.errors import StrongroomError
from sealing.keys import signers_document
from tests.factories import World
from tests.faults import processes
from tests.servers.buckets import Bucket
from tests.servers.faulty import FaultyProxy, Kind
from tests.services.audit.helpers import record, seal

STEPS = (
    "cut",
    "signed",
    "segment_written",
    "frontier_written",
    "checkpoint_written",
    "read_back",
    "marked",
    "committed",
)
pytestmark = pytest.mark.xdist_group("faults")


@pytest.fixture(params=["local", "s3"])
def archive(
    request: pytest.FixtureRequest,
    committed_world: World,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> str:
    """An archive on each kind of store; returns its location."""
    monkeypatch.setattr(cutting, "SEGMENT_EVENTS", 20)
    if request.param == "s3":
        request.getfixturevalue("locked_bucket").configure(settings)
    return storage.location()


def objects() -> dict[str, bytes]:
    """Every version of every object, by name; what is there twice shows."""
    store = storage.archive_store()
    found: dict[str, bytes] = {}
    for version in store.versions():
        assert version.name not in found, f"{version.name} was written twice"
        assert not version.is_delete_marker
        found[version.name] = store.read(version.name, version_id=version.version_id)
    return found


def archive_or_die(at: str | None = None) -> Callable[[], object]:
    """Work for a process of its own: archives, and dies at a step without warning."""

    def work() -> None:
        storage._opened.cache_clear()

        def die(name: str) -> None:
            if name == at:
                os.kill(os.getpid(), signal.SIGKILL)

        failpoints.listener = die
        archiving.archive_pending()

    return work


def check(archive: str, tmp_path: Path, *, least: int = 0) -> None:
    """Everything is archived once, in order, with its pointer, and an outsider can verify it."""
    assert not AuditEvent.objects.filter(s3_archived_at__isnull=True, seq__lt=least).exists()
    assert not Segment.objects.filter(status=SegmentStatus.CUT).exists()
    ranges = list(Segment.objects.order_by("first_seq").values_list("first_seq", "last_seq"))
    assert ranges[0][0] == 0
    assert all(one[1] + 1 == two[0] for one, two in itertools.pairwise(ranges))
    found = objects()
    segments = sorted(name for name in found if ".jsonl" in name)
    assert [Path(name).name[:33] for name in segments] == [f"{a:016d}-{b:016d}" for a, b in ranges]
    raw = b"".join(
        gzip.decompress(found[name]) if name.endswith(".gz") else found[name] for name in segments
    )
    assert raw.count(b"\n") == ranges[-1][1] + 1 >= least
    signers = tmp_path / "signers.json"
    signers.write_bytes(signers_document(keys.signers()))
    assert verify([archive, "--signers", str(signers), *options()]) == 0


def options() -> list[str]:
    """How the command line reaches the tests' S3 server."""
    given = storage.s3_options()
    if given.endpoint_url is None:
        return []
    return ["--endpoint-url", given.endpoint_url, "--region", "us-east-1", "--force-path-style"]


@pytest.mark.parametrize("step", STEPS)
def test_killed_at_any_step_the_next_one_goes_on(archive: str, tmp_path: Path, step: str) -> None:
    seal(50)
    size = loghead.current().size
    pid = processes.start(archive_or_die(step))
    assert processes.finished(pid) == -signal.SIGKILL
    before = objects()
    seal(5)
    pid = processes.start(archive_or_die())
    assert processes.finished(pid) == 0
    after = objects()
    assert {name: after[name] for name in before} == before
    check(archive, tmp_path, least=size + 5)


def test_two_archivers_at_once_never_write_a_range_twice(archive: str, tmp_path: Path) -> None:
    for _ in range(4):
        seal(40)

    def work() -> None:
        storage._opened.cache_clear()
        for _ in range(100):
            try:
                archiving.archive_pending(limit=25)
            except ArchiverBusy:
                time.sleep(0.005)
            if archiving.oldest_unarchived() is None:
                return

    size = loghead.current().size
    pids = [processes.start(work) for _ in range(2)]
    assert [processes.finished(pid) for pid in pids] == [0, 0]
    check(archive, tmp_path, least=size)


def test_the_archiver_that_died_leaves_the_lock_to_the_next(archive: str) -> None:
    seal(5)
    pid = processes.start(archive_or_die("segment_written"))
    assert processes.finished(pid) == -signal.SIGKILL
    processes.wait_until(lambda: archived_now() > 0, seconds=10)


def archived_now() -> int:
    """Tries once; PostgreSQL may take a moment to notice that the other connection is gone."""
    try:
        return archiving.archive_pending().segments
    except ArchiverBusy:
        return 0


@pytest.mark.parametrize(
    ("kind", "options_", "fails"),
    [
        (Kind.ANSWER, {"status": 500, "times": 7}, True),
        (Kind.ANSWER, {"status": 503, "times": 7}, True),
        (Kind.ANSWER, {"status": 403, "times": 3}, True),
        (Kind.ANSWER, {"status": 500, "times": 1}, False),
        (Kind.SLOW, {"seconds": 0.5, "times": 3}, False),
        (Kind.RESET_BEFORE, {"times": 5}, True),
        (Kind.RESET_AFTER, {"times": 4}, False),
        (Kind.WITHOUT_CONDITION, {"times": None}, False),
        (Kind.WITHOUT_LOCK, {"times": 2}, True),
        (Kind.CUT_BODY, {"methods": "GET", "times": 9, "containing": ".jsonl"}, True),
        (Kind.OTHER_BYTES, {"methods": "GET", "times": 1, "containing": ".jsonl.gz?"}, True),
    ],
    ids=lambda value: value if isinstance(value, Kind) else None,
)
def test_a_store_that_fails_is_told_and_the_backlog_drains_unaided(
    locked_bucket: Bucket,
    faulty_s3: FaultyProxy,
    committed_world: World,
    settings: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: Kind,
    options_: dict[str, Any],
    fails: bool,
) -> None:
    monkeypatch.setattr(cutting, "SEGMENT_EVENTS", 20)
    settings.AWS_MAX_ATTEMPTS = 2
    locked_bucket.configure(settings, endpoint_url=faulty_s3.endpoint_url)
    seal(15)
    size = loghead.current().size
    faulty_s3.inject(kind, **options_)
    failures = 0
    for _ in range(20):
        try:
            archiving.archive_pending()
            break
        except (StrongroomError, OSError):
            failures += 1
    assert (failures > 0) is fails
    state = ArchiverState.objects.get()
    assert (state.jobs_total, state.failed_total) == (failures + 1, failures)
    assert not state.is_failing
    check(storage.location(), tmp_path, least=size)
    sealing.seal_pending()
    told = list(
        AuditEvent.objects.filter(type__startswith="audit.archiver.")
        .order_by("seq")
        .values_list("type", flat=True)
    )
    assert told == (["audit.archiver.failed", "audit.archiver.recovered"] if failures else [])


def test_the_worker_drains_the_backlog_when_the_store_is_back(
    locked_bucket: Bucket,
    faulty_s3: FaultyProxy,
    committed_world: World,
    settings: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Sealing goes on meanwhile, and the metrics tell of the backlog and of its end."""
    monkeypatch.setattr(archiving, "TAIL_AGE", timedelta())
    settings.AWS_MAX_ATTEMPTS = 1
    locked_bucket.configure(settings, endpoint_url=faulty_s3.endpoint_url)
    faulty_s3.inject(Kind.ANSWER, status=503, times=None, methods="GET HEAD PUT")
    storage._opened.cache_clear()
    worker = processes.start(Worker().run)
    try:
        record(20)
        processes.wait_until(
            lambda: (
                archives_again(committed_world)
                and ArchiverState.objects.filter(is_failing=True).exists()
            )
        )
        record(20)
        processes.wait_until(lambda: not PendingEvent.objects.exists())
        waiting = metric("strongroom_audit_unarchived_events")
        assert waiting >= 40
        assert metric("audit_export_job_failed_total") >= 1
        faulty_s3.heal()
        # What it records of its recovery is archived too, so it ends with everything archived.
        processes.wait_until(
            lambda: (
                archives_again(committed_world)
                and ArchiverState.objects.filter(is_failing=False).exists()
                and not PendingEvent.objects.exists()
                and archiving.oldest_unarchived() is None
            )
        )
    finally:
        assert processes.stop(worker) == 0
    assert metric("strongroom_audit_unarchived_events") == 0
    assert metric("audit_export_jobs_total") > metric("audit_export_job_failed_total")
    check(storage.location(), tmp_path, least=40)


def archives_again(world: World) -> bool:
    """Has the queue archive as soon as it has done so: a minute would be long here."""
    job = Job.objects.get(name="audit_archive")
    if not job.runs.filter(status__in=windows.OPEN).exists():
        request_run(actor=world.actor("alice"), job=job)
    return True


def metric(name: str) -> float:
    """The value of a metric, as Prometheus reads it."""
    body = Client().get("/metrics").content.decode()
    return next(
        sample.value
        for family in text_string_to_metric_families(body)
        for sample in family.samples
        if sample.name == name
    )
