"""Bulk ingest, in the service and through HTTP, beside a plain COPY of as many rows."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from audit.ids import uuid7
from benchmarks import copying
from benchmarks.events import sent_event
from benchmarks.running import Row
from benchmarks.serving import free_port, wait_for

ACCOUNT, CLIENT = "bench-sender", "bench-clinic"
_COMMON = (
    f"One request of {copying.EVENTS:,} new events, all or nothing, sealed when it answers. The"
    " limit is the sealer's."
)
_GUNICORN = [sys.executable, "-m", "gunicorn", "config.wsgi:application", "--workers", "1"]


def rows(workdir: Path) -> Iterator[Row]:
    """The rows of this module."""
    copying.make_table()
    yield Row(
        "bulk ingest in the service; limit: COPY of the same rows from Python",
        limit=copying.copy_plain,
        ours=in_service,
        wanted="≥ 0.50",
        peers={"bulk_create by 500 (no chain)": copying.bulk_create},
        method=_COMMON + " The service gets parsed events; it checks every field, encodes,"
        " deduplicates against the log, numbers, hashes, chains, copies and extends the tree.",
    )
    with served() as (port, token):
        yield Row(
            "bulk ingest through HTTP, gzip NDJSON; limit: COPY of the same rows from Python",
            limit=copying.copy_plain,
            ours=lambda: through_http(port, token),
            wanted="≥ 0.30",
            peers={"bulk_create by 500 (no chain)": copying.bulk_create},
            method=_COMMON + " A gunicorn with one worker process and a real client on the"
            " loopback: authentication, unpacking, strict parsing and the service, until the answer"
            " has arrived. The client's packing is not counted; its lines are what Python's"
            " `json.dumps` writes, not canonical JSON.",
        )


def in_service() -> float:
    """Events a second of `ingest`."""
    from access.models import User
    from audit.events import Actor
    from audit.services import ingest

    _token()
    actor = Actor.of(User.objects.get(username=ACCOUNT))
    events = [sent_event(next(copying.numbers), uuid7()) for _ in range(copying.EVENTS)]
    start = time.perf_counter()
    result = ingest.ingest(actor=actor, events=events)
    seconds = time.perf_counter() - start
    if result.accepted != copying.EVENTS:
        raise SystemExit("not all events were taken in")
    return copying.EVENTS / seconds


def through_http(port: int, token: str) -> float:
    """Events a second of one request, packed before the clock starts."""
    lines = [
        json.dumps(sent_event(next(copying.numbers), uuid7())).encode()
        for _ in range(copying.EVENTS)
    ]
    body = gzip.compress(b"\n".join(lines), compresslevel=1)
    headers = {
        "Authorization": f"Bearer {token}",
        "Content-Type": "application/x-ndjson",
        "Content-Encoding": "gzip",
    }
    start = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    connection.request("POST", "/api/audit/events", body, headers)
    answer = connection.getresponse()
    content = answer.read()
    seconds = time.perf_counter() - start
    connection.close()
    if answer.status != http.client.CREATED:
        raise SystemExit(f"ingest answered {answer.status}: {content[:300]!r}")
    return copying.EVENTS / seconds


@contextlib.contextmanager
def served() -> Iterator[tuple[int, str]]:
    """A gunicorn over the benchmarks' database; its port, and an API key."""
    token = _token()
    port = free_port()
    server = subprocess.Popen(
        [*_GUNICORN, "--bind", f"127.0.0.1:{port}", "--timeout", "300", "--log-level", "warning"],
        cwd=Path(__file__).parent.parent,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "benchmarks.settings"},
        stdout=subprocess.DEVNULL,
    )
    try:
        wait_for(port)
        yield port, token
    finally:
        server.terminate()
        server.wait(30)


@cache
def _token() -> str:
    """The API key of a service account that may send events for one client."""
    from access.models import User
    from access.roles import Role
    from audit.events import Actor
    from ops.services import people

    word = secrets.token_urlsafe(24)
    people.bootstrap(
        admin={"username": "bench-admin", "display_name": "Admin", "password": word},
        officer={"username": "bench-officer", "display_name": "Officer", "password": word},
    )
    admin = Actor.of(User.objects.get(username="bench-admin"))
    client = people.create_client(actor=admin, client_id=CLIENT, name="Clinic")
    account = people.create_service_account(actor=admin, username=ACCOUNT)
    people.grant(actor=admin, user=account, role=Role.AUTOMATION, client=client)
    _, raw = people.issue_api_key(actor=admin, user=account, label="bench")
    return raw
