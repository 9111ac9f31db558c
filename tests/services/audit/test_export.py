"""The exported log: its layout, and that it holds without the database."""

from __future__ import annotations

import itertools
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.db import connection

from audit.formats import checkpoint as formats
from audit.formats import event as events
from audit.formats.log import LogVerifier
from audit.models import AuditEvent
from audit.services import checkpoints, clock, export, keys, loghead
from audit.services.export import export_log
from sealing.digests import unb64
from sealing.keys import signers_document
from sealing.merkle import Frontier
from tests.factories import World
from tests.services.audit.helpers import seal

ORIGIN = "strongroom.test/audit"


def at(monkeypatch: pytest.MonkeyPatch, moment: datetime) -> None:
    monkeypatch.setattr(clock, "database_clock", lambda: moment)
    monkeypatch.setattr(clock, "host_clock", lambda: moment)


@pytest.fixture
def two_days(world: World, monkeypatch: pytest.MonkeyPatch) -> datetime:
    """A log with events on two days; returns the second."""
    monkeypatch.setattr(export, "SEGMENT_EVENTS", 40)
    seal(50)
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    at(monkeypatch, tomorrow)
    seal(30)
    return tomorrow


def files_below(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_the_layout_is_that_of_the_archive(two_days: datetime, tmp_path: Path) -> None:
    size = export_log(tmp_path / "out")
    first_day = AuditEvent.objects.get(seq=0).created_at
    today = AuditEvent.objects.filter(created_at__date=first_day.date()).count()
    bounds = [*range(0, today, 40), *range(today, size, 40), size]
    expected = []
    for first, end in itertools.pairwise(bounds):
        day = first_day if first < today else two_days
        stem = f"audit/{day:%Y/%m/%d}/{first:016d}-{end - 1:016d}"
        expected += [f"{stem}.{extension}" for extension in ("checkpoint", "frontier", "jsonl")]
    assert files_below(tmp_path / "out") == expected
    assert size == loghead.current().size


def test_every_segment_holds_and_every_checkpoint_covers_it(
    two_days: datetime, tmp_path: Path
) -> None:
    size = export_log(tmp_path / "out")
    verifier = LogVerifier(ORIGIN, strict=True)
    for path in sorted(tmp_path.rglob("*.jsonl")):
        verifier.feed(path.read_bytes().splitlines(keepends=True))
        assert verifier.fault is None
        signed, findings = formats.open_note(
            path.with_suffix(".checkpoint").read_bytes(), keys.signers()
        )
        assert [finding.ok for finding in findings] == [True]
        assert signed is not None
        assert (signed.size, signed.root, signed.head) == (
            verifier.size,
            verifier.frontier.root(),
            verifier.head,
        )
        hashes = path.with_suffix(".frontier").read_text().splitlines()
        frontier = Frontier(signed.size, [unb64(item) for item in hashes])
        assert frontier.root() == signed.root
    assert verifier.size == size


def test_segments_are_cut_by_bytes(world: World, tmp_path: Path) -> None:
    seal(8, obj=("file", "x" * 500))
    export.export_log(tmp_path / "one")
    assert len(list((tmp_path / "one").rglob("*.jsonl"))) == 1
    size = loghead.current().size
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export, "SEGMENT_BYTES", 3_000)
        export.export_log(tmp_path / "many")
    parts = sorted((tmp_path / "many").rglob("*.jsonl"))
    assert len(parts) > 3
    assert all(part.stat().st_size <= 3_000 for part in parts)
    assert b"".join(part.read_bytes() for part in parts).count(b"\n") == size


def test_two_exports_are_never_mixed(two_days: datetime, tmp_path: Path) -> None:
    export_log(tmp_path / "out")
    before = files_below(tmp_path)
    with pytest.raises(export.FolderNotEmpty):
        export_log(tmp_path / "out")
    assert files_below(tmp_path) == before


def test_two_exports_of_one_log_are_the_same(two_days: datetime, tmp_path: Path) -> None:
    export_log(tmp_path / "one")
    export_log(tmp_path / "two")
    names = files_below(tmp_path / "one")
    assert names == files_below(tmp_path / "two")
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_the_offline_verifier_accepts_it(two_days: datetime, tmp_path: Path) -> None:
    export_log(tmp_path / "out")
    (tmp_path / "signers.json").write_bytes(signers_document(keys.signers()))
    command = [sys.executable, "-m", "audit.verify", str(tmp_path / "out")]
    command += ["--signers", str(tmp_path / "signers.json"), "--strict"]
    assert subprocess.run(command, check=False).returncode == 0
    path = max(tmp_path.rglob("*.jsonl"))
    path.chmod(0o600)
    path.write_bytes(path.read_bytes().replace(b"success", b"failure", 1))
    assert subprocess.run(command, check=False).returncode == 1


def test_the_line_can_be_hashed_with_a_shell(two_days: datetime, tmp_path: Path) -> None:
    export_log(tmp_path / "out")
    line = min(tmp_path.rglob("*.jsonl")).read_text().splitlines()[3]
    script = """{ printf '\\0'; printf %s "${line%,\\"hash\\":*}"; } | sha256sum"""
    done = subprocess.run(
        ["/bin/bash", "-c", script], env={"line": line}, capture_output=True, text=True, check=True
    )
    assert done.stdout.split()[0] == events.parse_line(line.encode()).hash.hex()


def test_an_empty_log_exports_nothing(committed_db: object, tmp_path: Path) -> None:
    keys.ensure_service_keys(actor=keys.Actor.system("test"))
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM audit_pendingevent")
    assert export_log(tmp_path / "out") == 0
    assert checkpoints.latest() is not None
    assert not (tmp_path / "out").exists()
