"""TLS of external endpoints: whom to trust, and by what name."""

from __future__ import annotations

from pathlib import Path

import pytest

from sealing import external as ext
from tests.servers.external import ExternalServer
from tests.servers.external_tls import make_certificates
from tests.unit.sealing.external_helpers import archive_at, archive_request


def test_an_authority_that_is_named_is_trusted(secure: ExternalServer) -> None:
    assert ext.archive(archive_at(secure), archive_request()).is_ok


def test_an_authority_that_nobody_knows(secure: ExternalServer) -> None:
    refused(secure, None)


def test_an_authority_of_the_same_name(secure: ExternalServer, tmp_path: Path) -> None:
    refused(secure, make_certificates(tmp_path / "another", ["127.0.0.1"]).ca)


def test_a_certificate_for_another_name(tmp_path: Path) -> None:
    names = ("archive.example.org", "127.0.0.2", "localhost")
    with ExternalServer(tmp_path, tls_names=names).serving() as server:
        refused(server, server.ca_file)


@pytest.mark.parametrize("content", [None, b"", b"not PEM"], ids=["absent", "empty", "no PEM"])
def test_a_file_of_authorities_that_is_none(
    content: bytes | None, secure: ExternalServer, tmp_path: Path
) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)
    found = ext.archive(archive_at(secure, ca_file=path), archive_request())
    assert found.reason == "ca_file"
    assert secure.seen == []


def test_a_server_without_tls(external: ExternalServer, tmp_path: Path) -> None:
    ca_file = make_certificates(tmp_path / "tls", ["127.0.0.1"]).ca
    endpoint = ext.Endpoint(
        external.archive_url.replace("http:", "https:"),
        external.token,
        allowed_networks=archive_at(external).allowed_networks,
        ca_file=ca_file,
    )
    found = ext.archive(endpoint, archive_request())
    assert found.reason in ("tls", "cut")
    assert external.seen == []


def refused(server: ExternalServer, ca_file: Path | None) -> None:
    found = ext.archive(archive_at(server, ca_file=ca_file), archive_request())
    assert found.status.startswith("FAILED: tls: Its certificate is not trusted (")
    assert len(found.attempts) == 1
    assert server.seen == []
