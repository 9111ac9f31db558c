"""Timestamps over packages: what ours says and what `openssl ts -verify` says of the same files."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evidence.formats.check_timestamp import MAX_SKEW, contradicts, timestamp_digest
from sealing.digests import sha256
from sealing.results import Verdict
from sealing.times import format_time
from sealing.timestamps import CertificatesRefused
from tests.servers import tsa
from tests.servers.tsa import Authority
from tests.tools import require_tool
from tests.unit.evidence import making
from tests.unit.evidence.checks import check, codes
from tests.unit.evidence.making import Made, Recipe, make
from tests.unit.evidence.stamping import stamped, time_of, token_over

STRANGER = tsa.make_ca("Stranger").pem


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def made(authority: Authority) -> Made:
    """Two events, a countersignature and a timestamp."""
    log = making.log_lines(3)
    chosen = [pair for pair in log if b'"client_id":"clinic-001"' in pair[1]]
    return stamped(authority, make(Recipe(log=log, chosen=chosen)))


def openssl(authority: Authority, folder: Path, made: Made, *, by_digest: bool = False) -> bool:
    """What openssl says of package and token as files."""
    assert made.sidecars.timestamp is not None
    (folder / "X.zip").write_bytes(made.data)
    (folder / "X.tsr").write_bytes(made.sidecars.timestamp)
    (folder / "CA.pem").write_bytes(authority.certificates)
    data = ["-digest", sha256(made.data).hex()] if by_digest else ["-data", folder / "X.zip"]
    done = subprocess.run(
        [require_tool("openssl"), "ts", "-verify", *data, "-in", folder / "X.tsr",
         "-CAfile", folder / "CA.pem"],
        capture_output=True, check=False, timeout=30,
    )  # fmt: skip
    return done.returncode == 0 and b"Verification: OK" in done.stdout


def test_a_timestamp_that_holds(made: Made, authority: Authority) -> None:
    report = check(made, tsa_certificates=authority.certificates)
    assert report.verdict is Verdict.VALID, report.issues
    assert (report.timestamp_checked, report.timestamp_valid) == (True, True)
    (finding,) = [found for found in report.findings if found.code == "timestamp_valid"]
    assert finding.message.endswith("UTC by CN=Test Authority.")
    assert abs(time_of(authority, made) - datetime.now(UTC)) < timedelta(minutes=10)


@pytest.mark.parametrize("by_digest", [False, True], ids=["-data", "-digest"])
def test_openssl_accepts_it(
    made: Made, authority: Authority, tmp_path: Path, by_digest: bool
) -> None:
    assert openssl(authority, tmp_path, made, by_digest=by_digest)


def test_what_is_stamped_is_the_digest_of_the_file(made: Made) -> None:
    assert timestamp_digest(made.digest) == sha256(made.data)


def test_one_changed_byte_of_the_package(made: Made, authority: Authority, tmp_path: Path) -> None:
    for place in range(0, len(made.data), 101):
        data = bytearray(made.data)
        data[place] ^= 1
        changed = replace(made, data=bytes(data))
        report = check(changed, tsa_certificates=authority.certificates)
        assert "timestamp_invalid" in codes(report)
        assert (report.timestamp_checked, report.timestamp_valid) == (True, False)
    assert not openssl(authority, tmp_path, changed)


# Some changes make a certificate that cryptography reads, but warns of.
@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
def test_one_changed_byte_of_the_token(made: Made, authority: Authority) -> None:
    """Every byte, also those that the authority's signature leaves open."""
    token = made.sidecars.timestamp
    assert token is not None
    unnoticed = []
    for place in range(len(token)):
        changed = bytearray(token)
        changed[place] ^= 1
        sidecars = made.with_(timestamp=bytes(changed))
        report = check(made, sidecars, tsa_certificates=authority.certificates)
        if codes(report) != {"timestamp_invalid"} or report.verdict is not Verdict.INVALID:
            unnoticed.append(place)
    assert unnoticed == []


