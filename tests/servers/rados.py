"""A real Ceph RADOS Gateway: S3 whose Object Lock can't be talked round.

One monitor, one object store in memory and one gateway, without systemd and without cephx, on
loopback. It starts in about two seconds and keeps nothing.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.servers.buckets import Bucket, Credentials, S3Server
from tests.servers.moto import use_credentials
from tests.servers.ports import free_ports
from tests.tools import require_tool

_PROGRAMS = ("ceph-mon", "ceph-osd", "radosgw", "radosgw-admin", "ceph", "monmaptool")
_START_SECONDS = 60.0
_CONFIGURATION = """\
[global]
fsid = {fsid}
mon host = [v2:127.0.0.1:{mon_port}]
mon initial members = a
auth cluster required = none
auth service required = none
auth client required = none
auth allow insecure global id reclaim = true
ms mon client mode = crc secure
ms mon cluster mode = crc secure
ms mon service mode = crc secure
ms bind ipv6 = false
ms bind msgr1 = false
public addr = 127.0.0.1
cluster addr = 127.0.0.1
run dir = {folder}/run
log file = {folder}/log/$name.log
admin socket = {folder}/run/$name.asok
pid file = {folder}/run/$name.pid
crash dir = {folder}/run
paxos propose interval = 0.05
paxos min wait = 0.01
mon tick interval = 1
osd heartbeat interval = 1
mon warn on insecure global id reclaim allowed = false
mon allow pool size one = true
mon warn on pool no redundancy = false
mon max pg per osd = 1000
mon data avail crit = 1
mon data avail warn = 1
mon pg warn min per osd = 0
osd max pg per osd hard ratio = 10
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
rgw rados pool pg num min = 1
[mon.a]
host = localhost
mon data = {folder}/mon
[osd]
osd data = {folder}/osd
osd objectstore = memstore
memstore device bytes = 1073741824
osd max object name len = 460
osd max object namespace len = 64
osd class load list = *
osd class default list = *
[client.rgw]
rgw frontends = beast endpoint=127.0.0.1:{gateway_port}
rgw thread pool size = 32
rgw enable usage log = false
rgw crypt require ssl = false
rgw crypt s3 kms backend = testing
rgw crypt s3 kms encryption keys = testkey-1=YmluCmJvb3N0CmJvb3N0LWJ1aWxkCmNlcGguY29uZgo=
rgw data = {folder}/run
"""


@dataclass
class RadosGateway:
    """The cluster's three processes, below one folder."""

    folder: Path
    mon_port: int
    gateway_port: int
    _processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def endpoint_url(self) -> str:
        """Where the gateway answers."""
        return f"http://127.0.0.1:{self.gateway_port}"

    def start(self) -> None:
        """Starts monitor, object store and gateway, each when the one before it is up."""
        for part in ("mon", "osd", "log", "run"):
            (self.folder / part).mkdir()
        fsid = str(uuid.uuid4())
        self._conf.write_text(
            _CONFIGURATION.format(
                fsid=fsid,
                folder=self.folder,
                mon_port=self.mon_port,
                gateway_port=self.gateway_port,
            )
        )
        monmap = self.folder / "monmap"
        address = f"[v2:127.0.0.1:{self.mon_port}]"
        self._run(
            "monmaptool", "--create", "--clobber", "--addv", "a", address,
            "--fsid", fsid, str(monmap), configured=False,
        )  # fmt: skip
        self._run("ceph-mon", "--mkfs", "-i", "a", "--monmap", str(monmap))
        self._spawn("ceph-mon", "-i", "a", "-f")
        self._wait("the monitor", lambda: self._ask("quorum_status") is not None)
        osd = str(uuid.uuid4())
        self._run("ceph", "osd", "new", osd)
        self._run("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", osd)
        self._spawn("ceph-osd", "-i", "0", "-f")
        self._wait("the object store", lambda: "1 up" in (self._ask("osd", "stat") or ""))
        self._spawn("radosgw", "-n", "client.rgw", "-f")
        self._wait("the gateway", self._answers)

    def user(self, name: str) -> Credentials:
        """A new user of the gateway, with keys."""
        made = json.loads(
            self._run("radosgw-admin", "-n", "client.rgw", "user", "create",
                      f"--uid={name}", f"--display-name={name}")
        )  # fmt: skip
        keys = made["keys"][0]
        return Credentials(keys["access_key"], keys["secret_key"])

    def stop(self) -> None:
        """Ends the processes that were started, the last first; none of them by name."""
        for process in reversed(self._processes):
            process.terminate()
        for process in reversed(self._processes):
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(timeout=10)

    @property
    def _conf(self) -> Path:
        return self.folder / "ceph.conf"

    @property
    def _environment(self) -> dict[str, str]:
        return {**os.environ, "CEPH_CONF": str(self._conf)}

    def _run(self, program: str, *arguments: str, configured: bool = True) -> str:
        conf = ["-c", str(self._conf)] if configured else []
        done = subprocess.run(
            [require_tool(program), *conf, *arguments],
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=_START_SECONDS,
        )
        if done.returncode:
            raise RuntimeError(f"{program} {' '.join(arguments)}: {done.stderr[-2000:]}")
        return done.stdout

    def _ask(self, *arguments: str) -> str | None:
        try:
            return self._run("ceph", "--connect-timeout", "5", *arguments)
        except RuntimeError:
            return None

    def _spawn(self, program: str, *arguments: str) -> None:
        with (self.folder / "log" / f"{program}.out").open("wb") as output:
            self._processes.append(
                subprocess.Popen(
                    [require_tool(program), "-c", str(self._conf), *arguments],
                    env=self._environment,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                )
            )

    def _answers(self) -> bool:
        with contextlib.closing(socket.socket()) as probe:
            if probe.connect_ex(("127.0.0.1", self.gateway_port)):
                return False
        try:
            urllib.request.urlopen(self.endpoint_url, timeout=5).close()
        except (urllib.error.URLError, TimeoutError):
            return False
        return True

    def _wait(self, what: str, is_up: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while not is_up():
            ended = [process for process in self._processes if process.poll() is not None]
            if ended or time.monotonic() > deadline:
                logs = "".join(path.read_text()[-500:] for path in self.folder.glob("log/*.out"))
                raise RuntimeError(f"{what} did not start: {logs}")
            time.sleep(0.1)


@dataclass(frozen=True)
class RadosServer(S3Server):
    """The running gateway, and an owner of buckets on it."""

    gateway: RadosGateway = field(kw_only=True)


@pytest.fixture(scope="session")
def rados_server() -> Iterator[RadosServer]:
    """The gateway, for the whole run; its folder is short because sockets are below it."""
    for program in _PROGRAMS:
        require_tool(program)
    with tempfile.TemporaryDirectory(prefix="rados-", ignore_cleanup_errors=True) as folder:
        gateway = RadosGateway(Path(folder), *free_ports(2))
        try:
            gateway.start()
            yield RadosServer(gateway.endpoint_url, gateway.user("vault"), gateway=gateway)
        finally:
            gateway.stop()


@pytest.fixture
def rados_bucket(rados_server: RadosServer, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """A new bucket with Object Lock on the gateway, its owner's credentials in the environment."""
    use_credentials(monkeypatch, rados_server.credentials)
    return rados_server.bucket()
