"""The environment that holds the peers: made once, below ``var``, where packages can be had."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).parents[2]
FOLDER = PROJECT / "var" / "bench-venv"
# Those versions that the table's figures were first measured with, or later ones.
PACKAGES = (
    "django>=5.2,<5.3",
    "psycopg[binary,pool]",
    "django-auditlog>=3.4",
    "django-simple-history>=3.10",
    "django-pghistory>=3.9",
)
INSTALL_SECONDS = 180


class PeersMissing(Exception):
    """The peers can't be measured here; the message says why."""


def measure(host: str, user: str, database: str, *arguments: object) -> dict[str, list[float]]:
    """Runs `benchmarks.peers.measure` among the peers; name to saves a second, one a round.

    Raises:
        PeersMissing: the packages could not be installed, or do not work together.
    """
    python = _python()
    surroundings = {
        "PATH": os.environ.get("PATH", ""),
        "PYTHONPATH": str(PROJECT),
        "BENCH_PEERS_HOST": host,
        "BENCH_PEERS_USER": user,
        "BENCH_PEERS_DATABASE": database,
    }
    command = [str(python), "-m", "benchmarks.peers.measure", *map(str, arguments)]
    done = subprocess.run(
        command, cwd=PROJECT, env=surroundings, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise PeersMissing(done.stderr.strip().splitlines()[-1][:200] if done.stderr else "failed")
    found: dict[str, list[float]] = json.loads(done.stdout.splitlines()[-1])
    return found


def _python() -> Path:
    python, ready = FOLDER / "bin" / "python", FOLDER / ".complete"
    if ready.exists():
        return python
    try:
        subprocess.run([sys.executable, "-m", "venv", FOLDER], check=True, capture_output=True)
        install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run(
            [*install, *PACKAGES], check=True, capture_output=True, timeout=INSTALL_SECONDS
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise PeersMissing(f"the packages can't be installed ({type(error).__name__})") from error
    ready.touch()
    return python
