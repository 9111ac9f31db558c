"""`python -m reports.verify`, run as an auditor runs it: another process, without Django."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from sealing import digests, timestamps
from tests.cli.packages import NOT_FOR_AUDITORS, PROJECT, run_blocked
from tests.cli.packets import SUFFIXES, write
from tests.servers.tsa import Authority
from tests.unit.reports import making

# What an installation has besides, and the guide does not ask an auditor to install.
NOT_ASKED_FOR = NOT_FOR_AUDITORS | {
    "boto3",
    "django_q",
    "orjson",
    "prometheus_client",
    "reportlab",
    "rfc3161_client",
    "structlog",
    "xhtml2pdf",
}
ALL = ("NAME.json", "NAME.pdf", "NAME.countersigned.pdf")
SIGNERS = ("--signers", "signers.json")
Done = subprocess.CompletedProcess[str]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a good packet."""
    write(tmp_path, making.make().files)
    return tmp_path


def run(
    folder: Path, *arguments: str, blocked: frozenset[str] = NOT_ASKED_FOR, **environment: str
) -> Done:
    """What the command says in that folder."""
    return run_blocked(
        "reports.verify", arguments, folder, blocked=blocked, environment=environment
    )


def test_valid(folder: Path) -> None:
    done = run(folder, *ALL, *SIGNERS, "--require-countersign")
    assert (done.returncode, done.stderr) == (0, "")
    assert "VALID: Everything that was checked is as it must be." in done.stdout
    assert making.NAME in done.stdout and "Not checked:" in done.stdout
    assert "[pdf_unchanged]" in done.stdout and "countersigned by" in done.stdout


