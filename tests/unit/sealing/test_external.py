"""External archives and key services that do what they should, and what is kept of it."""

from __future__ import annotations

import json
import tracemalloc
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sealing import external as ext
from sealing.digests import b64, sha256_file, sha256_tag, untag
from sealing.errors import NotFound
from sealing.external import Endpoint, EndpointRefused, RequestRefused, UnwrapRequest
from sealing.times import format_time
from tests.servers.external import ExternalServer
from tests.servers.external_faults import Kind
from tests.unit.sealing.external_helpers import (
    DATA_KEY,
    DIGEST,
    archive_at,
    archive_request,
    at,
    request_for,
    wrap_at,
    wrap_request,
)

CONTENT = b"PK\x03\x04 --not really\r\n--a package\r\n" * 20_000


@pytest.fixture
def package(tmp_path: Path) -> Path:
    path = tmp_path / "evidence_1.zip"
    path.write_bytes(CONTENT)
    return path


class TestArchive:
    def test_what_names_the_package(self, external: ExternalServer) -> None:
        before = datetime.now(UTC)
        found = ext.archive(archive_at(external), archive_request())
        assert (found.status, found.reason, len(found.attempts)) == ("OK", "", 1)
        assert found.receipt is not None
        assert found.receipt.package_sha256 == DIGEST
        assert found.receipt.lock_until > before + timedelta(days=2191)
        record = json.loads((external.archive.folder / "evidence_1/.receipt.json").read_text())
        assert record["request"] == {
            "bundle_id": "evidence_1",
            "package_sha256": DIGEST,
            "package_size_bytes": 9,
            "package_name": "evidence_1.zip",
            "retention_policy": "hipaa_6y",
            "kms_key_id": "key-1",
        }
        headers = external.seen[0].headers
        assert headers["authorization"] == f"Bearer {external.token}"
        assert headers["idempotency-key"] == "evidence_1"
        assert headers["content-type"] == "application/json"

    def test_the_package_itself(self, secure: ExternalServer, package: Path) -> None:
        found = ext.archive(archive_at(secure, upload=True), request_for(package), package)
        assert found.status == "OK"
        kept = secure.archive.folder / "evidence_1/evidence_1.zip"
        assert kept.read_bytes() == CONTENT
        assert secure.seen[0].headers["content-length"] == str(secure.seen[0].size_bytes)
        assert secure.seen[0].size_bytes > len(CONTENT)

    def test_an_empty_package(self, external: ExternalServer, tmp_path: Path) -> None:
        path = tmp_path / "evidence_0.zip"
        path.touch()
        assert ext.archive(archive_at(external, upload=True), request_for(path), path).is_ok

    def test_a_large_package_in_little_memory(
        self, external: ExternalServer, tmp_path: Path
    ) -> None:
        path = tmp_path / "evidence_2.zip"
        with path.open("wb") as file:
            file.truncate(96 << 20)
        request = request_for(path)
        tracemalloc.start()
        try:
            found = ext.archive(archive_at(external, upload=True), request, path)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert found.is_ok
        assert peak < 8 << 20
        kept = external.archive.folder / "evidence_2/evidence_2.zip"
        assert sha256_file(kept)[0] == request.package_sha256

    def test_a_repeat_gets_the_same_receipt(self, external: ExternalServer, package: Path) -> None:
        endpoint, request = archive_at(external, upload=True), request_for(package)
        first = ext.archive(endpoint, request, package)
        assert ext.archive(endpoint, request, package).receipt == first.receipt

    def test_nothing_is_replaced(self, external: ExternalServer, package: Path) -> None:
        ext.archive(archive_at(external, upload=True), request_for(package), package)
        other = archive_request(package_sha256=sha256_tag(b"other"))
        assert ext.archive(archive_at(external), other).reason == "http_409"
        assert (external.archive.folder / "evidence_1/evidence_1.zip").read_bytes() == CONTENT

    def test_a_package_that_changes_on_its_way(
        self, external: ExternalServer, package: Path
    ) -> None:
        request = request_for(package)
        package.write_bytes(CONTENT[:-1] + b"X")
        found = ext.archive(archive_at(external, upload=True), request, package)
        assert found.reason == "package_differs"
        assert len(found.attempts) == 1
        assert not (external.archive.folder / "evidence_1").exists()

    def test_packages_that_are_not_there(self, external: ExternalServer, package: Path) -> None:
        endpoint, request = archive_at(external, upload=True), request_for(package)
        link = package.with_name("link.zip")
        link.symlink_to(package)
        for path in (package.with_name("absent.zip"), link, package.parent):
            with pytest.raises(NotFound):
                ext.archive(endpoint, request, path)
        with pytest.raises(RequestRefused):
            ext.archive(endpoint, request)
        package.write_bytes(CONTENT + b"X")
        with pytest.raises(ext.PackageDiffers):
            ext.archive(endpoint, request, package)
        assert external.seen == []

    def test_an_archive_that_takes_less(self, external: ExternalServer, package: Path) -> None:
        """It says so and hangs up while the package is still being sent."""
        external.inject(Kind.EARLY, status=413)
        found = ext.archive(archive_at(external, upload=True), request_for(package), package)
        assert found.reason in ("http_413", "cut")  # the reset may overtake the answer
        assert len(found.attempts) == 1

    def test_an_archive_that_agrees_too_early(
        self, external: ExternalServer, tmp_path: Path
    ) -> None:
        """It can't have a package of which it has not read a byte."""
        external.inject(Kind.EARLY, status=200)
        path = tmp_path / "evidence_2.zip"
        with path.open("wb") as file:
            file.truncate(96 << 20)
        found = ext.archive(archive_at(external, upload=True), request_for(path), path)
        assert found.reason == "cut"

    def test_a_lock_that_must_last(self, external: ExternalServer) -> None:
        now = datetime.now(UTC)
        enough = archive_request(lock_at_least=now + timedelta(days=2000))
        assert ext.archive(archive_at(external), enough).is_ok
        more = archive_request("evidence_2", lock_at_least=now + timedelta(days=2200))
        found = ext.archive(archive_at(external), more)
        assert found.reason == "lock_too_short"


