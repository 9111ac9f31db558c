"""Timestamps: our check and `openssl ts -verify` agree; what was changed, neither accepts."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sealing import der, outgoing, timestamps
from sealing.digests import sha256
from sealing.outgoing import AddressRefused, NoAnswer
from sealing.timestamps import CertificatesRefused, TimestampRefused, TokenCheck
from tests.servers import tsa
from tests.servers.tsa import Answer, Authority
from tests.tools import require_tool

DIGEST = sha256(b"a checkpoint's note")
OTHER = sha256(b"another note")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Authority]:
    with Authority(tmp_path_factory.mktemp("authority")).serving() as serving:
        yield serving


@pytest.fixture(autouse=True)
def honest(authority: Authority) -> None:
    authority.instead = None


@pytest.fixture(scope="module")
def token(authority: Authority) -> bytes:
    return timestamps.request_token(authority.url, DIGEST)


def check(token: bytes, authority: Authority, digest: bytes = DIGEST) -> TokenCheck:
    return timestamps.check_token(token, digest, authority.certificates)


def stamped(authority: Authority, digest: bytes = DIGEST) -> bytes:
    return authority.stamp(timestamps.request_bytes(digest, 7))


class TestCheck:
    def test_a_stamp_says_when_and_by_whom(self, token: bytes, authority: Authority) -> None:
        found = check(token, authority)
        assert found.ok, found.message
        assert found.time is not None
        assert abs(found.time - datetime.now(UTC)) < timedelta(minutes=1)
        assert found.authority == "CN=Test Authority"

    def test_openssl_agrees(self, token: bytes, authority: Authority) -> None:
        assert authority.openssl_verifies(token, DIGEST, authority.certificates)
        assert not authority.openssl_verifies(token, OTHER, authority.certificates)

    def test_the_request_is_what_openssl_reads(self, tmp_path: Path) -> None:
        (tmp_path / "query").write_bytes(timestamps.request_bytes(DIGEST, 0xFEDCBA9876543210))
        told = subprocess.run(
            [require_tool("openssl"), "ts", "-query", "-in", tmp_path / "query", "-text"],
            capture_output=True,
            check=True,
        ).stdout.decode()
        assert "Hash Algorithm: sha256" in told
        assert "Nonce: 0xFEDCBA9876543210" in told
        assert "Certificate required: yes" in told

    def test_a_stamp_by_an_elliptic_key(self, tmp_path: Path) -> None:
        authority = Authority(tmp_path / "tsa", kind="ec")
        made = stamped(authority)
        assert check(made, authority).ok
        assert authority.openssl_verifies(made, DIGEST, authority.certificates)

    def test_an_authority_below_an_intermediate_one(self, tmp_path: Path) -> None:
        root = tsa.make_ca()
        authority = Authority(tmp_path / "tsa", root=tsa.make_ca("Intermediate", issuer=root))
        made = stamped(authority)
        both = root.pem + authority.root.pem
        assert timestamps.check_token(made, DIGEST, both).ok
        assert authority.openssl_verifies(made, DIGEST, both)
        # The end of the chain is what is trusted; half of it is not enough.
        assert not timestamps.check_token(made, DIGEST, root.pem).ok
        assert not check(made, authority).ok

    # Some changes make a certificate that cryptography reads, but warns of.
    @pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
    @pytest.mark.parametrize("flip", [0x01, 0x80, 0xFF], ids=hex)
    def test_no_byte_can_be_changed(self, token: bytes, authority: Authority, flip: int) -> None:
        accepted = []
        for at in range(len(token)):
            changed = bytearray(token)
            changed[at] ^= flip
            if check(bytes(changed), authority).ok:
                accepted.append(at)
        assert accepted == []

    def test_bytes_before_and_after(self, token: bytes, authority: Authority) -> None:
        assert not check(token + b"\x00", authority).ok
        assert not check(b"\x30" + token, authority).ok
        assert not check(token[:-1], authority).ok
        assert not check(b"", authority).ok

    def test_another_digest(self, token: bytes, authority: Authority) -> None:
        found = check(token, authority, OTHER)
        assert (found.ok, found.time, found.authority) == (False, None, "")
        assert found.message == "The timestamp is over another digest."

    def test_another_root_of_the_same_name(self, token: bytes, authority: Authority) -> None:
        stranger = tsa.make_ca().pem
        assert not timestamps.check_token(token, DIGEST, stranger).ok
        assert not authority.openssl_verifies(token, DIGEST, stranger)

    def test_a_certificate_that_had_ended(self, tmp_path: Path) -> None:
        ended = datetime.now(UTC) - timedelta(days=1)
        authority = Authority(tmp_path / "tsa", ends=ended)
        found = check(stamped(authority), authority)
        assert not found.ok
        assert "expired" in found.message

    def test_a_digest_of_another_kind(self, authority: Authority, tmp_path: Path) -> None:
        (tmp_path / "data").write_bytes(b"data")
        subprocess.run(
            [require_tool("openssl"), "ts", "-query", "-data", tmp_path / "data", "-sha512",
             "-cert", "-out", tmp_path / "query"],
            check=True, capture_output=True,
        )  # fmt: skip
        found = check(authority.stamp((tmp_path / "query").read_bytes()), authority)
        assert found.message == "The timestamp is not over a SHA-256 digest."

    def test_a_token_without_certificates(self, authority: Authority) -> None:
        # The same request without certReq, whose last member it is.
        query = timestamps.request_bytes(DIGEST, 7)
        bare = der.encode(der.SEQUENCE, *[item.raw for item in der.element(query).children()[:-1]])
        assert not check(authority.stamp(bare), authority).ok

    def test_an_unsigned_attribute(self, token: bytes, authority: Authority) -> None:
        changed = with_signer(token, lambda parts: [*parts, der.encode(0xA1, b"")])
        assert changed != token
        assert not check(changed, authority).ok

    def test_a_certificate_beside_the_chain(self, token: bytes, authority: Authority) -> None:
        stranger = tsa.make_ca("Stranger").certificate
        root = authority.root.certificate
        same = with_certificates(token, [])
        assert same == token
        assert check(with_certificates(token, [root]), authority).ok
        found = check(with_certificates(token, [stranger]), authority)
        assert found.message == "The token carries certificates beside its chain."

    def test_text_beside_the_status(self, token: bytes, authority: Authority) -> None:
        status, content = der.element(token).children()
        text = der.encode(der.SEQUENCE, der.encode(0x0C, b"fine"))
        for number in (b"\x02\x01\x01", b"\x02\x01\x00" + text):
            changed = der.encode(der.SEQUENCE, der.encode(der.SEQUENCE, number), content.raw)
            assert check(changed, authority).message == (
                "The authority did not simply grant the request."
            )
        assert der.encode(der.SEQUENCE, status.raw, content.raw) == token

    def test_certificates_that_are_none(self, token: bytes) -> None:
        with pytest.raises(CertificatesRefused):
            timestamps.check_token(token, DIGEST, b"not PEM")

    @settings(max_examples=200, deadline=None)
    @given(st.binary(max_size=200))
    def test_any_bytes_are_answered_with_no(self, data: bytes) -> None:
        assert not timestamps.check_token(data, DIGEST, ROOT).ok


ROOT = tsa.make_ca().pem


def with_signer(token: bytes, change: Any) -> bytes:
    """The token with other members of its SignerInfo."""
    status, content = der.element(token).children()
    kind, wrapped = content.children()
    *parts, signers = wrapped.children()[0].children()
    members = [item.raw for item in signers.children()[0].children()]
    signer = der.encode(der.SET, der.encode(der.SEQUENCE, *change(members)))
    signed = der.encode(der.SEQUENCE, *[item.raw for item in parts], signer)
    return der.encode(
        der.SEQUENCE,
        status.raw,
        der.encode(der.SEQUENCE, kind.raw, der.encode(0xA0, signed)),
    )


def with_certificates(token: bytes, more: list[Any]) -> bytes:
    """The token with more certificates, in the order of DER."""
    status, content = der.element(token).children()
    kind, wrapped = content.children()
    version, hashes, inner, certificates, signers = wrapped.children()[0].children()
    every = [item.raw for item in certificates.children()]
    every += [item.public_bytes(tsa.Encoding.DER) for item in more]
    signed = der.encode(
        der.SEQUENCE,
        version.raw,
        hashes.raw,
        inner.raw,
        der.encode(0xA0, *sorted(every)),
        signers.raw,
    )
    return der.encode(
        der.SEQUENCE, status.raw, der.encode(der.SEQUENCE, kind.raw, der.encode(0xA0, signed))
    )


class TestRequest:
    def test_an_answer_to_another_request(self, token: bytes, authority: Authority) -> None:
        authority.instead = lambda query: Answer(token)
        with pytest.raises(TimestampRefused, match="nonce"):
            timestamps.request_token(authority.url, DIGEST)

    def test_an_answer_over_another_digest(self, authority: Authority) -> None:
        def other(query: bytes) -> Answer:
            return Answer(authority.stamp(query.replace(DIGEST, OTHER)))

        authority.instead = other
        with pytest.raises(TimestampRefused, match="another digest"):
            timestamps.request_token(authority.url, DIGEST)

    def test_a_refusal(self, authority: Authority) -> None:
        # SHA-384, which this authority does not stamp: a real answer that says no.
        authority.instead = lambda query: Answer(
            authority.stamp(query.replace(bytes.fromhex("03040201"), bytes.fromhex("03040202")))
        )
        with pytest.raises(TimestampRefused, match="grant"):
            timestamps.request_token(authority.url, DIGEST)

    def test_a_digest_of_another_length(self, authority: Authority) -> None:
        with pytest.raises(TimestampRefused):
            timestamps.request_token(authority.url, DIGEST[:20])

    @pytest.mark.parametrize(
        ("answer", "reason"),
        [
            (Answer(status=500), "answered 500"),
            (Answer(status=302, headers=(("Location", "/elsewhere"),)), "answered 302"),
            (Answer(b"<html>", content_type="text/html"), "answered with text/html"),
            (Answer(b"\x00" * ((1 << 20) + 1)), "larger than"),
        ],
        ids=["an error", "a redirect", "another type", "too much"],
    )
    def test_answers_that_are_none(self, authority: Authority, answer: Answer, reason: str) -> None:
        authority.instead = lambda query: answer
        asked = authority.asked
        with pytest.raises(NoAnswer, match=reason):
            timestamps.request_token(authority.url, DIGEST)
        assert authority.asked == asked + 1

    def test_an_answer_that_drips(self, authority: Authority) -> None:
        authority.instead = lambda query: Answer(b"\x30" * 100, drip_seconds=0.05)
        with pytest.raises(NoAnswer, match=r"too long|timed out"):
            timestamps.request_token(authority.url, DIGEST, timeout_seconds=0.4)

    def test_a_name_of_which_one_address_answers(
        self, authority: Authority, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        url = named(authority, monkeypatch, "127.0.0.2", "127.0.0.1")
        assert timestamps.request_token(url, DIGEST)

    def test_a_name_of_which_one_address_is_elsewhere(
        self, authority: Authority, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        url = named(authority, monkeypatch, "127.0.0.1", "192.0.2.1")
        asked = authority.asked
        with pytest.raises(AddressRefused):
            timestamps.request_token(url, DIGEST)
        assert authority.asked == asked

    def test_nobody_there(self) -> None:
        with pytest.raises(NoAnswer, match="refused"):
            timestamps.request_token("http://127.0.0.1:9/tsa", DIGEST)

    @pytest.mark.parametrize(
        "url",
        [
            "http://192.0.2.1/tsa",
            "ftp://127.0.0.1/tsa",
            "file:///etc/passwd",
            "https://user:secret@127.0.0.1/tsa",
            "https:///tsa",
            "",
        ],
    )
    def test_addresses_that_are_not_asked(self, url: str) -> None:
        with pytest.raises(AddressRefused):
            timestamps.request_token(url, DIGEST)


def named(authority: Authority, monkeypatch: pytest.MonkeyPatch, *addresses: str) -> str:
    """The authority's URL by a name that has these addresses."""
    lookup = socket.getaddrinfo

    def resolved(host: str, *rest: Any, **named: Any) -> list[Any]:
        found = addresses if host == "tsa.test" else [host]
        return [item for address in found for item in lookup(address, *rest, **named)]

    monkeypatch.setattr(socket, "getaddrinfo", resolved)
    return authority.url.replace("127.0.0.1", "tsa.test")


