"""`python -m evidence.verify`, run as an auditor runs it: another process, without Django."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from sealing.keys import signers_document
from tests.cli.packages import PROJECT, Folder, shell, two_lines
from tests.unit.evidence import making
from tests.unit.evidence.making import Recipe, make


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path).write(make(Recipe(log=making.log_lines(3), chosen=two_lines())))


def test_valid(folder: Folder) -> None:
    done = folder.verify("--require-countersign")
    assert (done.returncode, done.stderr) == (0, "")
    assert "VALID: " in done.stdout
    assert "officer countersigned" in done.stdout
    assert "Not checked: timestamp." in done.stdout


def test_run_as_a_module(folder: Folder) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "evidence.verify", folder.package, "--signers", folder.signers],
        cwd=PROJECT,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0


def test_json(folder: Folder) -> None:
    done = folder.verify("--json")
    told = json.loads(done.stdout)
    assert (done.returncode, told["verdict"], told["countersign_count"]) == (0, "VALID", 1)
    assert told["package_sha256"].startswith("sha256:")
    assert told["issues"] == []


@pytest.mark.parametrize("name", ["sig", "signature", "countersign"])
def test_a_sidecar_less(folder: Folder, name: str) -> None:
    folder.sidecar(name).unlink()
    done = folder.verify()
    assert done.returncode == 1
    assert "INVALID: " in done.stdout
    assert "FAILED" in done.stdout


def test_unsigned_could_not_be_checked(tmp_path: Path) -> None:
    folder = Folder(tmp_path).write(make(Recipe(signatures=0, countersignatures=0)))
    done = folder.verify()
    assert done.returncode == 3
    assert "UNKNOWN" in done.stdout


def test_countersignature_asked_for(tmp_path: Path) -> None:
    folder = Folder(tmp_path).write(make(Recipe(countersignatures=0), countersign_with=()))
    assert folder.verify().returncode == 0
    assert folder.verify("--require-countersign").returncode == 1


def test_fifty_flipped_bits(folder: Folder) -> None:
    """Fifty of them, spread over the package and its sidecars, each alone."""
    chance = random.Random(50)
    files = [folder.package, *(folder.sidecar(n) for n in ("sig", "signature", "countersign"))]
    for number in range(50):
        file = files[number % len(files)]
        good = file.read_bytes()
        bad = bytearray(good)
        position = chance.randrange(len(good))
        bad[position] ^= 1 << chance.randrange(8)
        file.write_bytes(bad)
        done = folder.verify()
        assert done.returncode == 1, (file.name, position, done.stdout, done.stderr)
        file.write_bytes(good)
    assert folder.verify().returncode == 0


def test_no_signers_file(folder: Folder) -> None:
    done = folder.run(str(folder.package))
    assert (done.returncode, done.stdout) == (3, "")
    assert "no signers file" in done.stderr


def test_signers_file_by_environment_and_by_name(folder: Folder) -> None:
    done = folder.run(str(folder.package), AUDIT_SIGNERS_FILE=str(folder.signers))
    assert done.returncode == 0
    (folder.path / "signers.json").write_bytes(folder.signers.read_bytes())
    assert folder.run(str(folder.package)).returncode == 0


def test_a_signers_file_inside_the_package_is_not_believed(tmp_path: Path) -> None:
    inside = signers_document(making.signers())
    folder = Folder(tmp_path).write(make(Recipe(added={"signers.json": inside})))
    assert folder.run(str(folder.package)).returncode == 3
    assert folder.verify().returncode == 0


@pytest.mark.parametrize("raw", [b"", b"{}", b"not json", b'{"origin":"x","signers":[],"more":1}'])
def test_a_signers_file_that_is_none(folder: Folder, raw: bytes) -> None:
    folder.signers.write_bytes(raw)
    done = folder.verify("--json")
    assert done.returncode == 3
    assert json.loads(done.stdout)["verdict"] == "INCONCLUSIVE"


def test_keys_of_somebody_else(folder: Folder) -> None:
    value = json.loads(folder.signers.read_bytes())
    value["signers"] = []
    folder.signers.write_text(json.dumps(value))
    assert folder.verify().returncode == 1


def test_nothing_there(folder: Folder) -> None:
    done = folder.run(str(folder.path / "other.zip"), "--signers", str(folder.signers))
    assert done.returncode == 3
    assert "there is no file" in done.stderr


def test_a_folder_or_a_pipe_is_no_package(folder: Folder) -> None:
    assert folder.run(str(folder.path), "--signers", str(folder.signers)).returncode == 3
    os.mkfifo(folder.path / "pipe.zip")
    done = folder.run(str(folder.path / "pipe.zip"), "--signers", str(folder.signers))
    assert done.returncode == 3


def test_an_empty_file_is_invalid(folder: Folder) -> None:
    folder.package.write_bytes(b"")
    assert folder.verify().returncode == 1


@pytest.mark.parametrize("arguments", [(), ("a.zip", "b.zip"), ("a.zip", "--force")])
def test_wrong_usage(folder: Folder, arguments: tuple[str, ...]) -> None:
    assert folder.run(*arguments).returncode == 2


def test_help_tells_the_exit_codes(folder: Folder) -> None:
    done = folder.run("--help")
    assert done.returncode == 0
    assert "3 could not check" in done.stdout


# --- what README.txt says, done as it says --------------------------------------------------------


def readme_of(folder: Folder) -> str:
    inside = folder.path / "inside"
    with zipfile.ZipFile(folder.package) as archive:
        archive.extractall(inside)
    return (inside / "README.txt").read_text()


def test_readme_openssl(folder: Folder) -> None:
    (folder.path / "public_key.pem").write_text(making.key("package").public_key_pem)
    commands = [
        line.strip()
        for line in readme_of(folder).splitlines()
        if line.strip().startswith(("base64 -d evidence", "openssl dgst"))
    ]
    assert len(commands) == 2
    done = shell("\n".join(commands), folder.path)
    assert (done.returncode, done.stdout) == (0, "Verified OK\n")
    data = folder.package.read_bytes()
    folder.package.write_bytes(data[:100] + bytes([data[100] ^ 1]) + data[101:])
    assert shell("\n".join(commands), folder.path).returncode != 0


def test_readme_line_hashes(folder: Folder) -> None:
    text = readme_of(folder)
    start, end = text.index("while IFS"), text.index("done < audit_events.jsonl")
    loop = text[start:end] + "done < audit_events.jsonl"
    done = shell(loop, folder.path / "inside")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    lines = folder.path / "inside" / "audit_events.jsonl"
    lines.write_bytes(lines.read_bytes().replace(b"user:alice", b"user:mallo", 1))
    assert shell(loop, folder.path / "inside").stdout.count("differs: ") == 1
