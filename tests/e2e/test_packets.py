"""The packet's runbook as it is written: its `curl` and `openssl` lines, run by bash."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path

import pytest

from tests.e2e.commands import Shell, commands
from tests.e2e.installation import SECONDS, Installation
from tests.e2e.runbook import text
from tests.factories import PASSWORD
from tests.services.reports import packing

pytestmark = pytest.mark.xdist_group("e2e")
TITLE = "Runbook: SOC2 Evidence Generation System"
DOOR = "/api/compliance/soc2-packet"
NAME = "SOC2_Evidence_platform_2025-01-01_2025-01-31"
FOUR = {f"{NAME}{suffix}" for suffix in packing.FOUR}


class Lines:
    """The lines of the text, by what they do."""

    def __init__(self, printed: str) -> None:
        self.json, self.pdf, self.key, self.decode, self.verify = commands(printed)
        assert self.json.count("startDate=2025-01-01T00:00:00.000Z&endDate=2025-01-31T23:59") == 1
        assert "format=pdf" in self.pdf
        # The text leaves the dates of its second request out.
        dates = self.json.partition("?")[2].partition('"')[0]
        self.pdf = self.pdf.replace("startDate=...&endDate=...", dates)
        self.query = f"{DOOR}?{dates}"


@pytest.fixture(scope="module")
def lines() -> Lines:
    return Lines(text(TITLE))


def shell(installation: Installation, folder: Path, username: str) -> Shell:
    """Somebody with a token of his own."""
    return Shell(
        folder,
        {
            "http://localhost:4000": installation.url,
            "<JWT_TOKEN>": installation.caller(username).token,
        },
    )


def get(terminal: Shell, line: str, output: str = "") -> None:
    """Asks until it is there: the answer waits, but not for ever."""
    end = time.monotonic() + SECONDS
    while True:
        done = terminal.run(line, output)
        assert done.returncode == 0, done.stderr
        if terminal.status != 202:
            break
        assert int(terminal.header("Retry-After")) > 0
        assert time.monotonic() < end, "no packet was made"
    assert terminal.status == 200, (terminal.folder / (output or "headers")).read_text()


def verified(terminal: Shell, lines: Lines, name: str) -> None:
    """Follows the section on verification for a file; then again with one byte changed."""
    (terminal.folder / "evidence.sig").write_text(terminal.header("X-Evidence-Signature"))
    assert terminal.run(lines.key).returncode == 0
    check(terminal, lines, name)


def check(terminal: Shell, lines: Lines, name: str) -> None:
    assert terminal.run(lines.decode).returncode == 0
    done = terminal.run(lines.verify, **{"evidence.json": name})
    assert (done.returncode, done.stdout) == (0, "Verified OK\n"), done.stderr
    path = terminal.folder / name
    raw = path.read_bytes()
    for place in (0, len(raw) // 2, len(raw) - 1):
        path.write_bytes(raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :])
        done = terminal.run(lines.verify, **{"evidence.json": name})
        assert done.returncode != 0
        assert "Verification failure" in done.stdout + done.stderr
    path.write_bytes(raw)


def test_the_lines_as_they_are_printed(
    lines: Lines, installation: Installation, tmp_path: Path
) -> None:
    officer = shell(installation, tmp_path, "olivia")
    get(officer, lines.json, "evidence.json")
    assert officer.header("Content-Type") == "application/json"
    told = json.loads((tmp_path / "evidence.json").read_bytes())
    assert told["packetId"] == NAME
    assert {"auditPeriod", "executiveSummary", "controls"} <= told.keys()
    assert set(told["controls"][0]) >= {
        "controlId", "description", "testingResults", "sampleEvidence",
    }  # fmt: skip
    verified(officer, lines, "evidence.json")

    get(officer, lines.pdf)
    assert officer.header("Content-Type") == "application/pdf"
    assert (tmp_path / "evidence_packet.pdf").read_bytes().startswith(b"%PDF-")
    verified(officer, lines, "evidence_packet.pdf")

    assert {name for name in installation.kept() if name.startswith(NAME)} == FOUR


def test_the_sig_files_that_are_stored(
    lines: Lines, installation: Installation, tmp_path: Path
) -> None:
    """The other way that the text tells: the `.sig` beside the artefact."""
    officer = shell(installation, tmp_path, "olivia")
    get(officer, lines.json, "evidence.json")
    assert officer.run(lines.key).returncode == 0
    [folder] = {path.parent for path in installation.vault.rglob(f"{NAME}.json")}
    for name in (f"{NAME}.json", f"{NAME}.pdf"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
        (tmp_path / "evidence.sig").write_bytes((folder / f"{name}.sig").read_bytes())
        check(officer, lines, name)


@pytest.mark.parametrize(
    ("username", "status"), [("alice", 200), ("oscar", 200), ("audrey", 403), ("omar", 403)]
)
def test_the_roles_that_the_text_names(
    lines: Lines, installation: Installation, tmp_path: Path, username: str, status: int
) -> None:
    terminal = shell(installation, tmp_path, username)
    if status == 200:
        get(terminal, lines.json, "evidence.json")
    else:
        terminal.run(lines.json, "evidence.json")
        assert json.loads((tmp_path / "evidence.json").read_bytes())["code"] == "forbidden"
    assert terminal.status == status


def test_once_it_is_countersigned(lines: Lines, installation: Installation, tmp_path: Path) -> None:
    officer, oscar = shell(installation, tmp_path, "olivia"), installation.caller("oscar")
    get(officer, lines.pdf)
    first = (tmp_path / "evidence_packet.pdf").read_bytes()
    key = packing.key_of(installation.world, "oscar").key_id
    body = {"signing_key_id": key, "password": PASSWORD, "meaning": "reviewed"}
    signed = oscar.post(f"/api/compliance/packets/{NAME}/countersign", body)
    assert signed.status == 200, signed.body
    get(officer, lines.pdf)
    assert (tmp_path / "evidence_packet.pdf").read_bytes().startswith(first)
    verified(officer, lines, "evidence_packet.pdf")
    kept = {name for name in installation.kept() if name.startswith(NAME)}
    assert kept == {f"{NAME}{suffix}" for suffix in packing.SIX}

    audrey = installation.caller("audrey")
    files = {item["name"]: item for item in signed.json["files"]}
    assert audrey.get(f"/api/compliance/packets/{NAME}").status == 404, "the platform's"
    [pdf] = [item for name, item in files.items() if name.endswith(".countersigned.pdf")]
    answer = oscar.get(pdf["url"].removeprefix(installation.url))
    assert answer.headers["ETag"] == f'"{pdf["sha256"]}"'
    assert base64.b64decode(answer.headers["Repr-Digest"][9:-1]).hex() == pdf["sha256"][7:]
