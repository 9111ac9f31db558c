"""`manage.py verify_packet`, and the lines of the auditor's guide as they are typed there."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from reports.formats.verification import PacketFilesGiven
from sealing.keys import signers_document
from tests.factories import World
from tests.tools import require_tool
from tests.unit.reports import making

GUIDE = Path(settings.BASE_DIR) / "docs/auditors/verifying-packets.md"
SUFFIXES = {
    "json": ".json",
    "json_sig": ".json.sig",
    "pdf": ".pdf",
    "pdf_sig": ".pdf.sig",
    "countersigned": ".countersigned.pdf",
    "countersigned_sig": ".countersigned.pdf.sig",
}


def write(folder: Path, files: PacketFilesGiven) -> None:
    """The packet's files under the name NAME, and the signers file."""
    for field, suffix in SUFFIXES.items():
        raw = getattr(files, field)
        if raw is not None:
            (folder / f"NAME{suffix}").write_bytes(raw)
    (folder / "signers.json").write_bytes(signers_document(making.signers()))


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


def test_valid(folder: Path) -> None:
    code, told = run("NAME.json", "NAME.pdf", "NAME.countersigned.pdf", "--signers", "signers.json")
    assert code == 0, told
    assert "VALID: Everything that was checked is as it must be." in told
    assert making.NAME in told and "Not checked:" in told
    assert "ok" in told and "[pdf_unchanged]" in told


def test_every_file_may_be_named(folder: Path) -> None:
    code, told = run(
        *sorted(path.name for path in folder.glob("NAME.*")), "--signers", "signers.json"
    )
    assert code == 0, told


def test_for_programs(folder: Path) -> None:
    code, told = run("NAME.countersigned.pdf", "--signers", "signers.json", "--json")
    answer = json.loads(told)
    assert (code, answer["verdict"]) == (0, "VALID")
    assert answer["countersigner"] == "officer" and not answer["document_checked"]


def test_invalid(folder: Path) -> None:
    raw = (folder / "NAME.pdf").read_bytes()
    (folder / "NAME.pdf").write_bytes(raw + b"\n")
    code, told = run("NAME.pdf", "--signers", "signers.json")
    assert code == 1
    assert "[pdf_not_covered]" in told and "INVALID" in told


def test_a_countersignature_can_be_asked_for(tmp_path: Path, monkeypatch: Any) -> None:
    said = making.content(signaturePolicy={"signatures": 1, "countersignatures": 0})
    made = making.made_of(said)
    write(tmp_path, made.with_(countersigned=None, countersigned_sig=None))
    monkeypatch.chdir(tmp_path)
    arguments = ("NAME.json", "NAME.pdf", "--signers", "signers.json")
    assert run(*arguments)[0] == 0
    code, told = run(*arguments, "--require-countersign")
    assert code == 1 and "[countersignature_missing]" in told


@pytest.mark.parametrize(
    "arguments",
    [
        ("NAME.txt", "--signers", "signers.json"),
        ("NAME.json", "x/NAME.json", "--signers", "signers.json"),
    ],
    ids=["another name", "two of a kind"],
)
def test_wrong_usage(folder: Path, arguments: tuple[str, ...]) -> None:
    assert run(*arguments)[0] == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ("NAME.json", "--signers", "signers.json"),
        ("OTHER.json", "--signers", "signers.json"),
        ("NAME.json", "--signers", "nowhere.json"),
        ("NAME.json", "--signers", "NAME.json"),
    ],
    ids=["without the PDF", "no such file", "no signers", "not a signers file"],
)
def test_could_not_check(folder: Path, arguments: tuple[str, ...]) -> None:
    assert run(*arguments)[0] == 3


@pytest.mark.django_db
def test_a_stored_packet_is_asked_for_by_somebody(world: World) -> None:
    assert run("SOC2_Evidence_x", "--as", "nobody at all")[0] == 2
    assert run("SOC2_Evidence_x", "y", "--as", "audrey")[0] == 2
    code, told = run("SOC2_Evidence_x_2026-01-01_2026-01-31", "--as", "audrey")
    assert code == 3 and "no such packet" in told


@pytest.mark.django_db
def test_without_signers_the_installations_own_keys_count(folder: Path, world: World) -> None:
    code, told = run("NAME.countersigned.pdf")
    assert code == 1 and "[key_unknown]" in told


# --- the guide, as typed --------------------------------------------------------------------------


def blocks(heading: str) -> list[str]:
    """The shell lines under a heading of the guide."""
    section = GUIDE.read_text().partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"```bash\n(.*?)```", section, re.DOTALL)


def typed(folder: Path, lines: str) -> subprocess.CompletedProcess[str]:
    """What a shell says to these lines, the first one that fails being the last."""
    return subprocess.run(
        ["bash", "-e", "-c", lines], cwd=folder, capture_output=True, text=True, check=False
    )


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


def test_the_lines_with_our_verifier(folder: Path) -> None:
    lines = blocks("With our verifier")[0].splitlines()
    assert len(lines) == 3
    for line in lines[:2]:
        program, script, command, *arguments = shlex.split(line)
        assert (program, script, command) == ("python", "manage.py", "verify_packet")
        assert run(*arguments)[0] == 0, line
