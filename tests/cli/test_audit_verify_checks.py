"""`python -m audit.verify`: --since, --limit, --jobs, notices, tokens, samples, the bar."""

from __future__ import annotations

import io
import json
import re
import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from audit import verify
from audit.formats import event
from audit.progress import Bar
from audit.services import archiving, keys
from sealing.digests import sha256
from sealing.keys import signers_document
from sealing.times import format_time
from sealing.timestamps import request_bytes
from tests.cli.archives import LOG, RANGES, Archive, answer, drop_segment_whole, edit
from tests.cli.damages import heartbeat
from tests.databases import CommittedDatabase
from tests.factories import World
from tests.servers.tsa import Authority
from tests.services.audit.helpers import seal
from tests.unit.audit_formats import logs

# --since and --limit.


@pytest.mark.parametrize(
    ("since", "first"),
    [
        ("2020-01-01T00:00:00Z", 0),
        (logs.sealed_at(0), 0),
        (logs.sealed_at(2), 0),
        ("2026-03-01T22:40:00.000001Z", 3),
        (logs.sealed_at(3), 3),
        (logs.sealed_at(5), 3),
        ("2026-03-02T01:00:00+01:00", 6),
        (logs.sealed_at(9), 6),
        (logs.sealed_at(10), 10),
        (logs.sealed_at(11), 10),
    ],
)
def test_since_begins_at_the_segment_that_holds_the_first_event(
    archive: Archive, capsys: pytest.CaptureFixture[str], since: str, first: int
) -> None:
    assert archive.run("--since", since, "--json") == 0
    found = answer(capsys)
    assert (found["first_seq"], found["size"]) == (first, 12)


def test_since_after_the_last_event_is_nothing_to_check(archive: Archive) -> None:
    late = format_time(logs.BEGIN + timedelta(days=9))
    assert archive.run("--since", late) == 3


def test_since_does_not_trust_a_line_that_it_did_not_verify(
    archive: Archive, capsys: pytest.CaptureFixture[str]
) -> None:
    # Somebody wants event 5 to be left out, and has it say that it was sealed earlier.
    def earlier(raw: bytes) -> bytes:
        lines = raw.splitlines(keepends=True)
        leaf = event.leaf_part(
            lines[-1].rstrip().replace(b'"sealed_at":"2026', b'"sealed_at":"2025')
        )
        digest = sha256(b"\x00" + leaf).hex().encode()
        return b"".join(lines[:-1]) + b'%b,"hash":"sha256:%b"}\n' % (leaf, digest)

    edit(archive.segments[1], earlier)
    assert archive.run("--since", logs.sealed_at(5), "--json") == 1
    assert answer(capsys)["first_bad_seq"] == 5


@pytest.mark.parametrize("content", [b"", b"rubbish\n", b"\n\n"])
def test_since_looks_into_rubbish(archive: Archive, content: bytes) -> None:
    archive.segments[1].write_bytes(content)
    assert archive.run("--since", logs.sealed_at(5)) == 1


@pytest.mark.parametrize(
    ("limit", "first"), [(1, 10), (2, 10), (3, 6), (6, 6), (7, 3), (12, 0), (9999, 0)]
)
def test_limit_is_rounded_up_to_whole_segments(
    archive: Archive, capsys: pytest.CaptureFixture[str], limit: int, first: int
) -> None:
    assert archive.run("--limit", str(limit), "--json") == 0
    assert answer(capsys)["first_seq"] == first
    edit(archive.segments[-1], lambda raw: raw.replace(b"alice", b"alicf"))
    assert archive.run("--limit", str(limit)) == 1


def test_windows_narrow_one_another(archive: Archive, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--since", logs.sealed_at(3), "--end", "2026/03/01", "--limit", "100"]
    assert archive.run("--json", *options) == 0
    found = answer(capsys)
    assert (found["first_seq"], found["size"]) == (3, 6)


@pytest.mark.parametrize("option", [("--since", logs.sealed_at(6)), ("--limit", "6")])
def test_such_windows_need_a_signed_place_to_begin(
    archive: Archive, option: tuple[str, str]
) -> None:
    frontier = archive.segments[1].with_suffix(".frontier")
    kept = frontier.read_bytes()
    frontier.unlink()
    assert archive.run(*option) == 3
    frontier.write_bytes(logs.frontier_document(logs.log_of(6, origin="a.example/b").frontier(6)))
    assert archive.run(*option) == 1
    frontier.write_bytes(kept)
    assert archive.run(*option) == 0


def test_a_removed_segment_is_missed_in_such_windows(archive: Archive) -> None:
    drop_segment_whole(2)(archive)
    assert archive.run("--limit", "7") == 1
    assert archive.run("--since", logs.sealed_at(4)) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["a", "--since", "yesterday"],
        ["a", "--since", "2026-03-01T00:00:00"],
        ["a", "--limit", "0"],
        ["a", "--limit", "-1"],
        ["a", "--jobs", "0"],
        ["a", "--jobs", "two"],
        ["a", "--sample", "1"],
        ["a", "--against-database"],
        ["a", "--seed", "1"],
        ["a", "--profile", "pbpk", "--limit", "1"],
        ["a", "--profile", "pbpk", "--state", "x"],
    ],
)
def test_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        verify.main(arguments)
    assert caught.value.code == 2
    assert "usage: python -m audit.verify" in capsys.readouterr().err


