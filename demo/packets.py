"""The demo's SOC 2 packet: made, countersigned, verified by openssl and by our verifier."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from demo import checks
from demo.client import Client


@dataclass(frozen=True)
class PacketFiles:
    """A packet's files, fetched as an auditor would, and the public keys."""

    json: Path
    pdf: Path
    signers: Path
    public_key: Path


def make_packet(client: Client, home: Path, people: dict[str, Any]) -> PacketFiles:
    """The platform's packet of today: Olivia asks for it, Oscar countersigns it."""
    print("\n5. A SOC 2 packet of today")
    today = datetime.now(UTC).date()
    period = {"startDate": f"{today}", "endDate": f"{today}"}
    client.sign_in("olivia", people["accounts"]["olivia"]["password"])
    packet = client.post_json("/api/compliance/packets", period)
    if "run_id" in packet and "name" not in packet:
        raise SystemExit(f"The packet is still being made by run {packet['run_id']}.")
    name = packet["name"]
    print(f"   {name}, signed by the service")
    if packet["countersignature"] is None:
        officer, account = Client(client.base_url), people["accounts"]["oscar"]
        officer.sign_in("oscar", account["password"])
        officer.post_json(
            f"/api/compliance/packets/{name}/countersign",
            {"signing_key_id": account["signing_key_id"], "password": account["password"]},
        )
        print("   Oscar countersigned it with a key of his own")
    folder = home / "public" / name
    folder.mkdir(parents=True, exist_ok=True)
    packet = json.loads(client.get_raw(f"/api/compliance/packets/{name}"))
    for file in packet["files"]:
        raw = client.get_raw(f"/api/compliance/packets/{name}/files/{file['name']}")
        (folder / file["name"]).write_bytes(raw)
    keys = home / "public"
    (keys / "signers.json").write_bytes(client.get_raw("/api/compliance/public-keys"))
    return PacketFiles(
        json=folder / f"{name}.json",
        pdf=folder / f"{name}.countersigned.pdf",
        signers=keys / "signers.json",
        public_key=keys / "public_key.pem",
    )


def verified(files: PacketFiles) -> bool:
    """Verifies JSON and PDF as they are, then each with one byte flipped; tells whether it fits."""
    good = []
    for path in (files.json, files.pdf):
        honest = (_openssl(files, path), _offline(files))
        with checks.one_flipped_byte(path):
            forged = (_openssl(files, path), _offline(files))
        kind = path.suffix[1:].upper()
        print(
            f"   {kind:<5} openssl {_word(honest[0])}, reports.verify {_word(honest[1])};", end=""
        )
        print(f" one byte flipped: {_word(forged[0])}, {_word(forged[1])}")
        good.append(all(honest) and not any(forged))
    return all(good)


def _word(valid: bool) -> str:
    return "VALID" if valid else "INVALID"


def _openssl(files: PacketFiles, path: Path) -> bool:
    signature = base64.b64decode(Path(f"{path}.sig").read_bytes())
    with tempfile.NamedTemporaryFile() as raw:
        raw.write(signature)
        raw.flush()
        command = ["openssl", "dgst", "-sha256", "-verify", str(files.public_key)]
        command += ["-signature", raw.name, str(path)]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _offline(files: PacketFiles) -> bool:
    command = [sys.executable, "-m", "reports.verify", str(files.json), str(files.pdf)]
    command += ["--signers", str(files.signers), "--require-countersign"]
    root = Path(__file__).resolve().parent.parent
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=root)
    if done.returncode not in (0, 1):
        raise SystemExit(f"reports.verify could not check the packet: {done.stdout}{done.stderr}")
    return done.returncode == 0
