"""`manage.py verify_packet`, and the lines of the auditor's guide as they are typed there."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from tests.cli.packets import write
from tests.factories import World
from tests.tools import require_tool
from tests.unit.reports import making

GUIDE = Path(settings.BASE_DIR) / "docs/auditors/verifying-packets.md"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a good packet, to be in."""
    write(tmp_path, making.make().files)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str) -> tuple[int, str]:
    """Exit code and output of the command."""
    output = StringIO()
    try:
        call_command("verify_packet", *arguments, stdout=output)
    except SystemExit as error:
        return int(error.code or 0), output.getvalue()
    except CommandError as error:
        return error.returncode, str(error)
    return 0, output.getvalue()


@pytest.mark.parametrize(
    "arguments",
    [("NAME.txt",), ("NAME.json", "x/NAME.json")],
    ids=["another name", "two of a kind"],
)
def test_wrong_usage(folder: Path, arguments: tuple[str, ...]) -> None:
    assert run(*arguments)[0] == 2


def test_what_is_not_there_could_not_be_checked(folder: Path) -> None:
    code, told = run("OTHER.json")
    assert code == 3 and "there is no file OTHER.json" in told


@pytest.mark.django_db
def test_a_stored_packet_is_asked_for_by_somebody(world: World) -> None:
    assert run("SOC2_Evidence_x", "--as", "nobody at all")[0] == 2
    assert run("SOC2_Evidence_x", "y", "--as", "audrey")[0] == 2
    code, told = run("SOC2_Evidence_x_2026-01-01_2026-01-31", "--as", "audrey")
    assert code == 3 and "no such packet" in told


@pytest.mark.django_db
def test_for_files_the_installations_own_keys_count(folder: Path, world: World) -> None:
    code, told = run("NAME.countersigned.pdf")
    assert code == 1 and "[key_unknown]" in told
    code, told = run("NAME.countersigned.pdf", "--json")
    assert (code, json.loads(told)["verdict"]) == (1, "INVALID")


@pytest.mark.parametrize(
    "environment",
    [{"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}, {"SECRET_KEY": "short"}],
    ids=["no database answers", "a check of the installation fails"],
)
def test_what_has_nothing_to_do_with_the_packet(folder: Path, environment: dict[str, str]) -> None:
    """1 would say that the packet is invalid."""
    known = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = subprocess.run(
        [sys.executable, Path(settings.BASE_DIR) / "manage.py", "verify_packet", "NAME.json"],
        cwd=folder,
        env={**known, "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3, done.stderr
    assert "Could not check" in done.stderr and "Traceback" not in done.stderr


# --- the guide, as typed --------------------------------------------------------------------------


def blocks(heading: str) -> list[str]:
    """The shell lines under a heading of the guide."""
    section = GUIDE.read_text().partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"```bash\n(.*?)```", section, re.DOTALL)


def typed(folder: Path, lines: str) -> subprocess.CompletedProcess[str]:
    """What a shell says to these lines, the first one that fails being the last."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-e", "-c", lines],
        cwd=folder,
        env={**os.environ, "PATH": path, "PYTHONPATH": str(settings.BASE_DIR)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_lines_with_our_verifier(folder: Path) -> None:
    install, lines, *_ = blocks("With our verifier")
    assert install.startswith("pip install ")
    done = typed(folder, lines)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("\nVALID: ") == len(lines.splitlines()) == 2


def test_the_lines_with_openssl(folder: Path) -> None:
    (folder / "public-key.pem").write_text(making.key("service").public_key_pem)
    (lines,) = blocks("With openssl")
    done = typed(folder, lines)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Verified OK") == 2
    for name in ("NAME.json", "NAME.pdf"):
        raw = bytearray((folder / name).read_bytes())
        raw[len(raw) // 2] ^= 1
        (folder / name).write_bytes(raw)
        failed = typed(folder, lines)
        assert failed.returncode != 0 and "Verification" in failed.stdout + failed.stderr
        raw[len(raw) // 2] ^= 1
        (folder / name).write_bytes(raw)


def test_the_lines_with_pdfsig(folder: Path) -> None:
    for name in ("pdfsig", "certutil", "openssl"):
        require_tool(name)
    (folder / "public-key.pem").write_text(making.key("service").public_key_pem)
    (folder / "certificate.pem").write_text(making.chain("service")[0])
    (lines,) = blocks("With pdfsig")
    done = typed(folder, lines)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Signature is Valid.") == 2
    assert done.stdout.count("Certificate is Trusted.") == 2
    first, _, second = done.stdout.partition("Signature #2")
    assert "Field Name: Service" in first and "Not total document signed" in first
    assert "Field Name: Countersigner" in second and "Total document signed" in second