# Keys.


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_checkpoint_after_its_keys_retirement(
    archive: Archive, capsys: pytest.CaptureFixture[str], jobs: str
) -> None:
    key = logs.trusted(status="retired", not_after=logs.sealed_at(11))
    logs.write_signers(archive.signers, logs.signers_of(key))
    assert archive.run("--json", "--jobs", jobs) == 1
    found = answer(capsys)
    assert found["first_bad_seq"] == 10
    assert found["first_bad_file"].endswith("0000000000000011.checkpoint")


# Several processes.


@pytest.mark.parametrize("jobs", ["1", "2", "5"])
@pytest.mark.parametrize("strict", [False, True])
def test_the_number_of_processes_changes_nothing(
    archive: Archive, capsys: pytest.CaptureFixture[str], jobs: str, strict: bool
) -> None:
    heartbeat(6)(archive)
    options = ["--jobs", jobs, *(["--strict"] if strict else [])]
    assert archive.run("--json", *options) == 0
    found = answer(capsys)
    assert (found["checked_events"], found["segments"], found["checkpoints"]) == (12, 4, 5)
    assert found["root"] == f"sha256:{LOG.frontier(12).root().hex()}"


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_an_id_that_comes_twice_is_found_across_segments(
    archive: Archive, capsys: pytest.CaptureFixture[str], jobs: str
) -> None:
    log = logs.Log()
    for number in range(12):
        log.add(logs.event_bytes(1 if number == 8 else number))
    logs.write_archive(archive.root / "audit", log, RANGES)
    assert archive.run("--jobs", jobs) == 0
    capsys.readouterr()
    assert archive.run("--strict", "--json", "--jobs", jobs) == 1
    found = answer(capsys)
    assert (found["first_bad_seq"], found["issues"][0]["code"]) == (8, "event_repeated")
    assert found["first_bad_file"].endswith("0000000000000009.jsonl")


# What changes nothing.


def test_odd_names_are_told(archive: Archive, capsys: pytest.CaptureFixture[str]) -> None:
    day = archive.segments[0].parent
    (day / "notes.txt").write_text("hello")
    (day / "more.jsonl").write_text("{}\n")
    (archive.root / "audit" / "README.txt").write_text("about this archive")
    kept = archive.root / "audit" / "verifications" / "2026" / "03" / "02"
    kept.mkdir(parents=True)
    (kept / "000000.000000.json").write_text("{}")
    assert archive.run("--json") == 0
    notices = [(note["code"], note["where"]) for note in answer(capsys)["notices"]]
    assert sorted(notices) == [
        ("odd_name", "audit/2026/03/01/more.jsonl"),
        ("odd_name", "audit/2026/03/01/notes.txt"),
    ]


# Timestamps.


@pytest.fixture
def stamped(archive: Archive, tmp_path: Path) -> tuple[Authority, list[Path]]:
    """The archive with a token beside each checkpoint, a heartbeat's too."""
    heartbeat(12)(archive)
    authority = Authority(tmp_path / "authority")
    tokens = []
    for path in sorted(archive.root.rglob("*.checkpoint")):
        token = Path(f"{path}.tsr")
        token.write_bytes(authority.stamp(request_bytes(sha256(path.read_bytes()), 1)))
        tokens.append(token)
    (tmp_path / "ca.pem").write_bytes(authority.certificates)
    return authority, tokens