class TestKeyService:
    def test_a_digest(self, external: ExternalServer) -> None:
        found = ext.wrap(wrap_at(external), wrap_request())
        assert found.status == "OK"
        assert found.receipt is not None
        assert found.receipt.wrapped_key is None
        assert unwrapped(external, found.receipt, expected=untag(DIGEST)) == untag(DIGEST)

    def test_a_data_key(self, external: ExternalServer) -> None:
        found = ext.wrap(wrap_at(external), wrap_request(data_key=DATA_KEY))
        assert found.receipt is not None
        assert found.receipt.wrapped_key is not None
        external.keys.rotate()
        assert unwrapped(external, found.receipt, key=True, expected=DATA_KEY) == DATA_KEY
        later = ext.wrap(wrap_at(external), wrap_request()).receipt
        assert later is not None
        assert later.key_version != found.receipt.key_version

    def test_a_repeat_gets_the_same_answer_another_request_another(
        self, external: ExternalServer
    ) -> None:
        first, again, another = (
            ext.wrap(wrap_at(external), wrap_request(data_key=key)).receipt
            for key in (DATA_KEY, DATA_KEY, DATA_KEY[::-1])
        )
        assert first == again != another

    @pytest.mark.parametrize("name", ["kms_key_id", "key_version", "wrapped_digest"])
    def test_something_else_is_not_unwrapped(self, external: ExternalServer, name: str) -> None:
        receipt = ext.wrap(wrap_at(external), wrap_request()).receipt
        assert receipt is not None
        external.keys.rotate()
        asked = {
            "kms_key_id": "key-1",
            "key_version": receipt.key_version,
            "wrapped_digest": receipt.wrapped_digest,
        }
        other = {"kms_key_id": "key-2", "key_version": "v0002", "wrapped_digest": b64(b"x" * 60)}
        found = ext.unwrap(
            at(external, external.unwrap_url), UnwrapRequest(**(asked | {name: other[name]}))
        )
        assert found.reason == "http_422"

    def test_what_comes_back_must_be_what_was_wrapped(self, external: ExternalServer) -> None:
        receipt = ext.wrap(wrap_at(external), wrap_request()).receipt
        external.inject(Kind.DIGEST)
        endpoint = at(external, external.unwrap_url)
        assert receipt is not None
        found = ext.unwrap(
            endpoint,
            UnwrapRequest(
                "key-1",
                receipt.key_version,
                wrapped_digest=receipt.wrapped_digest,
                expected=untag(DIGEST),
            ),
        )
        assert (found.reason, found.receipt) == ("digest_differs", None)


