"""The operator's page, typed from its first command to its last by a shell."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.installation import PROJECT, Installation
from tests.factories import PASSWORD
from tests.tools import require_tool

pytestmark = pytest.mark.xdist_group("e2e")
PAGE = PROJECT / "docs" / "operators" / "evidence-export.md"
# What is another here than on the page.
NAMES = {
    "https://strongroom.example.org": None,
    "Oscar Lindqvist": "Oscar Officer",
    "sleep 2": "sleep 0.2",
}
SAID = (
    '"status": "ACTIVE"',
    '"external_worm_status": "OK"',
    '"entry_count": 1',
    '"verdict": "VALID"',
    "VALID: Everything that was checked is as it must be.",
    "files: all are as they were put there.",
    "Verified OK",
    ".zip: OK",
    "Verification: OK",
    '"last_run": "SUCCESS"',
    "package_sha256  sha256:",
)


def typed(installation: Installation) -> str:
    """All commands of the page in their order, with the names that things have here."""
    blocks = re.findall(r"^```bash\n(.*?)^```$", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    assert len(blocks) > 12
    text = "set -euo pipefail\n" + "\n".join(blocks)
    for name, here in NAMES.items():
        assert name in text
        text = text.replace(name, here or installation.url)
    return text


def test_every_command_works_as_it_is_printed(installation: Installation, tmp_path: Path) -> None:
    for tool in ("curl", "jq", "openssl"):
        require_tool(tool)
    for name in ("alice", "oscar"):
        (tmp_path / f"{name}-password").write_text(f"{PASSWORD}\n")
    installation.world.key("oscar")
    (tmp_path / "nightly-key").write_text(installation.world.api_key("svc-clinic-001"))
    (tmp_path / "tsa.pem").write_bytes(installation.authority.certificates)
    command = tmp_path / "bin" / "manage.py"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {sys.executable} {PROJECT}/manage.py "$@"\n')
    command.chmod(0o755)
    path = [str(command.parent), str(Path(sys.executable).parent), os.environ["PATH"]]
    done = subprocess.run(
        ["bash", "-c", typed(installation)],
        cwd=tmp_path,
        env={**installation.environment, "PATH": ":".join(path), "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert [words for words in SAID if words not in done.stdout] == [], done.stdout
