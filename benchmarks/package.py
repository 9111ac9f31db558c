"""Packing a package of 1 GiB beside hashing it alone, and what memory a whole export takes."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import re
import secrets
import subprocess
import sys
import tarfile
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

from audit.ids import uuid7
from benchmarks.events import sent_event
from benchmarks.running import Row

MIB = int(os.environ.get("STRONGROOM_BENCH_PACKAGE_MIB", "1024"))
_FILE_MIB, _BLOCK = 8, 1 << 20
# The slow peers pack a part, since their speed does not depend on how much there is.
_PART = 8
_EVENT_BYTES = 3000
_CLIENT, _OFFICER = "bench-package", "bench-exporter"

# The interpreter's own memory is that after everything was imported and an empty package made.
_EXPORT = """
import django, json, re, sys
django.setup()
from access.models import User
from audit.events import Actor
from evidence.services.exporting import export_now
def peak():
    with open("/proc/self/status") as status:
        return int(re.search(r"VmHWM:\\s+(\\d+) kB", status.read())[1]) / 1024
actor = Actor.of(User.objects.get(username=sys.argv[1]))
def export(start, end):
    payload = {"client_id": sys.argv[2], "period_start": start, "period_end": end,
               "vault_mode": "none"}
    return export_now(actor=actor, payload=payload)
export("2025-01-01T00:00:00Z", "2025-01-02T00:00:00Z")
before = peak()
made = export("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z")
print(json.dumps({"above": peak() - before, "size": made.size_bytes, "events": made.event_count}))
"""


def rows(workdir: Path) -> Iterator[Row]:
    """The rows of this module."""
    files = _files(workdir)
    yield Row(
        f"pack {MIB:,} MiB; limit: SHA-256 of the same files alone",
        limit=lambda: _speed(lambda: _hash(files), len(files)),
        ours=lambda: _speed(lambda: _pack(files), len(files)),
        wanted="≥ 0.50",
        peers={
            "zipfile, stored": lambda: _speed(lambda: _zip(files, zipfile.ZIP_STORED), len(files)),
            "zipfile, deflated": lambda: _speed(
                lambda: _zip(files[: len(files) // _PART], zipfile.ZIP_DEFLATED),
                len(files) // _PART,
            ),
            "tar.gz, level 9": lambda: _speed(
                lambda: _tar(files[: len(files) // _PART]), len(files) // _PART
            ),
        },
        rounds=3,
        method="Files of 8 MiB, three in four of them lines of JSON, are packed in one pass that"
        " also checks their CRC and gives the digest of the package; like the limit and the peers"
        " it writes nowhere, so that the disk is not measured.",
    )
    yield Row(
        f"memory of exporting {MIB:,} MiB, above the interpreter's own",
        ours=_memory,
        wanted="≤ 64",
        unit="MiB",
        rounds=1,
        method=f"Events of about {_EVENT_BYTES:,} bytes are exported by the service in a process"
        " of its own: collected, each line verified, packed, signed and the file verified again."
        " Peak resident memory, less that after an empty export.",
    )


def _speed(work: Callable[[], object], count: int) -> float:
    start = time.perf_counter()
    work()
    return count * _FILE_MIB / (time.perf_counter() - start)


def _files(workdir: Path) -> list[Path]:
    folder = workdir / "package"
    folder.mkdir(exist_ok=True)
    lines = "".join(json.dumps(sent_event(n, str(n))) + "\n" for n in range(20_000)).encode()
    files = []
    for number in range(max(_PART, MIB // _FILE_MIB)):
        path = folder / f"part-{number:04d}.jsonl"
        size = _FILE_MIB << 20
        raw = secrets.token_bytes(size) if number % 4 == 3 else (lines * 8)[number : number + size]
        path.write_bytes(raw)
        files.append(path)
    return files


def _hash(files: list[Path]) -> None:
    for path in files:
        with path.open("rb") as file:
            hashlib.file_digest(file, "sha256")


def _pack(files: list[Path]) -> str:
    from evidence.formats.package import Member, package_chunks

    members = [
        Member(path.name, path.stat().st_size, _crc(path), lambda path=path: path.open("rb"))
        for path in files
    ]
    digest = hashlib.sha256()
    for chunk in package_chunks(members):
        digest.update(chunk)
    return digest.hexdigest()


@cache
def _crc(path: Path) -> int:
    """The CRC, which an export knows from when it collected the file."""
    crc = 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            crc = zlib.crc32(block, crc)
    return crc


class _Hashed(io.RawIOBase):
    """Takes what is written, and only its digest and length stay."""

    def __init__(self) -> None:
        self._digest, self._size = hashlib.sha256(), 0

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self._digest.update(data)
        self._size += len(data)
        return len(data)

    def tell(self) -> int:
        return self._size


def _zip(files: list[Path], method: int) -> None:
    with zipfile.ZipFile(_Hashed(), "w", method) as archive:  # type: ignore[arg-type]
        for path in files:
            archive.write(path, path.name)


def _tar(files: list[Path]) -> None:
    packed = gzip.GzipFile(fileobj=_Hashed(), mode="wb", compresslevel=9)  # type: ignore[arg-type]
    with packed, tarfile.open(fileobj=packed, mode="w|") as archive:
        for path in files:
            archive.add(path, path.name)


def _memory() -> float:
    _events()
    found = subprocess.run(
        [sys.executable, "-c", _EXPORT, _OFFICER, _CLIENT],
        cwd=Path(__file__).parent.parent,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "benchmarks.settings"},
        capture_output=True,
        text=True,
        check=False,
    )
    if found.returncode:
        raise SystemExit(f"the export failed: {found.stderr[-2000:]}")
    told = json.loads(re.findall(r"^\{.*\}$", found.stdout, re.MULTILINE)[-1])
    if told["size"] < MIB << 20:
        raise SystemExit(f"the package has {told['size'] >> 20} MiB only")
    return float(told["above"])


@cache
def _events() -> None:
    """Events of one client, as many as fill the package."""
    from access.models import Client, Grant, User
    from access.roles import Role
    from audit.events import Actor
    from audit.services.ingest import ingest
    from ops.services import people

    if not Grant.objects.exists():
        word = secrets.token_urlsafe(24)
        people.bootstrap(
            admin={"username": "bench-admin", "display_name": "Admin", "password": word},
            officer={"username": "bench-officer", "display_name": "Officer", "password": word},
        )
    admin = Actor.of(User.objects.get(username="bench-admin"))
    client = Client.objects.filter(pk=_CLIENT).first() or people.create_client(
        actor=admin, client_id=_CLIENT, name="Package"
    )
    maker = people.create_person_account(
        actor=admin, username=_OFFICER, display_name="Exporter", password=secrets.token_urlsafe(24)
    )
    sender = people.create_service_account(actor=admin, username="bench-package-sender")
    people.grant(actor=admin, user=sender, role=Role.AUTOMATION, client=client)
    people.grant(actor=admin, user=maker, role=Role.OFFICER, client=client)
    left, actor = MIB << 20, Actor.of(sender)
    while left > 0:
        batch = [_event(number) for number in range(2000)]
        ingest(actor=actor, events=batch)
        left -= 2000 * _EVENT_BYTES


def _event(number: int) -> dict[str, object]:
    event = sent_event(number, uuid7())
    event["occurred_at"] = "2026-01-02T03:04:05Z"
    event["data"] = {"record": secrets.token_hex(_EVENT_BYTES // 2)}
    return event
