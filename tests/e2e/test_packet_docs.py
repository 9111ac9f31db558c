"""The pages about packets by REST, typed as they are printed."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.commands import Shell, blocks
from tests.e2e.installation import PROJECT, SECONDS, Installation
from tests.factories import PASSWORD
from tests.services.reports import packing

pytestmark = pytest.mark.xdist_group("e2e")
NAME = "SOC2_Evidence_clinic-001_2026-10-01_2026-10-31"


def page(name: str) -> list[str]:
    return blocks((PROJECT / "docs" / name).read_text(encoding="utf-8"))


def typed(terminal: Shell, *lines: str) -> str:
    """What a shell prints that is given these lines and stops where one of them fails."""
    done = terminal.run("\n".join(["set -e", *lines]))
    assert done.returncode == 0, done.stderr
    return done.stdout


def asked(terminal: Shell, folder: Path, line: str) -> dict[str, Any]:
    """What is answered when it is there."""
    end = time.monotonic() + SECONDS
    while True:
        typed(terminal, line)
        told: dict[str, Any] = json.loads((folder / "evidence.json").read_bytes())
        if "run_id" not in told:
            return told
        assert time.monotonic() < end, "no packet was made"


def test_the_operators_page_and_the_auditors(installation: Installation, tmp_path: Path) -> None:
    olivia = installation.caller("olivia")
    operator = Shell(tmp_path, {"$STRONGROOM": installation.url, "$TOKEN": olivia.token})
    ask, revise, verify = page("operators/soc2-packets-api.md")
    assert asked(operator, tmp_path, ask)["packetId"] == NAME
    assert operator.header("X-Evidence-Signature")
    told = json.loads(typed(operator, revise))
    if "run_id" in told:
        assert olivia.finished(f"/ops/jobs/runs/{told['run_id']}")["status"] == "SUCCESS"
    told = json.loads(typed(operator, verify))
    assert (told["packet_id"], told["verdict"]) == (NAME, "INVALID")
    assert {issue["code"] for issue in told["issues"]} == {"countersignature_missing"}

    folder = tmp_path / "audit"
    folder.mkdir()
    (folder / "audrey-password").write_text(f"{PASSWORD}\n")
    auditor = Shell(folder, {"https://strongroom.example.org": installation.url})
    printed = typed(auditor, *page("auditors/fetching-packets.md"))
    assert f'"name": "{NAME}_r2"' in printed
    taken = {path.name: path for path in folder.glob("SOC2_*")}
    assert taken.keys() == {f"{NAME}{suffix}" for suffix in packing.FOUR}
    assert taken[f"{NAME}.json"].read_bytes() == (tmp_path / "evidence.json").read_bytes()