def test_https_is_checked(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A certificate that nobody vouches for is refused; with its root trusted, it is not."""
    root = tsa.make_ca("Web Root")
    (tmp_path / "root.pem").write_bytes(root.pem)
    with tsa.https_server(tmp_path, root, Answer(b"hello")) as url:
        with pytest.raises(NoAnswer, match="not trusted"):
            post(url)
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "root.pem"))
        assert post(url) == b"hello"
        with pytest.raises(NoAnswer, match="not trusted"):
            post(url.replace("localhost", "127.0.0.1"))


def post(url: str) -> bytes:
    return outgoing.post(
        url, b"question", content_type="text/plain", accept="application/timestamp-reply"
    )


class TestDer:
    @given(st.integers(min_value=0, max_value=1 << 70), st.binary(max_size=300))
    def test_what_is_written_is_read(self, number: int, data: bytes) -> None:
        written = der.encode(der.SEQUENCE, der.integer(number), der.encode(der.OCTET_STRING, data))
        first, second = der.element(written).expect(der.INTEGER, der.OCTET_STRING)
        assert int.from_bytes(first.body, "big", signed=True) == number
        assert second.body == data

    @given(st.binary(max_size=40))
    def test_what_is_read_is_the_only_form(self, data: bytes) -> None:
        try:
            found = der.element(data)
        except der.DerRefused:
            return
        assert der.encode(found.tag, found.body) == data

    @pytest.mark.parametrize(
        "data",
        ["", "04", "0401", "048101aa", "04820001aa", "0480aa0000", "1f8101aa", "0400ff"],
    )
    def test_other_forms_are_refused(self, data: str) -> None:
        with pytest.raises(der.DerRefused):
            der.element(bytes.fromhex(data))
