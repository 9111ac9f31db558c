"""The log verifier: what it accepts, and that every damage is found where it is."""

from __future__ import annotations

import gzip
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.formats import event
from audit.formats.log import BATCH, LogVerifier
from sealing.merkle import Frontier, root_of
from tests.unit.audit_formats import golden
from tests.unit.audit_formats.logs import Log, event_bytes, log_of

PROJECT = Path(__file__).resolve().parents[3]
LOG = log_of(12)


def verifier(**changes: object) -> LogVerifier:
    return LogVerifier(golden.ORIGIN, **changes)  # type: ignore[arg-type]


def test_golden_log() -> None:
    found = verifier(strict=True)
    assert found.feed(golden.LINES)
    assert found.size == 3
    assert found.head.hex() == golden.HASHES[2]
    assert found.frontier.root().hex() == golden.ROOT
    assert found.sealed_at == golden.TIMES[2]


@pytest.mark.parametrize("end", [b"", b"\n"])
@pytest.mark.parametrize("strict", [False, True])
def test_lines_with_and_without_newlines(end: bytes, strict: bool) -> None:
    found = verifier(strict=strict)
    assert found.feed(line + end for line in LOG.lines)
    assert found.size == 12
    assert found.terminated is bool(end)


def test_an_empty_log_is_the_genesis() -> None:
    found = verifier()
    assert found.feed([])
    assert (found.size, found.head) == (0, event.genesis_hash(golden.ORIGIN))


@given(st.lists(st.integers(0, 900), max_size=4), st.booleans())
@settings(max_examples=20, deadline=None)
def test_feeding_in_any_portions_gives_the_same(steps: list[int], one_time: bool) -> None:
    log = Log()
    for number in range(sum(steps)):
        log.add(event_bytes(number), "2026-03-01T22:00:00.000000Z" if one_time else None)
    found = verifier()
    at = 0
    for step in steps:
        assert found.feed(log.lines[at : at + step])
        at += step
    assert found.size == len(log.lines)
    assert found.head == log.head
    assert found.frontier.hashes == log.frontier(at).hashes


def swapped(lines: list[bytes], at: int) -> list[bytes]:
    return [*lines[:at], lines[at + 1], lines[at], *lines[at + 2 :]]


def rehashed(line: bytes, old: bytes, new: bytes) -> bytes:
    assert line.count(old) == 1
    leaf = event.leaf_part(line.replace(old, new))
    digest = event.sha256(b"\x00" + leaf).hex().encode()
    return b'%b,"hash":"sha256:%b"}' % (leaf, digest)


def altered(lines: list[bytes], at: int, old: bytes, new: bytes) -> list[bytes]:
    return [*lines[:at], rehashed(lines[at], old, new), *lines[at + 1 :]]


FOREIGN = log_of(12, origin="example.org/other")
DAMAGES: list[tuple[str, Callable[[list[bytes]], list[bytes]], int, str]] = [
    ("flipped in the event", lambda x: [*x[:5], x[5].replace(b"alice", b"alicf"), *x[6:]], 5,
     "hash_mismatch"),
    ("dropped", lambda x: x[:5] + x[6:], 5, "seq_broken"),
    ("swapped", lambda x: swapped(x, 5), 5, "seq_broken"),
    ("repeated", lambda x: [*x[:6], x[5], *x[6:]], 6, "seq_broken"),
    ("inserted", lambda x: [*x[:6], FOREIGN.lines[6], *x[6:]], 6, "chain_broken"),
    ("rehashed alone", lambda x: altered(x, 5, b"alice", b"alicf"), 6, "chain_broken"),
    ("renumbered", lambda x: altered(x, 5, b'"seq":5', b'"seq":6'), 5, "seq_broken"),
    ("sealed earlier", lambda x: altered(x, 5, b"23:40", b"23:19"), 5, "time_reversed"),
    ("no such time", lambda x: altered(x, 5, b"23:40:", b"23:4x:"), 5, "line_malformed"),
    ("empty line", lambda x: [*x[:5], b"", *x[5:]], 5, "line_malformed"),
    ("carriage return", lambda x: [*x[:5], x[5] + b"\r", *x[6:]], 5, "line_malformed"),
    ("space", lambda x: [*x[:5], x[5].replace(b'"v":1', b'"v": 1'), *x[6:]], 5, "line_malformed"),
    ("wrong outer keys", lambda x: altered(x, 5, b'"prev_hash"', b'"prior_hash"'), 5,
     "line_malformed"),
    ("extra outer key", lambda x: altered(x, 5, b'"v":1,', b'"v":1,"w":1,'), 5, "line_malformed"),
    ("extra outer key behind", lambda x: [*x[:5], x[5].replace(b',"hash"', b',"a":1,"hash"')], 5,
     "line_malformed"),
    ("rubbish", lambda x: [*x[:5], b"\xff\x00 rubbish", *x[5:]], 5, "line_malformed"),
    ("another log", lambda _: FOREIGN.lines, 0, "chain_broken"),
    ("first dropped", lambda x: x[1:], 0, "seq_broken"),
]  # fmt: skip


@pytest.mark.parametrize("end", [b"", b"\n"])
@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize(
    ("damage", "seq", "code"), [case[1:] for case in DAMAGES], ids=[case[0] for case in DAMAGES]
)
def test_damage_is_found_where_it_is(
    damage: Callable[[list[bytes]], list[bytes]], seq: int, code: str, strict: bool, end: bytes
) -> None:
    lines = damage(LOG.lines)
    found = verifier(strict=strict)
    assert not found.feed(line + end for line in lines)
    assert found.fault is not None
    assert (found.fault.seq, found.fault.code) == (seq, code)
    assert found.size == seq
    assert found.frontier.root() == root_of([event.parse_line(line).hash for line in lines[:seq]])
    assert not found.feed(LOG.lines[seq:])


