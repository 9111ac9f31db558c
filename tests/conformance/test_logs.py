"""Logs of other systems, and hostile strings."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from audit import verify
from audit.formats import cloudtrail, event
from audit.formats.log import LogVerifier
from audit.formats.pbpk import PbpkVerifier
from sealing import canonical

PROJECT = Path(__file__).resolve().parents[2]


def test_the_pbpk_profile(vectors: Path, tmp_path: Path) -> None:
    path = vectors / "peer_formats" / "pbpk_audit_2025-10-16.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    verifier = PbpkVerifier()
    assert verifier.feed(lines)
    assert verifier.size == len(lines) == 36
    assert verify.main([str(path), "--profile", "pbpk"]) == 0
    damaged = tmp_path / "damaged.jsonl"
    lines[20] = lines[20].replace(b'"eventType":"', b'"eventType":"x', 1)
    damaged.write_bytes(b"".join(lines))
    assert verify.main([str(damaged), "--profile", "pbpk"]) == 1


def test_the_pbpk_profile_by_command_line(vectors: Path, tmp_path: Path) -> None:
    def run() -> tuple[int, dict[str, Any]]:
        command = [sys.executable, "-m", "audit.verify", str(tmp_path / "log"), "--json"]
        done = subprocess.run(
            [*command, "--profile", "pbpk"],
            cwd=PROJECT,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, json.loads(done.stdout)

    day = tmp_path / "log" / "2025" / "10" / "16.jsonl"
    day.parent.mkdir(parents=True)
    raw = (vectors / "peer_formats" / "pbpk_audit_2025-10-16.jsonl").read_bytes()
    day.write_bytes(raw)
    code, found = run()
    assert (code, found["verdict"], found["checked_events"]) == (0, "VALID", 36)
    lines = raw.splitlines(keepends=True)
    for number in (0, 20, 35):
        at = lines[number].index(b'"timestamp":"') + 16
        changed = lines[number][:at] + bytes([lines[number][at] ^ 1]) + lines[number][at + 1 :]
        day.write_bytes(b"".join([*lines[:number], changed, *lines[number + 1 :]]))
        code, found = run()
        assert (code, found["first_bad_seq"]) == (1, number)
        assert found["first_bad_file"] == "2025/10/16.jsonl"


def test_cloudtrail_records(vectors: Path) -> None:
    origin = "conformance.example/audit"
    previous = event.genesis_hash(origin)
    lines: list[bytes] = []
    ids: set[str] = set()
    with (vectors / "cloudtrail" / "events.ndjson").open("rb") as records:
        for seq, raw in enumerate(records):
            record = canonical.loads(raw)
            fields = cloudtrail.to_event_fields(record)
            body = event.build(**fields, recorder="service:feed", client_id="clinic-001")
            assert event.parse(body)["data"] == record
            ids.add(fields["id"])
            line, previous = event.line(seq, "2026-01-01T00:00:00.000000Z", previous, body)
            lines.append(line)
    assert len(lines) == len(ids) == 2900
    for strict in (False, True):
        verifier = LogVerifier(origin, strict=strict)
        assert verifier.feed(lines)
        assert verifier.head == previous


def test_hostile_strings(vectors: Path) -> None:
    strings = json.loads((vectors / "json_hostile" / "blns.json").read_bytes())
    for number, text in enumerate(strings):
        raw = canonical.dumps([text])
        assert canonical.loads(raw) == [text]
        body = event.build(
            id=f"0190a6c1-0000-7000-8000-{number:012x}",
            type="ops.test.happened",
            occurred_at="2026-01-01T00:00:00.000000Z",
            actor={"id": "user:alice"},
            recorder="strongroom",
            data={"text": text},
        )
        assert event.parse(body)["data"] == {"text": text}
    assert len(strings) > 400
