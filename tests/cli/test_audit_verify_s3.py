"""`python -m audit.verify s3://…` against moto: the protocol, not proof that anything is locked."""

from __future__ import annotations

import gzip
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from audit import verify
from tests.cli.archives import LOG, PROJECT, Archive, answer
from tests.cli.damages import DAMAGES, NAMES, Damage, heartbeat
from tests.servers.buckets import Bucket
from tests.unit.audit_formats import logs

DAYS = 2557
Objects = dict[str, bytes]


def names_of(archive: Archive) -> Objects:
    """The objects that an archiver would have put, from an archive in a folder."""
    root = archive.root / "audit"
    found = {}
    for path in sorted(root.rglob("*.*")):
        name, data = path.relative_to(root).as_posix(), path.read_bytes()
        if path.suffix == ".jsonl":
            name, data = f"{name}.gz", gzip.compress(data, 6, mtime=0)
        found[name] = data
    return found


def until(name: str) -> datetime:
    """The least date until which an object of the archive must be locked."""
    if name.startswith("heartbeat/"):
        newest = datetime.strptime(name[10:34], "%Y/%m/%d/%H%M%S.%f").replace(tzinfo=UTC)
    else:
        last = int(name.rpartition("/")[2][17:33])
        newest = logs.BEGIN + timedelta(minutes=20 * last)
    return newest + timedelta(days=DAYS)


class Uploaded:
    """An archive in a bucket, and the answers of the verifier about it."""

    def __init__(self, bucket: Bucket, signers: Path) -> None:
        self.bucket = bucket
        self.signers = signers

    def put(self, name: str, data: bytes, **lock: Any) -> str:
        """Puts an object, in compliance mode and for as long as it must be; its version."""
        wanted: dict[str, Any] = {"mode": "COMPLIANCE", "until": until(name), **lock}
        locked: dict[str, Any] = {}
        if wanted["mode"] is not None:
            locked = {
                "ObjectLockMode": wanted["mode"],
                "ObjectLockRetainUntilDate": wanted["until"],
                "ChecksumAlgorithm": "SHA256",
            }
        where = {"Bucket": self.bucket.name, "Key": self.bucket.key(name)}
        return str(self.bucket.client.put_object(Body=data, **where, **locked).get("VersionId"))

    def delete(self, name: str, **version: str) -> None:
        key = self.bucket.key(name)
        self.bucket.client.delete_object(Bucket=self.bucket.name, Key=key, **version)

    def run(self, *options: str, location: str | None = None) -> int:
        """The exit code."""
        reached = ["--endpoint-url", self.bucket.endpoint_url, "--region", "us-east-1"]
        place = location or self.bucket.location
        known = ["--signers", str(self.signers), "--force-path-style"]
        return verify.main([place, *reached, *known, *options])


@pytest.fixture
def uploaded(locked_bucket: Bucket, archive: Archive) -> Uploaded:
    return Uploaded(locked_bucket, archive.signers)


@pytest.fixture
def whole(uploaded: Uploaded, archive: Archive) -> Uploaded:
    """The archive as it should be, with a heartbeat."""
    heartbeat(12)(archive)
    for name, data in names_of(archive).items():
        uploaded.put(name, data)
    return uploaded


SEGMENT = "2026/03/02/0000000000000006-0000000000000009.jsonl.gz"
LOCKED = ("--object-lock-mode", "compliance", "--object-lock-days", str(DAYS))


@pytest.mark.parametrize("options", [(), LOCKED, ("--strict",), ("--jobs", "2")])
def test_an_archive_in_s3_is_valid(
    whole: Uploaded, capsys: pytest.CaptureFixture[str], options: tuple[str, ...]
) -> None:
    assert whole.run("--json", *options) == 0
    found = answer(capsys)
    assert (found["checked_events"], found["segments"], found["checkpoints"]) == (12, 4, 5)
    assert found["head"] == f"sha256:{LOG.hashes[11].hex()}"
    assert (found["notices"], found["lock_mismatches"]) == ([], 0)


@pytest.mark.parametrize("damage", DAMAGES, ids=NAMES)
def test_damage_in_s3_is_named(
    uploaded: Uploaded, archive: Archive, capsys: pytest.CaptureFixture[str], damage: Damage
) -> None:
    damage.do(archive)
    for name, data in names_of(archive).items():
        uploaded.put(name, data, mode=None)
    assert uploaded.run("--json") == 1
    found = answer(capsys)
    assert found["first_bad_seq"] == damage.seq
    assert damage.suffix in found["first_bad_file"]
    assert damage.code in [issue["code"] for issue in found["issues"]]


@pytest.mark.parametrize(
    ("options", "first", "size"),
    [
        (("--start", "2026/03/02"), 6, 12),
        (("--end", "2026/03/01"), 0, 6),
        (("--since", "2026-03-02T00:00:00Z"), 6, 12),
        (("--limit", "3"), 6, 12),
        (("--limit", "2"), 10, 12),
    ],
)
def test_windows_in_s3(
    whole: Uploaded,
    capsys: pytest.CaptureFixture[str],
    options: tuple[str, ...],
    first: int,
    size: int,
) -> None:
    assert whole.run("--json", *options, *LOCKED) == 0
    found = answer(capsys)
    assert (found["first_seq"], found["size"]) == (first, size)


