"""Packages as files, and `python -m evidence.verify` run as an auditor runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sealing.keys import Signers, signers_document
from tests.unit.evidence import making
from tests.unit.evidence.making import BUNDLE, Made

PROJECT = Path(__file__).resolve().parents[2]
NOT_FOR_AUDITORS = frozenset({"django", "rest_framework", "psycopg", "environ", "allauth"})
# Run before the command: whoever imports Django or its kin fails at once.
BLOCKER = """
import sys
from importlib import import_module

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in BLOCKED:
            raise ImportError(f"{name} is not for auditors")

sys.meta_path.insert(0, Blocker())
sys.exit(import_module(MODULE).main(sys.argv[1:]))
"""


def run_blocked(
    module: str,
    arguments: Sequence[str],
    folder: Path,
    *,
    blocked: frozenset[str] = NOT_FOR_AUDITORS,
    environment: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """The module's command line in another process, to which some packages are not there."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("DJANGO_", "AUDIT_"))}
    code = f"MODULE, BLOCKED = {module!r}, {set(blocked)!r}\n{BLOCKER}"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={**clean, "PYTHONPATH": str(PROJECT), **(environment or {})},
    )


@dataclass(frozen=True)
class Folder:
    """A package with its sidecars and the signers file, as files."""

    path: Path

    @property
    def package(self) -> Path:
        return self.path / f"{BUNDLE}.zip"

    @property
    def signers(self) -> Path:
        return self.path / "keys" / "signers.json"

    def sidecar(self, name: str) -> Path:
        endings = {
            "sig": ".zip.sig",
            "signature": ".signature.json",
            "countersign": ".countersign.json",
            "timestamp": ".tsr",
        }
        return self.path / f"{BUNDLE}{endings[name]}"

    def write(self, made: Made, signers: Signers | None = None) -> Folder:
        self.package.write_bytes(made.data)
        for name in ("sig", "signature", "countersign", "timestamp"):
            raw = getattr(made.sidecars, name)
            if raw is not None:
                self.sidecar(name).write_bytes(raw)
        self.signers.parent.mkdir(exist_ok=True)
        self.signers.write_bytes(signers_document(signers or making.signers()))
        return self

    def run(
        self, *arguments: str, blocked: frozenset[str] = NOT_FOR_AUDITORS, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        return run_blocked(
            "evidence.verify", arguments, self.path, blocked=blocked, environment=environment
        )

    def verify(self, *more: str) -> subprocess.CompletedProcess[str]:
        return self.run(str(self.package), "--signers", str(self.signers), *more)


def two_lines() -> list[tuple[int, bytes]]:
    return [pair for pair in making.log_lines(3) if b'"client_id":"clinic-001"' in pair[1]]


def shell(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
