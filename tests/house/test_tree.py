"""The tree itself: lock files, the layers' roots, and what must not be written anywhere."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
ROOMS = ("sealing", "access", "audit", "ops", "evidence", "reports", "config")


def tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [PROJECT / name for name in listed.stdout.splitlines() if (PROJECT / name).is_file()]


def test_lock_files_pin_by_hash_and_name_no_index() -> None:
    for name in ("requirements.lock", "requirements-dev.lock"):
        text = (PROJECT / name).read_text()
        assert "://" not in text
        pins = re.findall(r"^[a-z0-9][a-z0-9._-]*==", text, flags=re.MULTILINE)
        assert len(pins) > 20
        assert text.count("--hash=sha256:") >= len(pins)


def test_rooms_have_empty_roots() -> None:
    for room in ROOMS:
        assert (PROJECT / room / "__init__.py").read_bytes() == b"", room


def test_modules_stay_small() -> None:
    long = {
        str(path.relative_to(PROJECT)): lines
        for path in tracked()
        if path.suffix == ".py" and "/migrations/" not in str(path)
        if (lines := path.read_text().count("\n")) > 400
    }
    assert long == {}


def test_every_event_type_is_used() -> None:
    from audit.events import EventType

    code = "\n".join(
        path.read_text()
        for path in tracked()
        if path.suffix == ".py" and path.relative_to(PROJECT).parts[0] in ROOMS
    )
    unused = [kind.name for kind in EventType if f"EventType.{kind.name}" not in code]
    assert unused == []
