"""`python -m audit.jobs`: the scheduled verification as cron runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.db import connections

from audit import jobs
from audit.models import Segment, VerificationRun
from tests.databases import CommittedDatabase
from tests.factories import World
from tests.services.audit.helpers import seal
from tests.services.audit.trails import archive

ROOT = Path(__file__).resolve().parents[2]


def run_it(
    settings: Any, database_url: str, *arguments: str, **changes: str
) -> subprocess.CompletedProcess[str]:
    connections.close_all()
    environment = {
        **os.environ,
        "DATABASE_URL": database_url,
        "AUDIT_STORAGE_PATH": str(settings.AUDIT_STORAGE_PATH),
        "AUDIT_SIGNER_STATE": str(settings.AUDIT_SIGNER_STATE),
        "EVIDENCE_PACKAGE_DIR": str(settings.EVIDENCE_PACKAGE_DIR),
        **changes,
    }
    del environment["DJANGO_SETTINGS_MODULE"]
    return subprocess.run(
        [sys.executable, "-m", "audit.jobs", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def url(committed_world: World, committed_db: CommittedDatabase) -> str:
    """The address of a database with a log that is archived."""
    seal(5)
    archive()
    return committed_db.app_url


def test_it_sets_itself_up_and_says_what_it_found(url: str, settings: Any) -> None:
    done = run_it(settings, url)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("Days ")
    assert [line.split()[0] for line in lines[1::2]] == ["VALID", "VALID", "In"]
    assert all("archived as verifications/" in line for line in lines[2::2])
    for run in VerificationRun.objects.all():
        assert (settings.AUDIT_STORAGE_PATH / run.archived_as).is_file()


def test_a_failure_is_descriptive(url: str, settings: Any) -> None:
    segment = Segment.objects.get()
    file = settings.AUDIT_STORAGE_PATH / segment.object_name
    file.chmod(0o640)
    file.write_bytes(file.read_bytes().replace(b"success", b"failure", 1))
    done = run_it(settings, url)
    assert done.returncode == 1
    assert f"The first bad event is 0, in {segment.object_name}" in done.stderr
    assert done.stderr.rstrip().endswith(
        "Not in order: daily verification of the look-back window."
    )


def test_an_archive_that_is_not_there_could_not_be_checked(url: str, settings: Any) -> None:
    done = run_it(settings, url, AUDIT_STORAGE_PATH=str(settings.DATA_DIR / "elsewhere"))
    assert done.returncode == 3
    assert "Could not check" in done.stderr


def test_a_database_that_does_not_answer(url: str, settings: Any, tmp_path: Path) -> None:
    done = run_it(settings, f"postgresql://nobody@/none?host={tmp_path}")
    assert done.returncode == 3
    assert done.stderr.strip().splitlines()[-1].startswith("Could not check: the database")
    assert "Traceback" not in done.stderr


def test_a_wrong_option_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        jobs.main(["--days", "3"])
    assert ended.value.code == 2
    assert "--days" in capsys.readouterr().err
