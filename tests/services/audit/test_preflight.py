"""`manage.py s3_preflight`: what it finds before moto, which lets everybody do everything.

That it finds nothing wrong with an identity that has exactly the rights it needs is shown against
a server that enforces them, in tests/real.
"""

from __future__ import annotations

import json
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from audit.services import preflight
from sealing.results import Verdict
from sealing.stores.s3 import S3Store
from tests.servers.buckets import Bucket
from tests.servers.faulty import FaultyProxy, Kind
from tests.servers.ports import free_ports

# moto neither keeps compliance locks nor knows who may do what.
NOT_ON_MOTO = {
    "locks_hold",
    "delete_versions",
    "bypass_governance",
    "set_versioning",
    "set_object_lock",
    "hide_objects",
}


def found(where: str | None = None) -> dict[str, bool | None]:
    return {each.code: each.ok for each in preflight.check(location=where).report.findings}


@pytest.fixture
def bucket(locked_bucket: Bucket, settings: Any) -> Bucket:
    locked_bucket.configure(settings)
    return locked_bucket


def test_what_the_archive_needs_is_done_and_what_moto_cannot_refuse_is_told(bucket: Bucket) -> None:
    result = preflight.check()
    told = {each.code: each.ok for each in result.report.findings}
    assert [code for code, ok in told.items() if ok] == [
        "clock", "bucket", "versioning", "object_lock", "put", "list", "list_versions", "extend",
        "hold",
    ]  # fmt: skip
    assert {code for code, ok in told.items() if not ok} == NOT_ON_MOTO
    # moto sets it for buckets without objects alone, and says nothing of rights.
    assert [code for code, ok in told.items() if ok is None] == ["set_object_lock"]
    assert result.report.verdict is Verdict.INVALID
    assert result.location == bucket.location


def test_no_harm_is_done_beside_the_probes(bucket: Bucket) -> None:
    kept = bucket.store().put_new("2025/10/16/a", b"abc")
    configuration = bucket.client.get_object_lock_configuration(Bucket=bucket.name)
    result = preflight.check()
    names = {version.name for version in bucket.store().versions()}
    assert {bucket.key(name) for name in names if name != "2025/10/16/a"} >= set(result.probes)
    assert all(name.startswith("preflight/") for name in names - {"2025/10/16/a"})
    assert bucket.store().stat("2025/10/16/a") == bucket.store().stat(
        "2025/10/16/a", version_id=kept.version_id
    )
    assert bucket.client.get_bucket_versioning(Bucket=bucket.name)["Status"] == "Enabled"
    after = bucket.client.get_object_lock_configuration(Bucket=bucket.name)
    assert after["ObjectLockConfiguration"] == configuration["ObjectLockConfiguration"]


def test_the_default_retention_is_told_and_stays(bucket: Bucket) -> None:
    rule = {"DefaultRetention": {"Mode": "COMPLIANCE", "Years": 7}}
    bucket.client.put_object_lock_configuration(
        Bucket=bucket.name,
        ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": rule},
    )
    told = {each.code: each.message for each in preflight.check().report.findings}
    assert "the default is compliance, 7 years" in told["object_lock"]
    after = bucket.client.get_object_lock_configuration(Bucket=bucket.name)
    kept = after["ObjectLockConfiguration"]["Rule"]["DefaultRetention"]
    assert {name: value for name, value in kept.items() if value} == rule["DefaultRetention"]


def test_a_bucket_without_lock_and_versions_fails(unlocked_bucket: Bucket, settings: Any) -> None:
    unlocked_bucket.configure(settings)
    assert found() == {"clock": True, "bucket": True, "versioning": False, "object_lock": False}


def test_a_missing_bucket_fails(bucket: Bucket) -> None:
    assert found("s3://no-such-bucket-of-ours/audit") == {"clock": True, "bucket": False}


