"""The largest artefact needs little memory: as a form with a key, in the vault, and back."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from evidence.models import Artifact
from tests.databases import CommittedDatabase
from tests.factories import World

PROJECT = Path(__file__).resolve().parents[3]
LIMIT_MIB = 24

# The web application as a server calls it, with a body that is made while it is read.
PROGRAM = """
import hashlib, io, re
from config.wsgi import application
HEAD = (
    b'--x\\r\\nContent-Disposition: form-data; name="%s"\\r\\n\\r\\n%s\\r\\n'
)
FIELDS = {
    b"client_id": b"clinic-001", b"control": b"CC6.1", b"title": b"Groups",
    b"period_start": b"2026-01-01T00:00:00Z", b"period_end": b"2026-02-01T00:00:00Z",
}
def parts(size):
    for field in FIELDS.items():
        yield HEAD % field
    yield b'--x\\r\\nContent-Disposition: form-data; name="file"; filename="a.bin"\\r\\n\\r\\n'
    for number in range(size >> 16):
        yield number.to_bytes(4, "big") * (1 << 14)
    yield b"\\r\\n--x--\\r\\n"
class Body(io.RawIOBase):
    def __init__(self, size):
        self.parts, self.rest = parts(size), b""
    def readable(self):
        return True
    def readinto(self, buffer):
        self.rest = self.rest or next(self.parts, b"")
        found, self.rest = self.rest[:len(buffer)], self.rest[len(buffer):]
        buffer[:len(found)] = found
        return len(found)
def peak():
    with open("/proc/self/status") as status:
        return int(re.search(r"VmHWM:\\s+(\\d+) kB", status.read())[1]) / 1024
def call(method, path, length="", **more):
    told = {}
    environ = {
        "REQUEST_METHOD": method, "PATH_INFO": path, "QUERY_STRING": "",
        "SERVER_NAME": "testserver",
        "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1", "wsgi.url_scheme": "http",
        "wsgi.errors": None, "HTTP_HOST": "localhost", "REMOTE_ADDR": "127.0.0.1",
        "CONTENT_LENGTH": length, "wsgi.input": io.BytesIO(), **more,
    }
    def start(status, headers):
        told.update(status=status, **dict(headers))
    answer = application(environ, start)
    digest, size, last = hashlib.sha256(), 0, b""
    for block in answer:
        digest.update(block)
        size, last = size + len(block), block
    answer.close()
    return told, digest.hexdigest(), size, last
def upload(size, key):
    return call(
        "POST", "/api/artifacts", str(sum(map(len, parts(size)))),
        CONTENT_TYPE="multipart/form-data; boundary=x", HTTP_AUTHORIZATION="Bearer " + TOKENS[0],
        HTTP_IDEMPOTENCY_KEY=key, **{"wsgi.input": io.BufferedReader(Body(size))},
    )
def take(told):
    path = told["Location"] + "/content"
    return call("GET", path, HTTP_AUTHORIZATION="Bearer " + TOKENS[1])
take(upload(1 << 16, "small")[0])
before = peak()
told, _, _, last = upload(64 << 20, "large")
assert told["status"] == "201 Created", (told, last)
taken, digest, size, last = take(told)
assert taken["status"] == "200 OK", (taken, last)
assert (size, taken["ETag"]) == (64 << 20, '"sha256:' + digest + '"')
print("PEAK", peak() - before)
"""


def test_the_largest_artefact(
    committed_world: World,
    committed_db: CommittedDatabase,
    settings: Any,
    tmp_path: Path,
    local_vault: Path,
) -> None:
    from access import tokens

    officer = tokens.issue(committed_world.user("olivia")).access
    given = [committed_world.api_key("svc-clinic-001"), officer]
    found = subprocess.run(
        [sys.executable, "-c", f"TOKENS = {given!r}\n{PROGRAM}"],
        cwd=PROJECT,
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "DATABASE_URL": committed_db.app_url,
            "AUDIT_SIGNER_STATE": str(settings.AUDIT_SIGNER_STATE),
            "EVIDENCE_PACKAGE_DIR": str(settings.EVIDENCE_PACKAGE_DIR),
            "COMPLIANCE_EVIDENCE_VAULT_DIR": str(local_vault),
            "EVIDENCE_VAULT_IMMUTABLE": "false",
            "ALLOWED_HOSTS": "localhost",
            "SECURE_SSL_REDIRECT": "false",
        },
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert found.returncode == 0, found.stderr
    assert float(found.stdout.rpartition("PEAK ")[2]) < LIMIT_MIB
    assert Artifact.objects.filter(size_bytes=64 << 20).count() == 1
