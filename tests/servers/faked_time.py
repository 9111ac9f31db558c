"""An installation at another time: its processes and its PostgreSQL believe in libfaketime's clock.

The log is not sealed where the clocks of host and database differ, so both are faked, by the same
offset from a file that every process looks at again after a second: the time can be moved on while
they run.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

from config.development import cluster_folder, urls_for
from tests.tools import require_tool

PROJECT = Path(__file__).resolve().parents[2]
# How long a process may go on with the offset that it read before.
SETTLED_SECONDS = 2.5
_START = """
import sys
from pathlib import Path
from config.development import ensure_database
ensure_database(Path(sys.argv[1]), "strongroom")
"""
# Python sleeps until a moment of the monotonic clock, which libfaketime's clock_nanosleep refuses
# where it does not fake that one (EINVAL). Every Python process reads this before anything else.
_SITE = """
import select
import time
time.sleep = lambda seconds: select.select([], [], [], seconds) and None
"""
_STOP = """
import sys
from pathlib import Path
from config.development import stop_cluster
stop_cluster(Path(sys.argv[1]))
"""


@dataclass(frozen=True)
class FakedTime:
    """Where it is another time.

    Attributes:
        environment: of every process of the installation.
        superuser_url: of its database, whose server believes in the same time.
    """

    environment: Mapping[str, str]
    superuser_url: str
    offset_file: Path

    def set(self, moment: datetime) -> None:
        """Makes it ``moment`` from now on; returns when every process knows."""
        _write_offset(self.offset_file, moment)
        time.sleep(SETTLED_SECONDS)

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """What the database holds."""
        with psycopg.connect(self.superuser_url, autocommit=True) as conn:
            return conn.execute(query, values).fetchall()  # type: ignore[call-overload,no-any-return]

    def manage(self, *command: str, given: str | None = None) -> str:
        """Runs a command of ``manage.py`` at that time; what it printed."""
        return run(self.environment, "manage.py", *command, given=given)


def run(environment: Mapping[str, str], *command: str, given: str | None = None) -> str:
    """Runs Python in an environment; what it printed."""
    done = subprocess.run(
        [sys.executable, *command],
        cwd=PROJECT,
        env=dict(environment),
        input=given,
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@contextlib.contextmanager
def faked_time(folder: Path, moment: datetime) -> Iterator[FakedTime]:
    """A scratch PostgreSQL and an environment in which it is ``moment``, and goes on from there."""
    library = _library(require_tool("faketime"))
    # PostgreSQL runs as a user of its own, who may not look into the test's folder.
    cluster = cluster_folder(PROJECT, f"faked-{uuid.uuid4().hex[:8]}")
    offset_file = Path(f"{cluster}.offset")
    site = folder / "site"
    for needed in (site, folder / "packages"):
        needed.mkdir(exist_ok=True)
    (site / "sitecustomize.py").write_text(_SITE)
    _write_offset(offset_file, moment)
    faked = {
        **os.environ,
        "PYTHONPATH": str(site),
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(offset_file),
        "FAKETIME_CACHE_DURATION": "1",
        # Pauses and timeouts go by the monotonic clock, which nobody moves.
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
        # Ages of files are those that the file system says.
        "NO_FAKE_STAT": "1",
    }
    urls = urls_for(f"postgresql://postgres@/postgres?host={cluster}", "strongroom")
    environment = {
        **faked,
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "DATABASE_URL": urls.application,
        "DATABASE_OWNER_URL": urls.owner,
        "AUDIT_SIGNER_STATE": str(folder / "signer-state.json"),
        "AUDIT_STORAGE_PATH": str(folder / "archive"),
        "EVIDENCE_PACKAGE_DIR": str(folder / "packages"),
        "COMPLIANCE_EVIDENCE_VAULT_DIR": str(folder / "vault"),
        "EVIDENCE_VAULT_IMMUTABLE": "false",
        "PUBLIC_URL": "https://strongroom.example.org",
    }
    try:
        run(faked, "-c", _START, str(cluster))
        yield FakedTime(environment, urls.superuser, offset_file)
    finally:
        run(faked, "-c", _STOP, str(cluster))
        shutil.rmtree(cluster, ignore_errors=True)
        offset_file.unlink()


def _write_offset(file: Path, moment: datetime) -> None:
    seconds = round((moment - datetime.now(UTC)).total_seconds())
    scratch = file.with_suffix(".new")
    scratch.write_text(f"{seconds:+d}\n")
    scratch.chmod(0o644)
    scratch.replace(file)


def _library(program: str) -> Path:
    """The library for programs with threads, which the program ``faketime`` would preload."""
    said = subprocess.run(
        [program, "-m", "-f", "+0", "sh", "-c", "echo $LD_PRELOAD"],
        capture_output=True,
        text=True,
        check=True,
    )
    return Path(said.stdout.strip())
