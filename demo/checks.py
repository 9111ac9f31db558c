"""Verifies the package three ways, and the archived log; prints what each said."""

from __future__ import annotations

import base64
import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from demo.client import Client


@dataclass(frozen=True)
class Files:
    """The package, what lies beside it, and the public keys."""

    bundle_id: str
    package_name: str
    package: Path
    sig: Path
    signature: Path
    countersign: Path
    signers: Path
    public_key: Path
    sha256: str


def three_ways(client: Client, files: Files, *, expect_valid: bool) -> list[bool]:
    """Verifies by the service, the offline verifier and openssl; tells whether as expected."""
    print(
        "\n3. Verified three ways" if expect_valid else "\n4. The same after one byte was flipped"
    )
    results = []
    for name, valid in (
        ("service          ", service(client, files)),
        ("evidence.verify  ", offline(files)),
        ("openssl+sha256sum", openssl(files)),
    ):
        expected = "" if valid == expect_valid else "   <- not as expected"
        print(f"   {name}  {'VALID' if valid else 'INVALID'}{expected}")
        results.append(valid == expect_valid)
    return results


def service(client: Client, files: Files) -> bool:
    """Asks the running service."""
    answer = client.post_json(
        "/compliance/evidence/verify",
        {"package_path": files.package_name, "require_countersign": True},
    )
    return answer["verdict"] == "VALID"


def offline(files: Files) -> bool:
    """Runs the offline verifier, which needs neither the service nor Django."""
    command = [sys.executable, "-m", "evidence.verify", str(files.package)]
    command += ["--signers", str(files.signers), "--require-countersign"]
    code = subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode
    if code not in (0, 1):
        raise SystemExit(f"evidence.verify could not check the package: exit code {code}")
    return code == 0


def openssl(files: Files) -> bool:
    """Does it with what every system has: sha256sum and openssl."""
    told = f"{files.sha256.removeprefix('sha256:')}  {files.package}\n"
    digest = subprocess.run(["sha256sum", "--check", "--status"], input=told.encode(), check=False)
    with tempfile.NamedTemporaryFile() as signature:
        signature.write(base64.b64decode(files.sig.read_bytes()))
        signature.flush()
        command = ["openssl", "dgst", "-sha256", "-verify", str(files.public_key)]
        command += ["-signature", signature.name, str(files.package)]
        signed = subprocess.run(command, capture_output=True, check=False)
    return digest.returncode == 0 and signed.returncode == 0


def log_verifies(folder: Path, signers: Path) -> bool:
    """Verifies the archived log offline, and tells what came of it."""
    command = [sys.executable, "-m", "audit.verify", str(folder), "--signers", str(signers)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        raise SystemExit(f"audit.verify could not check the log: {done.stderr}")
    verdict = done.stdout.strip().splitlines()[-1]
    print(f"   audit.verify       {verdict}")
    return done.returncode == 0


def last_segment(folder: Path) -> Path:
    """The newest segment of an archive."""
    return max(folder.rglob("*.jsonl"))


@contextlib.contextmanager
def one_flipped_byte(path: Path) -> Iterator[None]:
    """Changes one byte in the middle of a stored file, and puts it back in the end."""
    mode = path.stat().st_mode
    original = path.read_bytes()
    place = len(original) // 2
    path.chmod(0o600)
    try:
        with path.open("r+b") as file:
            file.seek(place)
            file.write(bytes([original[place] ^ 0x01]))
        yield
    finally:
        with path.open("r+b") as file:
            file.seek(place)
            file.write(original[place : place + 1])
        path.chmod(mode)