def test_a_clock_that_differs_by_five_minutes_fails(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = S3Store.clock
    for seconds, ok in ((298, True), (-298, True), (302, False), (-302, False)):
        with monkeypatch.context() as patch:
            patch.setattr(
                S3Store,
                "clock",
                lambda self, off=seconds: real(self) + timedelta(seconds=off),
            )
            assert found()["clock"] is ok


@pytest.mark.parametrize(
    ("containing", "methods", "code"),
    [
        (".probe", "PUT", "put"),
        ("list-type=2", "GET", "list"),
        ("?retention", "PUT", "extend"),
        ("?legal-hold", "PUT", "hold"),
        ("?versions", "GET", "put"),
        ("versionId=", "GET", "put"),
    ],
    ids=["put", "list", "extend", "hold", "list-versions", "read-version"],
)
def test_a_right_that_is_missing_is_named(
    bucket: Bucket,
    settings: Any,
    faulty_s3: FaultyProxy,
    containing: str,
    methods: str,
    code: str,
) -> None:
    bucket.configure(settings, endpoint_url=faulty_s3.endpoint_url)
    faulty_s3.inject(Kind.ANSWER, status=403, times=None, methods=methods, containing=containing)
    told = {each.code: each for each in preflight.check().report.findings}
    assert told[code].ok is False
    assert "403 AccessDenied" in told[code].message


def test_a_configuration_that_cannot_be_read_leaves_the_question_open(
    bucket: Bucket, settings: Any, faulty_s3: FaultyProxy
) -> None:
    bucket.configure(settings, endpoint_url=faulty_s3.endpoint_url)
    faulty_s3.inject(Kind.ANSWER, status=403, methods="GET", containing="?versioning")
    assert found()["protection"] is None


def test_an_identity_that_everything_harmful_is_refused_to_passes(
    bucket: Bucket, settings: Any, faulty_s3: FaultyProxy
) -> None:
    """The server's part is played by the proxy: what it refuses is what a policy would."""
    bucket.configure(settings, endpoint_url=faulty_s3.endpoint_url)
    refuse = {"status": 403, "times": None}
    faulty_s3.inject(Kind.ANSWER, methods="DELETE", **refuse)
    faulty_s3.inject(Kind.ANSWER, methods="PUT", containing="?versioning", **refuse)
    faulty_s3.inject(Kind.ANSWER, methods="PUT", containing="?object-lock", **refuse)
    faulty_s3.inject(Kind.ANSWER, methods="PUT", containing=".governance?retention", **refuse)
    # The extension is the first of two changes to the probe's lock; the second would shorten it.
    faulty_s3.inject(Kind.SLOW, methods="PUT", containing=".probe?retention")
    faulty_s3.inject(Kind.ANSWER, methods="PUT", containing=".probe?retention", **refuse)
    result = preflight.check()
    assert [each for each in result.report.findings if each.ok is not True] == []
    assert result.report.verdict is Verdict.VALID


def test_a_server_that_shortens_a_lock_is_found_out(bucket: Bucket) -> None:
    told = {each.code: each for each in preflight.check().report.findings}
    assert "shortened" in told["locks_hold"].message


def test_the_command_tells_all_of_it(bucket: Bucket) -> None:
    out = StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("s3_preflight", stdout=out)
    assert ended.value.code == 1
    text = out.getvalue()
    assert "ok     Versioning is enabled. [versioning]" in text
    assert "FAILED This identity can hide objects" in text
    assert "left:  audit/preflight/" in text
    assert "not checked: " in text
    assert text.endswith(f"INVALID: {bucket.location}\n")


def test_the_command_answers_as_json(bucket: Bucket) -> None:
    out = StringIO()
    with pytest.raises(SystemExit):
        call_command("s3_preflight", bucket.location, json=True, stdout=out)
    told = json.loads(out.getvalue())
    assert told["verdict"] == "INVALID"
    assert told["location"] == bucket.location
    assert {each["code"] for each in told["findings"] if each["ok"] is not True} == NOT_ON_MOTO
    assert len(told["probes"]) == 2
    assert told["not_checked"] == list(preflight.NOT_CHECKED)


def test_a_place_that_is_not_in_s3_is_wrong_usage(settings: Any) -> None:
    for arguments in ((), ("/var/archive",)):
        with pytest.raises(CommandError) as error:
            call_command("s3_preflight", *arguments)
        assert error.value.returncode == 2


def test_a_server_that_is_not_there_could_not_be_checked(bucket: Bucket, settings: Any) -> None:
    (port,) = free_ports(1)
    bucket.configure(settings, endpoint_url=f"http://127.0.0.1:{port}")
    with pytest.raises(CommandError, match="Could not check") as error:
        call_command("s3_preflight")
    assert error.value.returncode == 3


def test_a_server_that_fails_midway_could_not_be_checked(
    bucket: Bucket, settings: Any, faulty_s3: FaultyProxy
) -> None:
    bucket.configure(settings, endpoint_url=faulty_s3.endpoint_url)
    faulty_s3.inject(Kind.ANSWER, status=503, methods="PUT", containing="?legal-hold", times=None)
    with pytest.raises(CommandError, match="503") as error:
        call_command("s3_preflight")
    assert error.value.returncode == 3
