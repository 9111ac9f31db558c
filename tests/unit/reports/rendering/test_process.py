"""The renderer's process: its limits, its walls, and that nothing of it is left."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from reports.rendering import RenderingFailed, process, render
from reports.rendering.process import RendererStopped
from tests.reports_documents import document

DIGEST = f"sha256:{'0' * 64}"
MIB = 1 << 20

# A process of its own, since a hook stays until its process ends.
TRY = """
import sys
from reports.rendering import guard
walls = guard.Guard(guard.program_folders())
walls.stand()
try:
    exec(sys.argv[1])
except guard.Refused as refused:
    print("refused", len(walls.refused))
"""

# What a renderer would do that was talked into something, and then told nobody.
SWALLOWED = """
import sys
limits = ["--memory-bytes", "1000000000", "--cpu-seconds", "9", "--file-bytes", "9999"]
sys.argv = ["renderer", *limits]
from reports.rendering import __main__ as renderer, assembling
def talked_into_something(document, *, json_sha256):
    try:
        open("/proc/self/environ", "rb")
    except OSError:
        return b"%PDF-1.4"
assembling.pdf_bytes = talked_into_something
raise SystemExit(renderer.main())
"""


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    yield
    after = {child.pid for child in psutil.Process().children(recursive=True)}
    assert after <= before, "the renderer is still running"


def test_time_is_limited() -> None:
    with pytest.raises(RenderingFailed) as caught:
        render(document(), json_sha256=DIGEST, timeout_seconds=0.2)
    assert caught.value.code == "rendering_timeout"
    assert "0.2 seconds" in caught.value.message


def test_memory_is_limited() -> None:
    large = document()
    large["executiveSummary"]["text"] = ["x" * (24 * MIB)]
    with pytest.raises(RenderingFailed) as caught:
        render(large, json_sha256=DIGEST, memory_bytes=170 * MIB)
    assert caught.value.code == "rendering_memory"


def test_what_cannot_be_started_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    with pytest.raises(RendererStopped, match="could not be started") as caught:
        render(document(), json_sha256=DIGEST)
    assert caught.value.code == "rendering_not_started"


def test_cpu_time_is_limited() -> None:
    command = [sys.executable, "-m", "reports.rendering", "--memory-bytes", str(512 * MIB)]
    command += ["--cpu-seconds", "1", "--file-bytes", "1000"]
    done = subprocess.run(
        command,
        input=_request(30_000),
        capture_output=True,
        check=False,
        cwd=process._PROJECT,
    )
    failure = process._failure(done.returncode, done.stderr)
    assert failure.code == "rendering_killed"
    assert done.stdout == b""


def test_what_went_wrong_is_told() -> None:
    broken = document()
    del broken["controls"]
    with pytest.raises(RenderingFailed, match="controls") as caught:
        render(broken, json_sha256=DIGEST)
    assert caught.value.code == "rendering_failed"


def test_the_child_is_told_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGNING_PRIVATE_KEY", "secret")
    monkeypatch.setenv("DATABASE_URL", "postgres://secret")
    assert not any("secret" in value for value in process._environment().values())


@pytest.mark.parametrize(
    "attempt",
    [
        "open('/etc/passwd')",
        "open('/proc/self/environ')",
        "open('/tmp/strongroom-canary', 'w')",
        "import os; os.open('/etc/passwd', os.O_RDONLY)",
        "import socket; socket.create_connection(('127.0.0.1', 9))",
        "import socket; socket.getaddrinfo('example.org', 80)",
        "import urllib.request; urllib.request.urlopen('http://127.0.0.1:9/')",
        "import subprocess; subprocess.run(['true'])",
        "import os; os.system('true')",
        "import os; os.fork()",
        "import os; os.remove('/tmp/strongroom-canary')",
        "from pathlib import Path; from reports.rendering import fonts;"
        " Path(fonts.__file__).open('a')",
        "from pathlib import Path; from reports.rendering import fonts;"
        " Path(fonts.__file__).parents[2].joinpath('pyproject.toml').open()",
    ],
)
def test_the_walls_refuse(attempt: str) -> None:
    done = _python(TRY, attempt)
    assert done.stdout.startswith("refused "), (done.stdout, done.stderr)


def test_the_walls_let_the_program_be_read() -> None:
    attempt = "from reports.rendering import fonts; open(fonts.__file__).close(); print('read')"
    assert _python(TRY, attempt).stdout == "read\n"


def test_an_attempt_that_was_swallowed_still_fails_the_packet() -> None:
    done = _python(SWALLOWED, stdin='{"document": {}, "json_sha256": ""}')
    assert done.returncode == 3, done.stderr
    assert done.stdout == ""
    assert "refused: open '/proc/" in done.stderr


def test_ten_thousand_rows_take_little_memory() -> None:
    program = (
        "import resource\n"
        "from reports.rendering import render\n"
        "from tests.reports_documents import document\n"
        f"pdf = render(document(12, 10_000), json_sha256={DIGEST!r})\n"
        "assert pdf.startswith(b'%PDF')\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)\n"
    )
    done = _python(program)
    assert done.returncode == 0, done.stderr
    assert 40 < float(done.stdout) <= 150


def _python(program: str, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(process._PROJECT),
    )


def _request(rows: int) -> bytes:
    return json.dumps({"document": document(12, rows), "json_sha256": DIGEST}).encode()