@pytest.mark.parametrize("part", ["digest", "time", "signature"])
def test_openssl_refuses_such_a_token_too(
    made: Made, authority: Authority, tmp_path: Path, part: str
) -> None:
    token = made.sidecars.timestamp
    assert token is not None
    moment = time_of(authority, made).strftime("%Y%m%d%H%M%SZ").encode()
    place = {
        "digest": token.index(sha256(made.data)),
        "time": token.index(moment) + len(moment) - 2,
        "signature": len(token) - 5,
    }[part]
    changed = token[:place] + bytes([token[place] ^ 1]) + token[place + 1 :]
    bad = replace(made, sidecars=made.with_(timestamp=changed))
    assert not openssl(authority, tmp_path, bad)
    assert codes(check(bad, tsa_certificates=authority.certificates)) == {"timestamp_invalid"}


def test_a_timestamp_of_another_package(made: Made, authority: Authority) -> None:
    other = token_over(authority, make())
    report = check(made, made.with_(timestamp=other), tsa_certificates=authority.certificates)
    assert report.verdict is Verdict.INVALID
    assert codes(report) == {"timestamp_invalid"}
    assert "another digest" in report.message


def test_an_authority_that_is_not_trusted(made: Made) -> None:
    report = check(made, tsa_certificates=STRANGER)
    assert report.verdict is Verdict.INVALID
    assert codes(report) == {"timestamp_invalid"}


@pytest.mark.parametrize("raw", [b"", b"anything", None], ids=["empty", "rubbish", "good"])
def test_without_certificates_it_makes_nothing_better_or_worse(
    made: Made, raw: bytes | None
) -> None:
    """What nobody could check is told, and the verdict is the one without it."""
    with_it = made.with_(timestamp=raw) if raw is not None else made.sidecars
    for sidecars in (with_it, replace(with_it, sig=None), replace(with_it, countersign=None)):
        report = check(made, sidecars)
        without = check(made, replace(sidecars, timestamp=None))
        assert (report.verdict, codes(report)) == (without.verdict, codes(without))
        assert (report.timestamp_checked, report.timestamp_valid) == (False, False)
        assert [note.code for note in report.notes] == ["timestamp_not_checked"]
        assert report.message.startswith(without.message)
        assert report.message.endswith("no authority to trust was named.")


def test_it_does_not_make_an_unsigned_package_valid(authority: Authority) -> None:
    unsigned = stamped(authority, make(Recipe(signatures=0, countersignatures=0)))
    report = check(unsigned, tsa_certificates=authority.certificates)
    assert report.timestamp_valid
    assert (report.verdict, codes(report)) == (Verdict.INCONCLUSIVE, {"package_unsigned"})


def test_it_stands_for_no_countersignature(authority: Authority) -> None:
    alone = stamped(authority, make(countersign_with=()))
    report = check(alone, tsa_certificates=authority.certificates)
    assert codes(report) == {"countersignature_missing"}
    assert report.awaits_countersignature


def test_certificates_without_a_timestamp(authority: Authority) -> None:
    report = check(make(), tsa_certificates=authority.certificates)
    assert (report.verdict, report.timestamp_checked) == (Verdict.VALID, False)
    assert report.notes == ()


def test_certificates_that_are_none(made: Made) -> None:
    with pytest.raises(CertificatesRefused):
        check(made, tsa_certificates=b"not PEM")


def test_a_package_from_after_its_own_timestamp(authority: Authority) -> None:
    later = format_time(datetime.now(UTC) + timedelta(days=1))
    made = stamped(authority, make(Recipe(manifest_changes={"generated_at": later})))
    report = check(made, tsa_certificates=authority.certificates)
    assert report.verdict is Verdict.INVALID
    assert codes(report) == {"timestamp_before_package"}
    assert not report.timestamp_valid


@pytest.mark.parametrize(
    ("early", "contradiction"),
    [
        (timedelta(), False),
        (timedelta(hours=-1), False),
        (MAX_SKEW, False),
        (MAX_SKEW + timedelta(microseconds=1), True),
    ],
    ids=["then", "later", "by the skew", "by more"],
)
def test_how_far_clocks_may_be_apart(early: timedelta, contradiction: bool) -> None:
    assert timedelta(minutes=1) == MAX_SKEW
    assert contradicts(making.MADE - early, making.MADE) is contradiction


@settings(max_examples=200, deadline=None)
@given(raw=st.binary(max_size=200))
def test_any_bytes_are_answered_with_no(raw: bytes) -> None:
    good = make()
    report = check(good, good.with_(timestamp=raw), tsa_certificates=STRANGER)
    assert codes(report) == {"timestamp_invalid"}