def unwrapped(
    server: ExternalServer, receipt: ext.WrapReceipt, *, expected: bytes, key: bool = False
) -> bytes:
    found = ext.unwrap(
        at(server, server.unwrap_url),
        UnwrapRequest(
            "key-1",
            receipt.key_version,
            wrapped_digest=None if key else receipt.wrapped_digest,
            wrapped_key=receipt.wrapped_key if key else None,
            expected=expected,
        ),
    )
    assert found.status == "OK"
    assert found.receipt is not None
    # The answer is a secret: only its size and digest are kept.
    assert found.attempts[0].body == b""
    assert found.attempts[0].body_size_bytes > 40
    assert "value" not in repr(found)
    return found.receipt.value


class TestAttempt:
    def test_what_is_kept(self, external: ExternalServer) -> None:
        endpoint = at(external, f"{external.archive_url}")
        attempt = ext.archive(endpoint, archive_request()).attempts[0]
        kept = attempt.document()
        assert json.loads(kept["body"])["package_sha256"] == DIGEST
        assert kept == {
            "url": external.archive_url,
            "started_at": format_time(attempt.started_at),
            "finished_at": format_time(attempt.finished_at),
            "http_status": 200,
            "body": attempt.body.decode(),
            "body_base64": None,
            "body_size_bytes": len(attempt.body),
            "body_sha256": sha256_tag(attempt.body),
            "outcome": "OK",
        }

    def test_the_query_is_left_out(self, external: ExternalServer) -> None:
        endpoint = at(external, f"{external.archive_url}?key=of-the-query")
        found = ext.archive(endpoint, archive_request())
        assert external.seen[0].path == "/archive?key=of-the-query"
        assert found.reason == "http_404"
        assert found.attempts[0].url == external.archive_url
        assert "of-the-query" not in repr((endpoint, found, found.attempts[0].document()))

    def test_the_beginning_of_a_long_answer(self, external: ExternalServer) -> None:
        external.inject(Kind.ENDLESS)
        attempt = ext.archive(archive_at(external), archive_request()).attempts[0]
        assert (len(attempt.body), attempt.body_size_bytes) == (1 << 16, 1 << 20)
        assert attempt.body_sha256 == sha256_tag(b" " * (1 << 20))


class TestEndpoint:
    @pytest.mark.parametrize(
        ("named", "field"),
        [
            ({"url": "ftp://archive.example.org/"}, "url"),
            ({"url": "https://user:hidden-away@archive.example.org/"}, "url"),
            ({"token": "short"}, "token"),
            ({"token": "hidden-away\r\nX-Header: x"}, "token"),
            ({"token": "hidden-away "}, "token"),
            ({"token": 'hidden-away"'}, "token"),
            ({"token": "hidden-away\u00e9"}, "token"),
            ({"timeout_seconds": 0}, "timeout_seconds"),
            ({"timeout_seconds": -1}, "timeout_seconds"),
            ({"timeout_seconds": 601}, "timeout_seconds"),
            ({"timeout_seconds": float("nan")}, "timeout_seconds"),
        ],
    )
    def test_settings_that_can_not_be_used(self, named: dict[str, object], field: str) -> None:
        settings: dict[str, object] = {"url": "https://archive.example.org/"}
        with pytest.raises(EndpointRefused) as refused:
            Endpoint(**(settings | named))  # type: ignore[arg-type]
        assert refused.value.field == field
        assert "hidden-away" not in str(refused.value)
