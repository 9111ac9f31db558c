"""Timestamps and compromised keys by command line: ours, and openssl's as the docs type it."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from sealing.keys import Signers
from sealing.times import format_time
from tests.cli.packages import NOT_FOR_AUDITORS, PROJECT, Folder, shell, two_lines
from tests.servers import tsa
from tests.servers.tsa import Authority
from tests.unit.evidence import making
from tests.unit.evidence.making import BUNDLE, Made, Recipe, make
from tests.unit.evidence.stamping import stamped, time_of

GUIDE = (PROJECT / "docs" / "auditors" / "verifying.md").read_text(encoding="utf-8")
SECOND = timedelta(seconds=1)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def made(authority: Authority) -> Made:
    return stamped(authority, make(Recipe(log=making.log_lines(3), chosen=two_lines())))


@pytest.fixture
def folder(tmp_path: Path, made: Made, authority: Authority) -> Folder:
    (tmp_path / "tsa.pem").write_bytes(authority.certificates)
    return Folder(tmp_path).write(made)


def compromised(at: datetime) -> Signers:
    entry = making.trusted(
        "package", "package", status="compromised", compromised_at=format_time(at)
    )
    return making.signers(entry)


def flip(path: Path, place: int) -> None:
    raw = bytearray(path.read_bytes())
    raw[place] ^= 1
    path.write_bytes(raw)


# --- ours -----------------------------------------------------------------------------------------


def test_checked(folder: Folder) -> None:
    done = folder.verify("--tsa-certificates", "tsa.pem")
    assert (done.returncode, done.stderr) == (0, "")
    assert "UTC by CN=Test Authority. [timestamp_valid]" in done.stdout
    assert "Not checked" not in done.stdout
    told = json.loads(folder.verify("--tsa-certificates", "tsa.pem", "--json").stdout)
    assert (told["timestamp_checked"], told["timestamp_valid"]) == (True, True)
    assert (told["verdict"], told["issues"]) == ("VALID", [])


def test_not_checked_and_said_so(folder: Folder) -> None:
    done = folder.verify()
    assert done.returncode == 0
    assert "note     The timestamp beside the package was not checked" in done.stdout
    assert "Not checked: timestamp." in done.stdout
    told = json.loads(folder.verify("--json").stdout)
    assert (told["timestamp_checked"], told["verdict"], told["issues"]) == (False, "VALID", [])
    assert "no authority to trust was named" in told["message"]


@pytest.mark.parametrize("name", ["package", "timestamp"])
def test_one_changed_byte(folder: Folder, name: str) -> None:
    flip(folder.package if name == "package" else folder.sidecar(name), 200)
    done = folder.verify("--tsa-certificates", "tsa.pem")
    assert done.returncode == 1
    assert "FAILED   The timestamp does not hold" in done.stdout


def test_another_authority(folder: Folder) -> None:
    (folder.path / "tsa.pem").write_bytes(tsa.make_ca("Stranger").pem)
    done = folder.verify("--tsa-certificates", "tsa.pem")
    assert done.returncode == 1
    assert "[timestamp_invalid]" in done.stdout


@pytest.mark.parametrize("raw", [None, b"", b"not PEM"], ids=["absent", "empty", "rubbish"])
def test_certificates_that_can_not_be_read(folder: Folder, raw: bytes | None) -> None:
    """What was asked for could not be done: that is no success."""
    path = folder.path / "other.pem"
    if raw is not None:
        path.write_bytes(raw)
    done = folder.verify("--tsa-certificates", "other.pem", "--json")
    assert done.returncode == 3
    assert json.loads(done.stdout)["verdict"] == "INCONCLUSIVE"
    assert "certificates" in done.stderr


def test_without_the_library_for_timestamps(folder: Folder) -> None:
    blocked = NOT_FOR_AUDITORS | {"rfc3161_client"}
    arguments = [str(folder.package), "--signers", str(folder.signers)]
    assert folder.run(*arguments, blocked=blocked).returncode == 0
    done = folder.run(*arguments, "--tsa-certificates", "tsa.pem", blocked=blocked)
    assert (done.returncode, done.stdout) == (3, "")
    assert "rfc3161-client" in done.stderr


def test_a_compromised_key(folder: Folder, made: Made, authority: Authority) -> None:
    """0, 1 or 3, as the timestamp is older, is not, or nobody could tell."""
    stamped_at = time_of(authority, made)
    checked = ("--tsa-certificates", "tsa.pem")
    folder.write(made, compromised(stamped_at + SECOND))
    assert folder.verify(*checked).returncode == 0
    open_question = folder.verify()
    assert open_question.returncode == 3
    assert "UNKNOWN" in open_question.stdout and "[timestamp_needed]" in open_question.stdout
    folder.sidecar("timestamp").unlink()
    assert folder.verify(*checked).returncode == 1
    folder.write(made, compromised(stamped_at))
    done = folder.verify(*checked)
    assert done.returncode == 1
    assert "[key_compromised]" in done.stdout


def test_after_a_rotation(folder: Folder, made: Made) -> None:
    """The same signers file verifies what the old key signed and what the new one signs."""
    old = making.trusted("package", "package", status="retired", not_after=format_time(making.MADE))
    signers = making.signers(old, making.trusted("package2", "package"))
    assert folder.write(made, signers).verify().returncode == 0
    recipe = Recipe(log=making.log_lines(3), chosen=two_lines(), package_key="package2")
    folder.sidecar("timestamp").unlink()
    assert folder.write(make(recipe), signers).verify().returncode == 0
    without = replace(signers, keys=signers.keys[:-1])
    assert folder.write(make(recipe), without).verify().returncode == 1


# --- openssl, as the guide has it -----------------------------------------------------------------


def commands(*beginnings: str) -> list[str]:
    """The guide's lines that begin so, about this package."""
    lines = re.findall(r"```bash\n(.*?)```", GUIDE, re.DOTALL)
    typed = [line for block in lines for line in block.splitlines() if line.startswith(beginnings)]
    assert typed
    return [line.replace("NAME", BUNDLE) for line in typed]


