"""Digests, base64, times and verdicts."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealing import digests, times
from sealing.digests import DigestRefused
from sealing.errors import Conflict, StrongroomError
from sealing.results import (
    EXIT_COULD_NOT_CHECK,
    EXIT_INVALID,
    EXIT_VALID,
    Finding,
    Report,
    Verdict,
    exit_code,
)
from sealing.times import TimeRefused

OF_ABC = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_digests_are_tagged(tmp_path: Path) -> None:
    path = tmp_path / "abc"
    path.write_bytes(b"abc")
    assert digests.sha256_tag(b"abc") == OF_ABC
    assert digests.sha256_file(path) == (OF_ABC, 3)
    assert digests.tag(digests.untag(OF_ABC)) == OF_ABC


@pytest.mark.parametrize(
    "text",
    [
        OF_ABC.upper(),
        OF_ABC.removeprefix("sha256:"),
        OF_ABC[:-1],
        OF_ABC + "0",
        OF_ABC + "\n",
        OF_ABC.replace("sha256", "sha512"),
        OF_ABC[:-1] + "A",
        OF_ABC[:-1] + "\N{ARABIC-INDIC DIGIT ONE}",
        None,
    ],
)
def test_a_digest_has_one_spelling(text: str) -> None:
    with pytest.raises(DigestRefused):
        digests.untag(text)


def test_only_32_bytes_are_tagged() -> None:
    with pytest.raises(DigestRefused):
        digests.tag(b"\x00" * 31)


@given(st.binary())
def test_base64_goes_back_and_forth(data: bytes) -> None:
    assert digests.unb64(digests.b64(data)) == data


@pytest.mark.parametrize(
    "text", ["AA", "AA=", "AB==", "AA==\n", " AA==", "-_8=", "AA==AA==", "é", 7]
)
def test_base64_has_one_spelling(text: str) -> None:
    with pytest.raises(DigestRefused):
        digests.unb64(text)


@given(st.text(st.sampled_from("AQgw/+=-_ \n")))
def test_base64_is_accepted_only_if_it_encodes_back(text: str) -> None:
    try:
        data = digests.unb64(text)
    except DigestRefused:
        return
    assert base64.b64encode(data).decode() == text


def test_times_are_written_in_utc_with_six_digits() -> None:
    moment = datetime(2026, 1, 31, 10, 0, 0, 5, tzinfo=timezone(timedelta(hours=1)))
    assert times.format_time(moment) == "2026-01-31T09:00:00.000005Z"
    assert times.format_time(datetime(1, 2, 3, tzinfo=UTC)) == "0001-02-03T00:00:00.000000Z"


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(TimeRefused):
        times.format_time(datetime(2026, 1, 31))  # noqa: DTZ001


@given(st.datetimes(timezones=st.just(UTC)))
def test_times_go_back_and_forth(moment: datetime) -> None:
    assert times.parse_time(times.format_time(moment)) == moment
    assert times.parse_rfc3339(times.format_time(moment)) == moment


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-31T09:00:00Z",
        "2026-01-31T09:00:00.00000Z",
        "2026-01-31T09:00:00.0000000Z",
        "2026-01-31T09:00:00.000000+00:00",
        "2026-01-31 09:00:00.000000Z",
        "2026-02-30T09:00:00.000000Z",
        "2026-01-31T24:00:00.000000Z",
        "2026-01-31T09:00:60.000000Z",
        "2026-01-31T09:00:00.000000Z\n",
        "\N{ARABIC-INDIC DIGIT TWO}026-01-31T09:00:00.000000Z",
        None,
    ],
)
def test_our_own_times_have_one_spelling(text: str) -> None:
    with pytest.raises(TimeRefused):
        times.parse_time(text)


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-31T09:00:00Z",
        "2026-01-31t09:00:00z",
        "2026-01-31T10:00:00+01:00",
        "2026-01-31T10:00:00 01:00",
        "2026-01-31T03:30:00.0-05:30",
        "2026-01-31T09:00:00.000000Z",
    ],
)
def test_times_of_others_are_read(text: str) -> None:
    assert times.parse_rfc3339(text) == datetime(2026, 1, 31, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-31",
        "2026-01-31T09:00:00",
        "2026-01-31T09:00Z",
        "2026-01-31T09:00:00.Z",
        "2026-01-31T09:00:00.1234567Z",
        "2026-01-31T09:00:00+25:00",
        "2026-01-31T09:00:00+01:60",
        "2026-01-31T09:00:00+0100",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
        "2026-13-01T00:00:00Z",
        "",
        None,
    ],
)
def test_other_texts_are_no_times(text: str) -> None:
    with pytest.raises(TimeRefused):
        times.parse_rfc3339(text)


@pytest.mark.parametrize(
    ("checks", "verdict", "code"),
    [
        ([], Verdict.INCONCLUSIVE, EXIT_COULD_NOT_CHECK),
        ([True, True], Verdict.VALID, EXIT_VALID),
        ([True, None], Verdict.INCONCLUSIVE, EXIT_COULD_NOT_CHECK),
        ([True, None, False], Verdict.INVALID, EXIT_INVALID),
    ],
)
def test_verdicts(checks: list[bool | None], verdict: Verdict, code: int) -> None:
    report = Report(tuple(Finding("code", ok, "message") for ok in checks))
    assert report.verdict is verdict
    assert exit_code(report.verdict) == code
    assert [issue.ok for issue in report.issues] == [ok for ok in checks if ok is not True]
    assert report.as_dict()["verdict"] == verdict.value


def test_an_error_carries_code_and_place() -> None:
    error = Conflict("Taken.", code="name_taken", field="name", errors=[("name", "taken")])
    assert (error.code, error.field, error.message) == ("name_taken", "name", "Taken.")
    assert error.errors == (("name", "taken"),)
    assert Conflict("x").code == "conflict"
    assert isinstance(error, StrongroomError)
    assert str(error) == "Taken."