def test_tokens_are_checked_where_an_authority_is_named(
    archive: Archive,
    stamped: tuple[Authority, list[Path]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert archive.run("--json") == 0
    (note,) = answer(capsys)["notices"]
    assert (note["code"], note["message"][:2]) == ("timestamps_not_checked", "5 ")
    assert archive.run("--json", "--tsa-certificates", str(tmp_path / "ca.pem")) == 0
    assert answer(capsys)["notices"] == []
    assert archive.run("--limit", "1", "--tsa-certificates", str(tmp_path / "ca.pem")) == 0
    assert "3 timestamps hold" in capsys.readouterr().out
    stranger = Authority(tmp_path / "stranger")
    (tmp_path / "other.pem").write_bytes(stranger.certificates)
    assert archive.run("--tsa-certificates", str(tmp_path / "other.pem")) == 1
    (tmp_path / "other.pem").write_bytes(b"rubbish")
    assert archive.run("--tsa-certificates", str(tmp_path / "other.pem")) == 3
    assert archive.run("--tsa-certificates", str(tmp_path / "absent.pem")) == 3


@pytest.mark.parametrize("number", [0, 4])
@pytest.mark.parametrize("damage", ["another", "flipped", "alone"])
def test_a_token_that_does_not_hold_is_named(
    archive: Archive,
    stamped: tuple[Authority, list[Path]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    number: int,
    damage: str,
) -> None:
    path = stamped[1][number]
    if damage == "another":
        shutil.copy(stamped[1][1], path)
    elif damage == "flipped":
        edit(path, lambda raw: raw[:-1] + bytes([raw[-1] ^ 1]))
    else:
        path.rename(path.with_name("alone.checkpoint.tsr"))
    wanted = 3 if damage == "alone" else 1
    assert archive.run("--json", "--tsa-certificates", str(tmp_path / "ca.pem")) == wanted
    (issue,) = answer(capsys)["issues"]
    assert issue["code"] == ("unreadable" if damage == "alone" else "timestamp_invalid")
    assert damage == "alone" or issue["where"].endswith(path.name)


# Samples.


@pytest.fixture
def archived(
    committed_db: CommittedDatabase,
    committed_world: World,
    tmp_path: Path,
    settings: object,
    monkeypatch: pytest.MonkeyPatch,
) -> Archive:
    """What the archiver wrote of the events of a database, a segment at a time."""
    settings.AUDIT_STORAGE_BACKEND = "local"  # type: ignore[attr-defined]
    settings.AUDIT_STORAGE_PATH = tmp_path / "archive"  # type: ignore[attr-defined]
    for _ in range(3):
        seal(4)
        archiving.archive_pending()
    signers = tmp_path / "signers.json"
    signers.write_bytes(signers_document(keys.signers()))
    monkeypatch.setenv("DATABASE_URL", committed_db.app_url)
    return Archive(tmp_path / "archive", signers, sorted((tmp_path / "archive").rglob("*.jsonl")))


SAMPLE = ("--against-database", "--sample")


def test_a_sample_is_compared_with_the_database(
    archived: Archive, capsys: pytest.CaptureFixture[str]
) -> None:
    assert archived.run(*SAMPLE, "1") == 0
    told = capsys.readouterr().out
    match = re.search(r"1 segments are as the database has them: (\S+) \(seed (\d+)\)", told)
    assert match is not None
    assert archived.run(*SAMPLE, "1", "--seed", match[2]) == 0
    assert f"has them: {match[1]} (seed {match[2]})" in capsys.readouterr().out
    assert archived.run(*SAMPLE, "999") == 0
    told = capsys.readouterr().out
    assert all(path.name in told for path in archived.segments)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE audit_events SET event = replace(event, '\"n\":2', '\"n\":7') WHERE seq = %s",
        "UPDATE audit_events SET hash = decode(repeat('00', 32), 'hex') WHERE seq = %s",
        "UPDATE audit_events SET created_at = created_at - interval '1 second' WHERE seq = %s",
        "DELETE FROM audit_events WHERE seq = %s",
    ],
    ids=["event", "hash", "time", "removed"],
)
def test_a_database_that_differs_is_noticed(
    archived: Archive,
    committed_db: CommittedDatabase,
    capsys: pytest.CaptureFixture[str],
    change: str,
) -> None:
    import psycopg

    lines = archived.segments[-1].read_bytes().splitlines()
    seq = next(
        json.loads(line)["seq"] for line in lines if json.loads(line)["event"]["data"].get("n") == 2
    )
    with psycopg.connect(committed_db.superuser_url) as connection:
        connection.execute("ALTER TABLE audit_events DISABLE TRIGGER ALL")
        connection.execute("ALTER TABLE audit_events DROP CONSTRAINT audit_events_columns_match")
        assert connection.execute(change, (seq,)).rowcount == 1
    assert archived.run() == 0
    capsys.readouterr()
    assert archived.run("--json", *SAMPLE, "999") == 1
    (issue,) = answer(capsys)["issues"]
    assert issue["code"] == "sample_differs"
    assert f"event {seq}" in issue["message"]
    assert archived.segments[-1].name in issue["where"]


def test_a_database_that_can_not_be_asked(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    assert archive.run(*SAMPLE, "1") == 3
    monkeypatch.setenv("DATABASE_URL", f"postgresql:///nothing?host={tmp_path}")
    assert archive.run(*SAMPLE, "1") == 3
    edit(archive.segments[0], lambda raw: raw.replace(b"alice", b"alicf"))
    assert archive.run(*SAMPLE, "1") == 1


# The bar.


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_bar_is_for_terminals(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    screen, pipe = Terminal(), io.StringIO()
    monkeypatch.setattr("sys.stderr", screen)
    assert archive.run() == 0
    assert "12 of 12 events" in screen.getvalue()
    assert screen.getvalue().endswith(" \r")
    monkeypatch.setattr("sys.stderr", pipe)
    assert archive.run() == 0
    assert pipe.getvalue() == ""


def test_the_bar_without_a_total() -> None:
    screen = Terminal()
    bar = Bar(screen)
    bar(0, 0)
    bar(7, None)
    bar.close()
    bar.close()
    assert "events" in screen.getvalue()
