"""Everything that somebody may do to an archive, each alone, and where it must be found."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from audit.formats import event
from sealing.signers.local import LocalSigner
from tests.cli.archives import LOG, OTHER, RANGES, Archive, drop_segment_whole, edit
from tests.unit.audit_formats import logs


class Damage(NamedTuple):
    """What is done, the first bad event, and what the named file's name ends with."""

    name: str
    do: Callable[[Archive], Any]
    seq: int
    suffix: str
    code: str


def edit_lines(path: Path, change: Callable[[list[bytes]], list[bytes]]) -> None:
    edit(path, lambda raw: b"".join(change(raw.splitlines(keepends=True))))


def rewrite_tail(archive: Archive) -> None:
    # Somebody with the database, but not the key, rewrites event 7 and all that follow.
    log = logs.Log(lines=LOG.lines[:7], hashes=LOG.hashes[:7])
    for number in range(7, 12):
        log.add(logs.event_bytes(number, actor={"id": "user:mallory"}))
    for path, (first, last) in zip(archive.segments, RANGES, strict=True):
        path.write_bytes(b"".join(line + b"\n" for line in log.lines[first : last + 1]))


def use_foreign_segment(archive: Archive) -> None:
    other = logs.log_of(12, origin="example.org/other")
    lines = b"".join(line + b"\n" for line in other.lines[6:10])
    archive.segments[2].write_bytes(lines)


def wrong_outer_keys(archive: Archive) -> None:
    def change(lines: list[bytes]) -> list[bytes]:
        leaf = event.leaf_part(lines[1][:-1].replace(b'"sealed_at"', b'"created_at"'))
        digest = event.sha256(b"\x00" + leaf).hex().encode()
        return [lines[0], b'%b,"hash":"sha256:%b"}\n' % (leaf, digest), *lines[2:]]

    edit_lines(archive.segments[2], change)


def drop_last_segment(archive: Archive) -> None:
    archive.segments[3].unlink()


def heartbeat(size: int, signer: LocalSigner | None = None) -> Callable[[Archive], None]:
    def add(archive: Archive) -> None:
        folder = archive.root / "audit" / "heartbeat" / "2026" / "03" / "02"
        folder.mkdir(parents=True)
        longer = logs.log_of(20)
        (folder / "090000.000000.checkpoint").write_bytes(longer.checkpoint(size, signer))

    return add


def move(archive: Archive) -> None:
    day = archive.root / "audit" / "2026" / "03" / "03"
    day.mkdir()
    for path in archive.segments[3].parent.glob(f"{archive.segments[3].stem}.*"):
        path.rename(day / path.name)


def rename_longer(archive: Archive) -> None:
    path = archive.segments[3]
    for found in path.parent.glob(f"{path.stem}.*"):
        found.rename(found.with_name(found.name.replace("0011.", "0012.")))


DAMAGES = [
    Damage(
        "flipped byte",
        lambda a: edit(a.segments[2], lambda raw: raw.replace(b'"number":7', b'"number":8')),
        7,
        ".jsonl",
        "hash_mismatch",
    ),
    Damage(
        "swapped lines",
        lambda a: edit_lines(a.segments[2], lambda x: [x[1], x[0], *x[2:]]),
        6,
        "",
        "seq_broken",
    ),
    Damage(
        "dropped line",
        lambda a: edit_lines(a.segments[2], lambda x: [x[0], *x[2:]]),
        7,
        ".jsonl",
        "seq_broken",
    ),
    Damage(
        "dropped last line",
        lambda a: edit_lines(a.segments[2], lambda x: x[:-1]),
        9,
        ".jsonl",
        "segment_cut",
    ),
    Damage(
        "repeated line",
        lambda a: edit_lines(a.segments[2], lambda x: [x[0], *x]),
        7,
        ".jsonl",
        "seq_broken",
    ),
    Damage(
        "repeated last line",
        lambda a: edit_lines(a.segments[3], lambda x: [*x, x[-1]]),
        12,
        "",
        "seq_broken",
    ),
    Damage(
        "inserted line",
        lambda a: edit_lines(a.segments[2], lambda x: [x[0], b"{}\n", *x[1:]]),
        7,
        ".jsonl",
        "line_malformed",
    ),
    Damage(
        "missing newline",
        lambda a: edit(a.segments[3], lambda raw: raw[:-1]),
        11,
        ".jsonl",
        "line_malformed",
    ),
    Damage("empty segment", lambda a: a.segments[2].write_bytes(b""), 6, ".jsonl", "segment_cut"),
    Damage(
        "one endless line",
        lambda a: a.segments[2].write_bytes(b"x" * (3 << 20)),
        6,
        ".jsonl",
        "file_damaged",
    ),
    Damage("wrong outer keys", wrong_outer_keys, 7, ".jsonl", "line_malformed"),
    Damage("rewritten tail", rewrite_tail, 6, ".checkpoint", "checkpoint_mismatch"),
    Damage("another log's segment", use_foreign_segment, 6, ".jsonl", "chain_broken"),
    Damage("removed first segment", drop_segment_whole(0), 0, ".jsonl", "segment_out_of_order"),
    Damage("removed segment", drop_segment_whole(1), 3, ".jsonl", "segment_out_of_order"),
    Damage(
        "removed segment, its checkpoint left",
        lambda a: a.segments[1].unlink(),
        3,
        "",
        "segment_missing",
    ),
    Damage("cut tail, its checkpoint left", drop_last_segment, 10, ".checkpoint", "log_cut"),
    Damage("checkpoint beyond the log", heartbeat(13), 12, ".checkpoint", "log_cut"),
    Damage(
        "heartbeat by an unknown key",
        heartbeat(11, OTHER),
        10,
        ".checkpoint",
        "checkpoint_signature",
    ),
    Damage(
        "checkpoint by an unknown key",
        lambda a: a.segments[3].with_suffix(".checkpoint").write_bytes(LOG.checkpoint(12, OTHER)),
        10,
        ".checkpoint",
        "checkpoint_signature",
    ),
    Damage(
        "checkpoint of another size",
        lambda a: a.segments[3].with_suffix(".checkpoint").write_bytes(LOG.checkpoint(11)),
        10,
        ".checkpoint",
        "checkpoint_misnamed",
    ),
    Damage(
        "checkpoint of another log",
        lambda a: (
            a.segments[3]
            .with_suffix(".checkpoint")
            .write_bytes(logs.log_of(12, origin="example.org/other").checkpoint(12))
        ),
        10,
        ".checkpoint",
        "checkpoint_origin",
    ),
    Damage(
        "flipped bit in a checkpoint",
        lambda a: edit(
            a.segments[1].with_suffix(".checkpoint"),
            lambda raw: raw.replace(b"T00:00:00", b"T00:00:01"),
        ),
        3,
        ".checkpoint",
        "checkpoint_signature",
    ),
    Damage(
        "foreign frontier",
        lambda a: shutil.copy(
            a.segments[1].with_suffix(".frontier"), a.segments[2].with_suffix(".frontier")
        ),
        6,
        ".frontier",
        "frontier_foreign",
    ),
    Damage(
        "flipped character in a frontier",
        lambda a: edit(a.segments[2].with_suffix(".frontier"), lambda raw: raw.swapcase()),
        6,
        ".frontier",
        "frontier_foreign",
    ),
    Damage("segment in another day's folder", move, 10, ".jsonl", "segment_misplaced"),
    Damage("segment under another name", rename_longer, 10, "", "segment_cut"),
]
NAMES = [damage.name for damage in DAMAGES]