def test_run_as_a_module(folder: Path) -> None:
    """With everything installed, nothing of Django's is imported: -X importtime lists it all."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "reports.verify", *ALL, *SIGNERS],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert {"pyhanko", "reports.verify_files"} <= imported
    assert not {name.partition(".")[0] for name in imported} & NOT_FOR_AUDITORS


def test_every_file_may_be_named(folder: Path) -> None:
    done = run(folder, *sorted(path.name for path in folder.glob("NAME.*")), *SIGNERS)
    assert done.returncode == 0, done.stdout


def test_a_signature_may_lie_elsewhere(folder: Path) -> None:
    (folder / "sigs").mkdir()
    (folder / "NAME.json.sig").rename(folder / "sigs" / "NAME.json.sig")
    lacking = run(folder, *ALL, *SIGNERS)
    assert lacking.returncode == 1 and "[signature_missing]" in lacking.stdout
    done = run(folder, *ALL, "sigs/NAME.json.sig", *SIGNERS)
    assert done.returncode == 0, done.stdout


def test_what_is_named_comes_before_what_lies_beside(folder: Path) -> None:
    (folder / "other").mkdir()
    (folder / "other" / "NAME.json.sig").write_bytes(making.sig(b"another file"))
    done = run(folder, *ALL, "other/NAME.json.sig", *SIGNERS)
    assert done.returncode == 1 and "[signature_invalid]" in done.stdout


def test_a_signature_leads_to_its_file(folder: Path) -> None:
    done = run(folder, "NAME.countersigned.pdf.sig", *SIGNERS)
    assert done.returncode == 0 and "[pdf_unchanged]" in done.stdout
    (folder / "NAME.countersigned.pdf").unlink()
    done = run(folder, "NAME.countersigned.pdf.sig", *SIGNERS)
    assert done.returncode != 0 and "[file_missing]" in done.stdout


def test_for_programs(folder: Path) -> None:
    done = run(folder, "NAME.countersigned.pdf", *SIGNERS, "--json")
    answer = json.loads(done.stdout)
    assert (done.returncode, answer["verdict"], answer["issues"]) == (0, "VALID", [])
    assert answer["countersigner"] == "officer" and not answer["document_checked"]


@pytest.mark.parametrize("suffix", SUFFIXES.values())
def test_a_flipped_bit(folder: Path, suffix: str) -> None:
    """In each file of the packet, alone; the tests of the format flip many more."""
    file, chance = folder / f"NAME{suffix}", random.Random(suffix)
    bad = bytearray(file.read_bytes())
    position = chance.randrange(len(bad))
    bad[position] ^= 1 << chance.randrange(8)
    file.write_bytes(bad)
    done = run(folder, *ALL, *SIGNERS)
    assert done.returncode == 1, (position, done.stdout, done.stderr)


def test_a_countersignature_can_be_asked_for(tmp_path: Path) -> None:
    said = making.content(signaturePolicy={"signatures": 1, "countersignatures": 0})
    made = making.made_of(said)
    write(tmp_path, made.with_(countersigned=None, countersigned_sig=None))
    assert run(tmp_path, "NAME.json", "NAME.pdf", *SIGNERS).returncode == 0
    done = run(tmp_path, "NAME.json", "NAME.pdf", *SIGNERS, "--require-countersign")
    assert done.returncode == 1 and "[countersignature_missing]" in done.stdout


def test_timestamps(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "tsa")
    made = making.make()
    first = making.first(
        making.plain_pdf(digests.sha256_tag(made.json)),
        timestamper=lambda digest: authority.stamp(timestamps.request_bytes(digest, 7)),
    )
    second = making.second(first)
    write(
        tmp_path, made.with_(pdf=None, pdf_sig=None, countersigned=second, countersigned_sig=None)
    )
    (tmp_path / "tsa.pem").write_bytes(authority.certificates)
    unnamed = run(tmp_path, "NAME.json", "NAME.countersigned.pdf")
    assert unnamed.returncode == 0 and "[timestamp_not_checked]" in unnamed.stdout
    named = ("NAME.json", "NAME.countersigned.pdf", "--tsa-certificates", "tsa.pem")
    done = run(tmp_path, *named, blocked=NOT_ASKED_FOR - {"rfc3161_client"})
    assert done.returncode == 0 and "[timestamp_valid]" in done.stdout
    lacking = run(tmp_path, *named)
    assert lacking.returncode == 3 and "rfc3161-client" in lacking.stderr


def test_signers_file_by_environment_and_by_name(folder: Path) -> None:
    assert run(folder, *ALL).returncode == 0
    (folder / "signers.json").rename(folder / "kept.json")
    done = run(folder, *ALL)
    assert (done.returncode, done.stdout) == (3, "")
    assert "no signers file" in done.stderr
    assert run(folder, *ALL, AUDIT_SIGNERS_FILE="kept.json").returncode == 0


def test_keys_of_somebody_else(folder: Path) -> None:
    value = json.loads((folder / "signers.json").read_bytes())
    (folder / "signers.json").write_text(json.dumps({**value, "signers": []}))
    done = run(folder, *ALL)
    assert done.returncode == 1 and "[key_unknown]" in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("NAME.txt",),
        ("NAME.json", "x/NAME.json"),
        ("NAME.json.sig", "x/NAME.json.sig"),
        ("NAME.json", "--force"),
    ],
    ids=["nothing", "another name", "two of a kind", "two signatures", "an unknown option"],
)
def test_wrong_usage(folder: Path, arguments: tuple[str, ...]) -> None:
    done = run(folder, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert "usage: python -m reports.verify" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("NAME.json",),
        ("OTHER.json",),
        ("NAME.json", "OTHER.pdf.sig"),
        ("folder.pdf",),
        ("pipe.pdf",),
        ("circle.pdf",),
        (*ALL, "--signers", "nowhere.json"),
        (*ALL, "--signers", "NAME.json"),
        (*ALL, "--tsa-certificates", "nowhere.pem"),
    ],
    ids=[
        "without the PDF",
        "no such file",
        "no such signature",
        "a folder",
        "a pipe",
        "a link to itself",
        "no signers",
        "not a signers file",
        "no certificates",
    ],
)
def test_could_not_check(folder: Path, arguments: tuple[str, ...]) -> None:
    (folder / "folder.pdf").mkdir()
    os.mkfifo(folder / "pipe.pdf")
    (folder / "circle.pdf").symlink_to("circle.pdf")
    done = run(folder, *arguments, "--json")
    assert done.returncode == 3, done.stderr
    assert json.loads(done.stdout)["verdict"] == "INCONCLUSIVE"


def test_a_missing_package_makes_nothing_invalid(folder: Path) -> None:
    done = run(folder, *ALL, blocked=NOT_FOR_AUDITORS | {"pyhanko"})
    assert done.returncode == 3 and "pyhanko" in done.stderr


def test_help_tells_the_exit_codes(folder: Path) -> None:
    done = run(folder, "--help")
    assert done.returncode == 0
    assert "3 could not check" in done.stdout