def test_the_oldest_version_counts(whole: Uploaded, capsys: pytest.CaptureFixture[str]) -> None:
    whole.put(SEGMENT, gzip.compress(b"another history\n"))
    whole.delete("2026/03/01/0000000000000000-0000000000000002.checkpoint")
    assert whole.run("--json", *LOCKED) == 0
    found = answer(capsys)
    assert [(note["code"], note["where"]) for note in found["notices"]] == [
        ("object_hidden", "2026/03/01/0000000000000000-0000000000000002.checkpoint"),
        ("object_overwritten", SEGMENT),
    ]
    assert whole.run() == 0
    assert f"{SEGMENT} was overwritten" in capsys.readouterr().out


def test_a_wrong_original_is_not_mended_by_a_later_version(
    uploaded: Uploaded, archive: Archive, capsys: pytest.CaptureFixture[str]
) -> None:
    objects = names_of(archive)
    for name, data in objects.items():
        uploaded.put(name, gzip.compress(b"wrong\n") if name == SEGMENT else data)
    uploaded.put(SEGMENT, objects[SEGMENT])
    assert uploaded.run("--json") == 1
    assert answer(capsys)["first_bad_seq"] == 6


def test_a_removed_version_is_missed(
    uploaded: Uploaded, archive: Archive, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, data in names_of(archive).items():
        uploaded.put(name, data, mode=None)
    (version,) = uploaded.bucket.versions(SEGMENT)
    uploaded.delete(SEGMENT, VersionId=version)
    assert uploaded.bucket.versions(SEGMENT) == []
    assert uploaded.run("--json") == 1
    assert answer(capsys)["first_bad_seq"] == 6


COMPANIONS = [
    SEGMENT,
    SEGMENT.replace("jsonl.gz", "checkpoint"),
    SEGMENT.replace("jsonl.gz", "frontier"),
    "heartbeat/2026/03/02/090000.000000.checkpoint",
]


@pytest.mark.parametrize("name", COMPANIONS, ids=["segment", "checkpoint", "frontier", "heartbeat"])
@pytest.mark.parametrize(
    ("lock", "code"),
    [
        (lambda name: {"until": until(name) - timedelta(days=1)}, "lock_short"),
        (lambda name: {"until": until(name) - timedelta(seconds=1)}, "lock_short"),
        (lambda _: {"mode": "GOVERNANCE"}, "lock_weak"),
        (lambda _: {"mode": None}, "lock_missing"),
    ],
    ids=["a day short", "a second short", "governance", "none"],
)
def test_an_object_that_is_not_locked_as_it_should_be_is_named(
    uploaded: Uploaded,
    archive: Archive,
    capsys: pytest.CaptureFixture[str],
    name: str,
    lock: Callable[[str], dict[str, Any]],
    code: str,
) -> None:
    heartbeat(12)(archive)
    for each, data in names_of(archive).items():
        uploaded.put(each, data, **(lock(each) if each == name else {}))
    assert uploaded.run("--json") == 0
    capsys.readouterr()
    assert uploaded.run("--json", *LOCKED) == 1
    found = answer(capsys)
    assert [(issue["code"], issue["where"]) for issue in found["issues"]] == [(code, name)]
    assert (found["lock_mismatches"], found["first_bad_seq"]) == (1, None)
    assert name in found["message"]
    weaker = ["--object-lock-mode", "governance", "--object-lock-days", str(DAYS)]
    assert uploaded.run(*weaker) == (0 if code == "lock_weak" else 1)


@pytest.mark.parametrize("location", ["s3://no-such-bucket-here/audit", None])
def test_nothing_to_check_in_s3(
    uploaded: Uploaded, capsys: pytest.CaptureFixture[str], location: str | None
) -> None:
    assert uploaded.run("--json", location=location) == 3
    assert answer(capsys)["verdict"] == "INCONCLUSIVE"


def test_a_store_that_can_not_be_reached(
    whole: Uploaded, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    assert whole.run("--json", "--endpoint-url", "http://127.0.0.1:9") == 3
    assert "can't be listed" in answer(capsys)["message"]


def test_credentials_that_are_missing(
    whole: Uploaded, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert whole.run("--json") == 3
    assert answer(capsys)["verdict"] == "INCONCLUSIVE"


def test_a_bucket_without_versions(
    unlocked_bucket: Bucket, archive: Archive, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = Uploaded(unlocked_bucket, archive.signers)
    for name, data in names_of(archive).items():
        plain.put(name, data, mode=None)
    assert plain.run() == 0
    capsys.readouterr()
    assert plain.run("--json", *LOCKED) == 1
    assert answer(capsys)["lock_mismatches"] == 12


@pytest.mark.parametrize(
    "arguments",
    [
        ["s3://"],
        ["s3://UPPER/x"],
        ["s3://bucket/x", "--object-lock-mode", "compliance"],
        ["s3://bucket/x", "--object-lock-days", "3"],
        ["s3://bucket/x", "--object-lock-mode", "legal", "--object-lock-days", "3"],
        ["s3://bucket/x", "--object-lock-mode", "governance", "--object-lock-days", "0"],
        ["folder", *LOCKED],
    ],
)
def test_wrong_usage_of_s3(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        verify.main(arguments)
    assert caught.value.code == 2


def test_s3_needs_boto3_and_a_folder_does_not(archive: Archive) -> None:
    script = (
        "import sys; sys.modules.update(dict.fromkeys(('boto3', 'botocore', 'psycopg', 'isal')))\n"
        "from audit import verify; sys.exit(verify.main(sys.argv[1:]))"
    )

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", script, *arguments, "--signers", str(archive.signers)]
        return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)

    assert run(str(archive.root)).returncode == 0
    done = run("s3://bucket/audit")
    assert done.returncode == 3
    assert "boto3" in done.stderr
