"""A vault of a service account, as in production: without root's rights, and with one of them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.services.evidence.vaults import loosen
from tests.tools import require_tool

PROJECT = Path(__file__).resolve().parents[3]
NOBODY = 65534
# Deposits a file, adds another, looks at both, and tries what must not work.
WORK = """
import json, os, sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
os.environ["TEST_POSTGRES_SUPERUSER_URL"] = "postgresql://nobody@/none"
import django; django.setup()
from evidence.services.vault.base import Lock, of_bytes
from evidence.services.vault.local import LocalVault
from sealing.stores.base import LockMode, Retention
assert os.getuid() == 65534
root, folder = Path(sys.argv[1]), "platform/2026/01/01/x"
until = (datetime.now(UTC) + timedelta(days=1)).replace(microsecond=0)
lock = Lock(Retention(LockMode.COMPLIANCE, until))
vault = LocalVault(root)
prepared = vault.prepare(folder)
prepared.add(of_bytes("one", b"one"))
kept = vault.commit(prepared, lock, [])
kept += (vault.add(folder, of_bytes("two", b"two"), lock),)
refused = []
for act in (lambda: (root / folder / "one").unlink(), lambda: (root / folder / "new").touch(),
            lambda: (root / folder).rename(root / "elsewhere")):
    try:
        act()
        refused.append(False)
    except PermissionError:
        refused.append(True)
print(json.dumps({"protection": [item.protection for item in kept], "refused": refused}))
"""


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder of the account nobody."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to become somebody else")
    if become(sys.executable, "-c", "import tests").returncode:
        pytest.skip("needs a checkout and a Python that other accounts may read")
    with tempfile.TemporaryDirectory(prefix="vault-", dir="/var/tmp") as name:
        path = Path(name)
        path.chmod(0o755)
        root = path / "vault"
        root.mkdir()
        shutil.chown(root, NOBODY, NOBODY)
        yield root
        loosen(root)


def become(*command: str) -> subprocess.CompletedProcess[str]:
    """Runs a command as the account nobody; options of setpriv may come first."""
    somebody = ("--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups")
    return subprocess.run(
        [require_tool("setpriv"), *somebody, *command],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=120,
    )


def work(root: Path, *options: str) -> dict[str, Any]:
    done = become(*options, sys.executable, "-c", WORK, str(root))
    assert done.returncode == 0, done.stderr[-2000:]
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def test_without_any_capability(home: Path) -> None:
    told = work(home)
    assert told["protection"] == ["read-only (immutable flag: not permitted here)"] * 2
    # Whoever owns a folder may open it again; that it is closed keeps accidents away.
    assert told["refused"] == [True, True, True]
    assert (home / "platform/2026/01/01/x").stat().st_mode & 0o777 == 0o555


def test_with_the_one_capability(home: Path, flags: None) -> None:
    granted = ("--inh-caps", "+linux_immutable", "--ambient-caps", "+linux_immutable")
    told = work(home, *granted)
    assert told["protection"] == ["read-only, immutable"] * 2
    # The folder is append-only: files are added there.
    assert told["refused"] == [True, False, True]
