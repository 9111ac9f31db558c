"""A month ends while the worker runs, and the packets of that month are made by the schedule."""

from __future__ import annotations

import json
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from reports.metrics import JOB_TYPE
from tests.e2e.installation import end, start
from tests.faults.workers import wait_for
from tests.servers.faked_time import FakedTime, faked_time, run

pytestmark = pytest.mark.real

# Of a leap year, in which nobody runs this by chance.
BEFORE = datetime(2028, 2, 29, 23, 30, tzinfo=UTC)
SHORTLY = datetime(2028, 3, 1, 2, 59, 50, tzinfo=UTC)
LATER = datetime(2028, 3, 1, 3, 10, tzinfo=UTC)
PASSWORD = "correct horse battery staple 7"
RUNS = "SELECT status, intended_at, error_message FROM ops_run WHERE job_type = %s"
PACKETS = (
    "SELECT name, status, period_start, period_end, json_sha256 FROM reports_packet ORDER BY name"
)


def test_the_month_before_has_its_packet_soon_after_three(tmp_path: Path) -> None:
    with faked_time(tmp_path, BEFORE) as faked:
        _install(faked, tmp_path)
        command = [sys.executable, "manage.py", "worker"]
        worker = start(tmp_path, "worker", command, faked.environment)
        said = tmp_path / "worker.log"
        try:
            # What was done in February is sealed in February, and the job waits for its window.
            wait_for(lambda: faked.rows("SELECT size > 0 FROM audit_loghead") == [(True,)],
                     what=said.read_text)  # fmt: skip
            wait_for(lambda: bool(_job(faked)), what=said.read_text)
            assert faked.rows(RUNS, JOB_TYPE) == []
            faked.set(SHORTLY)
            wait_for(lambda: bool(faked.rows(RUNS, JOB_TYPE)), 120, what=said.read_text)
            wait_for(lambda: _ended(faked), 180, what=said.read_text)
            [(status, window, reason)] = faked.rows(RUNS, JOB_TYPE)
            assert status == "SUCCESS", reason
            assert window == datetime(2028, 3, 1, 3, tzinfo=UTC)
            made = faked.rows(PACKETS)
            _check(made, tmp_path)

            # It is looked at again, and nothing is made twice.
            faked.set(LATER)
            faked.manage("sync_schedules")
            faked.manage("run_job", JOB_TYPE)
            assert faked.rows(PACKETS) == made
            worker.send_signal(signal.SIGTERM)
            worker.wait(timeout=60)
        finally:
            end(worker)


def _install(faked: FakedTime, folder: Path) -> None:
    faked.manage("migrate", "--database", "owner", "--verbosity", "0")
    password = folder / "password"
    password.write_text(PASSWORD)
    password.chmod(0o600)
    people = [
        part
        for role, name in (("admin", "alice"), ("officer", "olivia"))
        for part in (f"--{role}", name, f"--{role}-password-file", str(password))
    ]
    faked.manage("bootstrap", *people)
    said = run(faked.environment, "-c", "import time; print(time.gmtime()[:3])")
    assert said.strip() == "(2028, 2, 29)"
    assert faked.rows("SELECT clock_timestamp()::date::text") == [("2028-02-29",)]


def _job(faked: FakedTime) -> list[tuple[Any, ...]]:
    return faked.rows("SELECT 1 FROM ops_job WHERE name = %s", JOB_TYPE)


def _ended(faked: FakedTime) -> bool:
    return all(status in ("SUCCESS", "FAILED") for status, *_ in faked.rows(RUNS, JOB_TYPE))


def _check(made: list[tuple[Any, ...]], folder: Path) -> None:
    [(name, status, start_of, end_of, digest)] = made
    assert (status, digest[:7]) == ("complete", "sha256:")
    assert (start_of, end_of) == (
        datetime(2028, 2, 1, tzinfo=UTC),
        datetime(2028, 3, 1, tzinfo=UTC),
    )
    below = [path for path in (folder / "vault").rglob("*") if path.is_file()]
    kept = sorted(path.name for path in below if path.parent.name == name)
    assert kept == [f"{name}.json", f"{name}.json.sig", f"{name}.pdf", f"{name}.pdf.sig"]
    [document] = [path for path in below if path.name == f"{name}.json"]
    told = json.loads(document.read_bytes())
    assert told["auditPeriod"] == {
        "startDate": "2028-02-01T00:00:00.000000Z",
        "endDate": "2028-03-01T00:00:00.000000Z",
    }
    assert told["generatedAt"] >= "2028-03-01T03:00:00"
    assert told["log"]["treeSize"] > 0
