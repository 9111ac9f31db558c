"""A real timestamp authority (RFC 3161): openssl makes the stamps, http.server hands them out."""

from __future__ import annotations

import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.tools import require_tool

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
# `certs` is left out on purpose: openssl would add them in an order that is not DER's.
_CONFIGURATION = """
[tsa]
default_tsa = authority
[authority]
serial = {folder}/serial
signer_cert = {folder}/tsa.pem
signer_key = {folder}/tsa.key
signer_digest = sha256
default_policy = 1.3.6.1.4.1.99999.1
digests = sha256, sha512
accuracy = secs:1
ordering = no
tsa_name = yes
ess_cert_id_chain = no
ess_cert_id_alg = sha256
"""


@dataclass(frozen=True)
class Issuer:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: PrivateKey

    @property
    def pem(self) -> bytes:
        """The certificate."""
        return self.certificate.public_bytes(Encoding.PEM)


@dataclass
class Answer:
    """What the server says instead of a stamp."""

    body: bytes = b""
    status: int = 200
    content_type: str = "application/timestamp-reply"
    headers: tuple[tuple[str, str], ...] = ()
    # Seconds between two bytes, if they are to drip.
    drip_seconds: float = 0.0


def make_key(kind: str = "rsa") -> PrivateKey:
    """A key that is quick to make: ``rsa`` or ``ec``."""
    if kind == "ec":
        return ec.generate_private_key(ec.SECP256R1())
    return rsa.generate_private_key(65537, 2048)


def make_ca(name: str = "Test Root", *, issuer: Issuer | None = None) -> Issuer:
    """A certificate authority: a root, or one below ``issuer``."""
    key = make_key()
    return Issuer(_certificate(name, key, issuer, is_ca=True), key)


class Authority:
    """Stamps with a certificate of its own.

    Args:
        folder: an empty one for its files.
        root: who issues its certificate; a new root if not given.
        kind: the kind of its key, ``rsa`` or ``ec``.
        ends: when its certificate ends.
    """

    def __init__(
        self,
        folder: Path,
        *,
        root: Issuer | None = None,
        kind: str = "rsa",
        ends: datetime | None = None,
    ) -> None:
        self._openssl = require_tool("openssl")
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.root = folder, root or make_ca()
        key = make_key(kind)
        certificate = _certificate("Test Authority", key, self.root, ends=ends)
        (folder / "tsa.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
        (folder / "tsa.key").write_bytes(
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        )
        (folder / "serial").write_text("01\n")
        (folder / "tsa.cnf").write_text(_CONFIGURATION.format(folder=folder))
        self._lock = threading.Lock()
        self.url = ""
        self.asked = 0
        # Says something else than a stamp, if set.
        self.instead: Callable[[bytes], Answer] | None = None

    @property
    def certificates(self) -> bytes:
        """What somebody needs who trusts this authority."""
        return self.root.pem

    def stamp(self, query: bytes) -> bytes:
        """The answer to a request, made by ``openssl ts -reply``."""
        with self._lock:
            (self.folder / "query").write_bytes(query)
            self._run("ts", "-reply", "-config", self.folder / "tsa.cnf", "-queryfile",
                      self.folder / "query", "-out", self.folder / "reply")  # fmt: skip
            return (self.folder / "reply").read_bytes()

    def openssl_verifies(self, token: bytes, digest: bytes, certificates: bytes) -> bool:
        """What ``openssl ts -verify`` says of an answer."""
        (self.folder / "X.tsr").write_bytes(token)
        (self.folder / "CA.pem").write_bytes(certificates)
        done = subprocess.run(
            [self._openssl, "ts", "-verify", "-in", self.folder / "X.tsr",
             "-digest", digest.hex(), "-CAfile", self.folder / "CA.pem"],
            capture_output=True, check=False, timeout=30,
        )  # fmt: skip
        return done.returncode == 0 and b"Verification: OK" in done.stdout

    def _run(self, *arguments: str | Path) -> None:
        subprocess.run([self._openssl, *arguments], check=True, capture_output=True, timeout=30)

    @contextmanager
    def serving(self) -> Iterator[Authority]:
        """Answers on a free port of this host until the block ends."""
        with _served(ThreadingHTTPServer(("127.0.0.1", 0), _handler(self.answer))) as port:
            self.url = f"http://127.0.0.1:{port}/tsa"
            yield self

    def answer(self, query: bytes, content_type: str) -> Answer:
        """What is said to a request."""
        self.asked += 1
        if content_type != "application/timestamp-query":
            return Answer(status=415)
        return self.instead(query) if self.instead else Answer(self.stamp(query))


@contextmanager
def https_server(folder: Path, root: Issuer, answer: Answer) -> Iterator[str]:
    """A server of ``localhost`` whose certificate ``root`` issued; yields its address."""
    key = make_key()
    certificate = _certificate("localhost", key, root, host="localhost")
    (folder / "web.pem").write_bytes(
        certificate.public_bytes(Encoding.PEM)
        + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "web.pem")
    server = _TlsServer(("127.0.0.1", 0), _handler(lambda query, kind: answer))
    server.context = context
    with _served(server) as port:
        yield f"https://localhost:{port}/tsa"


class _TlsServer(ThreadingHTTPServer):
    context: ssl.SSLContext

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Shakes hands first, in the thread of the connection."""
        try:
            wrapped = self.context.wrap_socket(request, server_side=True)
        except OSError:
            return  # whoever called does not trust us
        with wrapped:
            super().finish_request(wrapped, client_address)


@contextmanager
def _served(server: ThreadingHTTPServer) -> Iterator[int]:
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(answer: Callable[[bytes, str], Answer]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = self.rfile.read(int(self.headers["Content-Length"]))
            self._say(answer(query, self.headers["Content-Type"]))

        def _say(self, answer: Answer) -> None:
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.content_type)
            self.send_header("Content-Length", str(len(answer.body)))
            for name, value in answer.headers:
                self.send_header(name, value)
            self.end_headers()
            try:
                if not answer.drip_seconds:
                    self.wfile.write(answer.body)
                    return
                wait = threading.Event()
                for at in range(len(answer.body)):
                    self.wfile.write(answer.body[at : at + 1])
                    wait.wait(answer.drip_seconds)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True  # whoever asked has given up

        def log_message(self, format: str, *args: object) -> None:
            """Nothing on the terminal."""

    return Handler


def _certificate(
    name: str,
    key: PrivateKey,
    issuer: Issuer | None,
    *,
    is_ca: bool = False,
    ends: datetime | None = None,
    host: str = "",
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    usage = {"digital_signature": not is_ca, "key_cert_sign": is_ca, "crl_sign": is_ca}
    others = ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
              "encipher_only", "decipher_only")  # fmt: skip
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=30))
        .not_valid_after(ends or now + timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(**usage, **dict.fromkeys(others, False)), critical=True)
    )
    if host:
        built = built.add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), False)
    elif not is_ca:
        purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
        built = built.add_extension(purpose, critical=True)
    return built.sign(issuer.key if issuer else key, hashes.SHA256())