@pytest.mark.parametrize("one_time", [False, True])
def test_every_flipped_bit_is_found(one_time: bool) -> None:
    log = Log()
    for number in range(3):
        log.add(event_bytes(number), "2026-03-01T22:00:00.000000Z" if one_time else None)
    for index in range(len(log.lines[1]) * 8):
        flipped = bytearray(log.lines[1])
        flipped[index // 8] ^= 1 << index % 8
        found = verifier()
        assert not found.feed([log.lines[0], bytes(flipped), log.lines[2]])
        assert found.fault is not None
        assert found.fault.seq == 1


@pytest.mark.parametrize("one_time", [False, True])
@pytest.mark.parametrize("at", [0, 1, 9, 10, 99, 100, BATCH - 1, BATCH, BATCH + 1, 2 * BATCH + 5])
def test_the_first_bad_line_of_a_batch_is_named(at: int, one_time: bool) -> None:
    log = Log()
    for number in range(2 * BATCH + 10):
        log.add(event_bytes(number), "2026-03-01T22:00:00.000000Z" if one_time else None)
    lines = [line + b"\n" for line in log.lines]
    lines[at] = lines[at].replace(b"alice", b"alicf")
    found = verifier()
    assert not found.feed(lines)
    assert found.fault is not None
    assert (found.fault.seq, found.fault.code) == (at, "hash_mismatch")
    assert found.frontier.hashes == log.frontier(at).hashes


@pytest.mark.parametrize(
    "when",
    [
        "2026-03-01T21:59:59.999999Z",
        "2027-03-01T22:00:00.000000Z",
        "2026-03-01T22:00:00.00000xZ",
        "2026-03-01T22:00:00.0000000",
        "2026-03-01 22:00:00.000000Z",
        "zzzz-03-01T22:00:00.000000Z",
    ],
)
@pytest.mark.parametrize("at", [0, 5, 150, 299])
def test_a_time_out_of_order_or_form_is_named_within_a_batch(at: int, when: str) -> None:
    # Chained and hashed as they should be: only the time is wrong, or wrong for what follows.
    log = Log()
    for number in range(300):
        log.add(event_bytes(number), when if number == at else f"2026-03-01T22:00:00.{number:06}Z")
    found = verifier()
    holds = found.feed(line + b"\n" for line in log.lines)
    if when.startswith("2027"):
        assert holds is (at == 299)
        assert holds or (found.fault is not None and found.fault.seq == at + 1)
    elif when.startswith("2026-03-01T21") and at == 0:
        assert holds
    else:
        assert found.fault is not None
        assert found.fault.seq == at
        assert found.size == at


def test_a_window_begins_at_a_frontier() -> None:
    found = verifier(start=LOG.frontier(5), head=LOG.hashes[4], sealed_at="")
    assert found.feed(LOG.lines[5:])
    assert found.frontier.hashes == LOG.frontier(12).hashes
    wrong = verifier(start=LOG.frontier(5), head=LOG.hashes[3])
    assert not wrong.feed(LOG.lines[5:])


def test_a_window_needs_the_hash_before_it() -> None:
    with pytest.raises(ValueError, match="hash before"):
        verifier(start=LOG.frontier(5))
    assert verifier(start=Frontier()).size == 0


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (b'"number":5', b'"number":5.0', "event_invalid"),
        (b'"number":5', b'"number":5,"number":5', "event_invalid"),
        (b'"outcome":"success"', b'"outcome":"maybe"', "event_invalid"),
        (b"000000000005", b"000000000004", "event_repeated"),
        (b"T23:40:00", b"T23:60:00", "event_invalid"),
        (b'"ops.test.happened"}', b'"ops.test.happened"},"extra":{}', "event_invalid"),
    ],
)
def test_strict_mode_looks_into_events(old: bytes, new: bytes, code: str) -> None:
    line = rehashed(LOG.lines[5], old, new)
    assert verifier().feed([*LOG.lines[:5], line])
    found = verifier(strict=True)
    assert not found.feed([*LOG.lines[:5], line])
    assert found.fault is not None
    assert (found.fault.seq, found.fault.code) == (5, code)


def test_memory_stays_the_same_however_long_the_log(tmp_path: Path) -> None:
    # Twenty times as many lines from a packed file, each run in a process of its own.
    script = (
        "import gzip, resource, sys; from audit.formats.log import LogVerifier\n"
        f"log = LogVerifier({golden.ORIGIN!r})\n"
        "assert log.feed(gzip.open(sys.argv[1]))\n"
        "print(log.size, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
    )
    peaks = []
    for size in (2_000, 40_000):
        path = tmp_path / f"{size}.gz"
        with gzip.open(path, "wb", compresslevel=1) as out:
            previous = event.genesis_hash(golden.ORIGIN)
            for seq in range(size):
                body = event_bytes(seq)
                line, previous = event.line(seq, golden.TIMES[0], previous, body)
                out.write(line + b"\n")
        command = [sys.executable, "-c", script, str(path)]
        done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True)
        count, peak = map(int, done.stdout.split())
        assert count == size
        peaks.append(peak)
    assert peaks[1] - peaks[0] < 4 * 1024  # KiB