def test_openssl_as_typed(folder: Folder, made: Made, authority: Authority) -> None:
    verify, show = commands("openssl ts")
    done = shell(verify, folder.path)
    assert (done.returncode, done.stdout) == (0, "Verification: OK\n")
    shown = shell(show, folder.path).stdout
    moment = time_of(authority, made)
    assert f"Time stamp: {moment:%b} {moment.day:2d} {moment:%H:%M:%S %Y} GMT" in shown


def test_openssl_by_the_digest_alone(folder: Folder, made: Made) -> None:
    (verify, _) = commands("openssl ts")
    digest = made.digest.removeprefix("sha256:")
    by_digest = verify.replace(f"-data {BUNDLE}.zip", f"-digest {digest}")
    assert by_digest != verify
    assert shell(by_digest, folder.path).returncode == 0
    folder.package.unlink()
    assert shell(by_digest, folder.path).returncode == 0


@pytest.mark.parametrize("name", ["package", "timestamp"])
def test_openssl_refuses_one_changed_byte(folder: Folder, name: str) -> None:
    path = folder.package if name == "package" else folder.sidecar(name)
    flip(path, path.stat().st_size - 5)
    done = shell(commands("openssl ts")[0], folder.path)
    assert done.returncode != 0
    assert folder.verify("--tsa-certificates", "tsa.pem").returncode == 1


def test_ours_as_typed(folder: Folder) -> None:
    (folder.path / "signers.json").write_bytes(folder.signers.read_bytes())
    for line in commands("python -m evidence.verify"):
        arguments = line.removeprefix("python -m evidence.verify ").split()
        assert folder.run(*arguments).returncode == 0, line
