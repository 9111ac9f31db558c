"""Verifying an archive in S3, beside awscli's `cloudtrail validate-logs` on the same server."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from audit.sources import Source, StoreSource, open_source
from audit.verifying import verify_archive
from benchmarks.peers.environment import PeersMissing
from benchmarks.running import Row
from benchmarks.verify_archives import SEGMENT_EVENTS, Built, build
from sealing.keys import parse_signers
from sealing.stores.memory import MemoryStore
from sealing.stores.opening import S3Options

PROJECT = Path(__file__).parents[1]
OBJECTS = 24
EVENTS = OBJECTS * SEGMENT_EVENTS
BUCKET = "strongroom-bench"
PEER_FOLDER = PROJECT / "var" / "bench-venv-awscli"
INSTALL_SECONDS = 240
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "benchmark",
    "AWS_SECRET_ACCESS_KEY": "benchmark",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_DEFAULT_REGION": "us-east-1",
}


def rows(workdir: Path) -> Iterator[Row]:
    """The rows of this module; the server and the peers live as long as they are measured."""
    with contextlib.ExitStack() as stack:
        address = stack.enter_context(server())
        for name, value in CREDENTIALS.items():
            stack.callback(_restore, name, os.environ.get(name))
            os.environ[name] = value
        built = build(workdir / "s3", EVENTS, is_packed=True)
        upload(built, address)
        stored = in_memory(built)
        peer, own = Peer(address), Peer("memory")
        stack.callback(peer.close)
        stack.callback(own.close)
        yield Row(
            "verify S3 objects on moto; limit: awscli cloudtrail validate-logs, the same events",
            peer.measure,
            lambda: verify(built, opened(address)),
            "≥ 1.0",
            method=(
                f"{OBJECTS} objects of {SEGMENT_EVENTS:,} events on moto in a process of its own."
                " The peer checks one digest of each object and two signatures in all; ours every"
                " event, the tree, and a signed checkpoint and a frontier beside each object, so it"
                " asks the server three times as often. moto answers one request at a time on the"
                " same cores, so what is measured is mostly the server."
            ),
        )
        yield Row(
            "verify S3 objects without a server; limit: awscli cloudtrail validate-logs",
            own.measure,
            lambda: verify(built, StoreSource(stored)),
            "≥ 1.0",
            method=(
                "The same objects, handed to both from memory: what the programs themselves cost."
                " Ours unpacks in threads while it verifies, and proves every event."
            ),
        )


@contextlib.contextmanager
def server() -> Iterator[str]:
    """moto's server on a free port, in a process of its own; yields its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def upload(built: Built, address: str) -> None:
    """Puts the archive into a bucket with Object Lock."""
    import boto3

    client: Any = boto3.client("s3", endpoint_url=address)
    client.create_bucket(Bucket=BUCKET, ObjectLockEnabledForBucket=True)
    for path in sorted(built.root.rglob("*.*")):
        key = f"audit/{path.relative_to(built.root).as_posix()}"
        client.put_object(Bucket=BUCKET, Key=key, Body=path.read_bytes())


def in_memory(built: Built) -> MemoryStore:
    """The archive in a store in memory."""
    store = MemoryStore()
    for path in sorted(built.root.rglob("*.*")):
        store.put_new(path.relative_to(built.root).as_posix(), path.read_bytes())
    return store


@lru_cache
def opened(address: str) -> Source:
    """The archive on the server; the client is made once, as the peer's is."""
    options = S3Options(region="us-east-1", endpoint_url=address, force_path_style=True)
    return open_source(f"s3://{BUCKET}/audit", options)


def verify(built: Built, source: Source) -> float:
    """Ours, with listing; events a second."""
    signers = parse_signers(built.signers.read_bytes())
    start = time.perf_counter()
    report = verify_archive(source, signers)
    if report.checked_events != built.events or report.report.issues:
        raise SystemExit("the benchmark's own archive does not verify")
    return built.events / (time.perf_counter() - start)


class Peer:
    """awscli, in an environment and a process of its own, asked for one measurement at a time."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._process: subprocess.Popen[str] | None = None

    def measure(self) -> float:
        """Events a second. Raises PeersMissing."""
        if self._process is None:
            self._process = self._started()
        process = self._process
        if process.stdin is None or process.stdout is None:
            raise PeersMissing("awscli's process has no pipes")
        process.stdin.write("go\n")
        process.stdin.flush()
        answer = process.stdout.readline()
        if not answer:
            raise PeersMissing("awscli's validation failed")
        return EVENTS / float(json.loads(answer))

    def close(self) -> None:
        """Ends the process."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()

    def _started(self) -> subprocess.Popen[str]:
        command = [str(_python()), "-m", "benchmarks.verify_cloudtrail", self._address]
        surroundings = {"PATH": os.environ.get("PATH", ""), **CREDENTIALS}
        return subprocess.Popen(
            [*command, str(OBJECTS), str(SEGMENT_EVENTS)],
            cwd=PROJECT,
            env=surroundings,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )


def _python() -> Path:
    """The interpreter beside which awscli is installed; made once."""
    python, ready = PEER_FOLDER / "bin" / "python", PEER_FOLDER / ".complete"
    if ready.exists():
        return python
    try:
        subprocess.run([sys.executable, "-m", "venv", PEER_FOLDER], check=True, capture_output=True)
        install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run(
            [*install, "awscli"], check=True, capture_output=True, timeout=INSTALL_SECONDS
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise PeersMissing(f"awscli can't be installed ({type(error).__name__})") from error
    ready.touch()
    return python


def _restore(name: str, value: str | None) -> None:
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value
