"""An export needs little memory, however much is exported, verified, encrypted and put away."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from audit.services.ingest import ingest
from evidence.models import Package
from tests.databases import CommittedDatabase
from tests.factories import PASSWORD, World

PROJECT = Path(__file__).resolve().parents[3]
COUNT, SIZE = 480, 200_000
LIMIT_MIB = 64

# The interpreter's own: with everything imported and a small package made and verified.
PROGRAM = """
import re, django
django.setup()
from django.core.management import call_command
def peak():
    with open("/proc/self/status") as status:
        return int(re.search(r"VmHWM:\\s+(\\d+) kB", status.read())[1]) / 1024
def export(start, end):
    call_command("export_evidence", "--as", "olivia", "--password-file", PASSWORD_FILE,
                 "--client", "clinic-001", "--start", start, "--end", end, "--vault-mode", "local")
export("2025-01-01T00:00:00Z", "2025-01-02T00:00:00Z")
before = peak()
export("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z")
print("PEAK", peak() - before)
"""


def test_a_large_export(
    committed_world: World,
    committed_db: CommittedDatabase,
    settings: Any,
    tmp_path: Path,
    local_vault: Path,
) -> None:
    for part in range(4):
        events = [_event(part * COUNT // 4 + number) for number in range(COUNT // 4)]
        ingest(actor=committed_world.actor("svc-clinic-001"), events=events)
    password = tmp_path / "password"
    password.write_text(PASSWORD)
    password.chmod(0o600)
    found = subprocess.run(
        [sys.executable, "-c", PROGRAM.replace("PASSWORD_FILE", repr(str(password)))],
        cwd=PROJECT,
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "DATABASE_URL": committed_db.app_url,
            "AUDIT_SIGNER_STATE": str(settings.AUDIT_SIGNER_STATE),
            "EVIDENCE_PACKAGE_DIR": str(settings.EVIDENCE_PACKAGE_DIR),
            "COMPLIANCE_EVIDENCE_VAULT_DIR": str(local_vault),
            "EVIDENCE_VAULT_ENCRYPTION": "local",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr[-2000:]
    package = Package.objects.get(event_count=COUNT)
    assert package.size_bytes is not None and package.size_bytes > COUNT * SIZE
    assert package.vault_copy.package_name.endswith(".zip.enc")
    above = float(found.stdout.split("PEAK ")[1])
    assert above <= LIMIT_MIB, f"{above:.0f} MiB for {package.size_bytes >> 20} MiB"


def _event(number: int) -> dict[str, Any]:
    return {
        "id": f"01942f4c-0000-7000-8000-{number:012x}",
        "type": "backup.job.finished",
        "occurred_at": "2026-01-31T09:00:00.000000Z",
        "actor": {"id": "service:backup"},
        "outcome": "success",
        "data": {"log": json.dumps([number] * 10)[:40] + "x" * SIZE},
    }
