"""The page for integrators: its examples are receipts, and its commands do what they say."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sealing import external as ext
from sealing import external_asking
from sealing.external import ArchiveRequest, Endpoint, UnwrapRequest, WrapRequest
from sealing.external_forms import ArchiveReceipt, WrapReceipt
from tests.servers.external_faults import Kind
from tests.servers.ports import free_ports
from tests.tools import require_tool
from tests.unit.sealing.external_helpers import LOOPBACK, archive_request

PROJECT = Path(__file__).resolve().parents[3]
PAGE = PROJECT / "docs/operators/external-endpoints.md"
TEXT = PAGE.read_text()
COMMANDS = re.findall(r"^```bash\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
MODULE = "python -m tests.servers.external "


def test_the_examples() -> None:
    asked, given, wrap, wrapped, *unwraps = (
        json.loads(text) for text in re.findall(r"^```json\n(.*?)^```", TEXT, re.M | re.S)
    )
    request = ArchiveRequest(**asked)
    assert request.document() == asked
    assert ArchiveReceipt.of(given, request, datetime(2026, 1, 31, tzinfo=UTC))
    wrap_request = WrapRequest(**wrap)
    assert wrap_request.document() == wrap
    assert WrapReceipt.of(wrapped, wrap_request).document() == wrapped
    assert len(unwraps) == 2
    for each in unwraps:
        assert UnwrapRequest(**each).document() == each


def test_every_reason_is_explained() -> None:
    sources = "".join(
        path.read_text()
        for name in ("external*.py", "outgoing.py", "wire.py")
        for path in (PROJECT / "sealing").glob(name)
    )
    raised = set(re.findall(r'Stopped\(\s*"([a-z_]+)"', sources))
    raised |= set(re.findall(r'explained\(\s*"([a-z_]+)"', sources))
    raised |= set(re.findall(r'code="([a-z_]+)"', sources)) | {"malformed"}
    explained = set(re.findall(r"`([a-z_]+)`", TEXT))
    assert len(raised) > 15
    assert raised - explained == set()


def test_every_fault_that_is_named_is_there() -> None:
    named = re.findall(r"`([a-z][a-z-]*)`", TEXT.partition("start the example with `--fault`:")[2])
    assert len(named) > 5
    assert set(named) <= set(Kind)


@pytest.fixture
def started(tmp_path: Path) -> Iterator[str]:
    """The page's server on another port, with its files in another folder; yields its address."""
    (port,) = free_ports(1)
    with running(moved(command(MODULE), tmp_path, port)) as lines:
        assert lines[0] == f"archive http://127.0.0.1:{port}/archive"
        yield f"http://127.0.0.1:{port}"


def test_the_commands_as_typed(started: str, tmp_path: Path) -> None:
    require_tool("curl")
    port = int(started.rpartition(":")[2])
    for _ in range(2):
        done = subprocess.run(
            ["bash", "-c", moved(command("curl "), tmp_path, port)],
            capture_output=True, text=True, timeout=60, check=True,
        )  # fmt: skip
    receipt = json.loads(done.stdout)
    assert receipt["object_key"] == "evidence_1/evidence_1.zip"
    kept = tmp_path / "external/objects/evidence_1/evidence_1.zip"
    assert kept.read_bytes() == b"a package\n"
    token = (tmp_path / "external-token").read_text().strip()
    endpoint = Endpoint(f"{started}/archive", token, 30, LOOPBACK)
    assert ext.archive(endpoint, archive_request("evidence_2")).is_ok
    assert ext.archive(endpoint, archive_request("evidence_1")).reason == "http_409"


def test_with_tls_and_a_fault(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    typed = moved(command(MODULE), tmp_path, port).rstrip() + " --https --fault digest\n"
    with running(typed) as lines:
        ca_file = Path(lines[-1].removeprefix("trust   "))
        endpoint = Endpoint(
            lines[0].removeprefix("archive "),
            (tmp_path / "external-token").read_text().strip(),
            30,
            LOOPBACK,
            ca_file=ca_file,
        )
        assert ext.archive(endpoint, archive_request()).reason == "digest_differs"


def test_what_the_page_says_of_limits() -> None:
    assert f"up to {['', 'one', 'two', 'three'][external_asking.MAX_ATTEMPTS]} times" in TEXT
    first, second = external_asking.BACK_OFF_SECONDS
    assert f"pauses are {first} and {second:.0f} seconds" in TEXT


def command(part: str) -> str:
    (found,) = (block for block in COMMANDS if part in block)
    return str(found)


def moved(typed: str, folder: Path, port: int) -> str:
    return typed.replace("/tmp/", f"{folder}/").replace("8099", str(port))


@contextmanager
def running(typed: str) -> Iterator[list[str]]:
    """The page's commands, the last of which is a server; yields its lines up to an empty one."""
    typed = typed.replace(MODULE, f"exec {sys.executable} -m tests.servers.external ")
    with subprocess.Popen(
        ["bash", "-ec", typed], cwd=PROJECT, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            yield list(iter(lambda: process.stdout.readline().rstrip("\n"), ""))
        finally:
            process.terminate()
        assert process.wait(timeout=30) == 0
