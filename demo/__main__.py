"""`make demo`: the main job from end to end, over the real doors.

Real events go in by the API with a service account's key; one officer exports a signed package,
another countersigns it; the service, the offline verifier and openssl check it; then one byte is
flipped, and all three must refuse. So it goes with a SOC 2 packet. The log is archived and
verified, and refused too with one byte flipped. The exit code is 0 only if every verdict was the
expected one.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

from demo import checks, installation, packets
from demo.client import Client
from demo.server import running

ROOT = Path(__file__).resolve().parent.parent
SAMPLE = ROOT / "demo" / "data" / "cloudtrail-sample.ndjson"
PERIOD = ("2023-07-10T00:00:00Z", "2023-07-11T00:00:00Z")


def main() -> int:
    """Runs the demo; returns the process's exit code."""
    home = installation.data_folder(ROOT)
    people = installation.prepare(home)
    with running(home / "logs") as base_url:
        print(f"\nServing at {base_url} with a worker; logs are in {shown(home / 'logs')}.")
        files = make_package(Client(base_url), home, people)
        client = Client(base_url)
        client.sign_in("olivia", people["accounts"]["olivia"]["password"])
        honest = checks.three_ways(client, files, expect_valid=True)
        scheduled = register_job(Client(base_url), people)
        with checks.one_flipped_byte(files.package):
            refused = checks.three_ways(client, files, expect_valid=False)
        again = checks.offline(files)
        packet_ok = packets.verified(packets.make_packet(Client(base_url), home, people))
    archive = installation.archive_log()
    log_ok = checks.log_verifies(archive, files.signers)
    with checks.one_flipped_byte(checks.last_segment(archive)):
        log_refused = not checks.log_verifies(archive, files.signers)
    write_summary(home, files, archive)
    vault_ok = installation.vault_is_whole()
    good = all((*honest, scheduled, *refused, again, packet_ok, log_ok, log_refused, vault_ok))
    tell(home, good)
    return 0 if good else 1


def make_package(client: Client, home: Path, people: dict) -> checks.Files:
    """Events in, a signed and countersigned package out."""
    print("\n1. Events in")
    answer = client.post(
        "/api/audit/events?profile=cloudtrail",
        SAMPLE.read_bytes(),
        content_type="application/x-ndjson",
        token=people["ingest_api_key"],
    )
    print(
        f"   {answer['accepted']} CloudTrail events accepted,"
        f" {answer['duplicates']} were there already"
    )
    print("\n2. One officer exports, another countersigns")
    client.sign_in("olivia", people["accounts"]["olivia"]["password"])
    package = client.post_json(
        "/compliance/evidence/export",
        {
            "client_id": "clinic-001",
            "period_start": PERIOD[0],
            "period_end": PERIOD[1],
            "sign_bundle": True,
            "retention_policy": "hipaa_6y",
            "vault_mode": "local",
            "required_countersignatures": 1,
            "note": "Demonstration",
        },
    )
    print(f"   Olivia exported {package['bundle_id']} and the service signed it")
    print(f"   locked away as {package['vault_copy_path']}")
    officer = Client(client.base_url)
    account = people["accounts"]["oscar"]
    officer.sign_in("oscar", account["password"])
    entry = officer.post_json(
        "/compliance/evidence/countersign",
        {
            "package_path": package["package_path"],
            "signer": "oscar",
            "signing_key_id": account["signing_key_id"],
            "password": account["password"],
            "note": "Looked at the manifest and the sample",
        },
    )
    print(f"   Oscar countersigned it ({entry['entry_count']} of 1)")
    return collect(client, home, package)


def register_job(client: Client, people: dict) -> bool:
    """A monthly export by schedule, run once by hand; tells whether that succeeded."""
    client.sign_in("alice", people["accounts"]["alice"]["password"])
    name = "monthly-evidence-clinic-001"
    known = {job["name"]: job["id"] for job in json.loads(client.get_raw("/ops/jobs"))}
    if name not in known:
        job = client.post_json(
            "/ops/jobs",
            {
                "name": name,
                "job_type": "compliance_evidence_export",
                "schedule_cron": "0 4 1 * *",
                "owner": "alice",
                "payload": {"client_id": "clinic-001", "period": "previous_month"},
                "description": "The clinic's events of the month before",
                "enabled": True,
            },
        )
        known[name] = job["id"]
    run = client.post_json(f"/ops/jobs/{known[name]}/run?wait=30", {})
    print("\n   A monthly export is registered as a job; run by hand it ended", run["status"])
    return bool(run["status"] == "SUCCESS")


def collect(client: Client, home: Path, package: dict) -> checks.Files:
    """Names the package's files and fetches the public keys as an outsider would."""
    keys = home / "public"
    keys.mkdir(exist_ok=True)
    (keys / "signers.json").write_bytes(client.get_raw("/api/compliance/public-keys"))
    (keys / "public_key.pem").write_bytes(client.get_raw("/api/compliance/public-key"))
    path = home / "packages" / package["package_path"]
    stem = path.with_suffix("")
    return checks.Files(
        bundle_id=package["bundle_id"],
        package_name=package["package_path"],
        package=path,
        sig=Path(f"{path}.sig"),
        signature=Path(f"{stem}.signature.json"),
        countersign=Path(f"{stem}.countersign.json"),
        signers=keys / "signers.json",
        public_key=keys / "public_key.pem",
        sha256=package["package_sha256"],
    )


def write_summary(home: Path, files: checks.Files, archive: Path) -> None:
    """Writes `summary.json`, which names each file for scripts."""
    summary = {
        "bundle_id": files.bundle_id,
        "package_path": str(files.package),
        "sig_path": str(files.sig),
        "signature_path": str(files.signature),
        "countersign_path": str(files.countersign),
        "signers_path": str(files.signers),
        "public_key_path": str(files.public_key),
        "audit_archive_path": str(archive),
    }
    (home / "summary.json").write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")


def tell(home: Path, good: bool) -> None:
    """Says what came of it and where to go on."""
    print(
        "\nEvery verdict was as it had to be."
        if good
        else "\nNOT every verdict was as it had to be: see above."
    )
    print(
        f"""
Files      {shown(home / "packages")}
           {shown(home / "summary.json")} names each of them
Accounts   {shown(home / "credentials.json")}
Admin      make run, then open http://127.0.0.1:8000/admin/ (PORT=9000 make run for another port)
           and sign in as olivia or oscar"""
    )


def shown(path: Path) -> str:
    """A path as one would type it here."""
    return os.path.relpath(path, Path.cwd())


if __name__ == "__main__":
    if shutil.which("openssl") is None:
        sys.exit("The demo needs openssl: apt-get install openssl")
    sys.exit(main())
