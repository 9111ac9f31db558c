"""Turns the plan of an export into the members of a package. Reads the log, writes no record."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from audit import selectors
from audit.formats import checkpoint as checkpoints
from audit.services import proofs
from evidence.formats import contents, manifest, readme
from evidence.formats.completeness import Completeness, Observed
from evidence.formats.contents import ArchivePolicy, ChainVerdict, Proofs
from evidence.formats.lines import LineChecker
from evidence.formats.manifest import ExportRequest, FileEntry, Manifest, Summary
from evidence.formats.package import MANIFEST, MAX_PACKAGE_BYTES, Member
from evidence.models import Package
from evidence.services.errors import LogInvalid
from evidence.services.watching import Watch
from sealing import digests, merkle, notes
from sealing.errors import Invalid, TooLarge
from sealing.results import Verdict
from sealing.times import format_time

_TOLD_EVERY = 5000


class PeriodTooLarge(TooLarge):
    """The events of the period do not fit into one package."""

    code = "period_too_large"


@dataclass(frozen=True, slots=True)
class Content:
    """A member together with its digest."""

    member: Member
    sha256: str


@dataclass(frozen=True, slots=True)
class Built:
    """Everything that goes into the zip file; valid while :func:`built` lasts."""

    members: tuple[Member, ...]
    manifest: Manifest
    manifest_digest: str


@contextlib.contextmanager
def built(package: Package, *, folder: Path, watch: Watch) -> Iterator[Built]:
    """The members that the plan leads to; the same ones every time.

    Args:
        package: The stored plan.
        folder: Where the log lines are collected, in a file without a name that cannot outlive
            the process.
        watch: Is told how many lines were collected.

    Raises:
        LogInvalid: The lines of the log do not verify.
        PeriodTooLarge: They do not fit into one package.
    """
    with tempfile.TemporaryFile(dir=folder) as spool:
        lines = _checker(package)
        events = _collect(package, lines, spool, watch)
        others = _contents(package, lines)
        files = manifest.file_entries(
            (item.member.name, item.member.size_bytes, item.sha256) for item in [events, *others]
        )
        described = _manifest(package, lines, files)
        text = _content(contents.README, readme.build(described))
        described = _manifest(
            package, lines, tuple(sorted([*files, _entry(text)], key=lambda entry: entry.path))
        )
        raw = manifest.build(described)
        members = [item.member for item in (events, *others, text, _content(MANIFEST, raw))]
        yield Built(tuple(members), described, digests.sha256_tag(raw))


def _checker(package: Package) -> LineChecker:
    return LineChecker(
        client_id=package.client_id,
        start=format_time(package.period_start),
        end=format_time(package.period_end),
        types=package.event_types,
    )


def _collect(package: Package, lines: LineChecker, spool: BinaryIO, watch: Watch) -> Content:
    digest, crc, size = hashlib.sha256(), 0, 0
    found = selectors.event_lines(
        client_id=package.client_id,
        start=package.period_start,
        end=package.period_end,
        types=package.event_types,
    )
    for seq, line in found:
        # What was sealed after the checkpoint is not part of the log that it signs.
        if seq >= package.tree_size:
            break
        raw = line + b"\n"
        try:
            lines.feed(raw)
        except Invalid as error:
            raise LogInvalid(f"The log does not verify. {error.message}") from error
        size += len(raw)
        if size > MAX_PACKAGE_BYTES // 2:
            raise PeriodTooLarge("The events of this period fill more than 2 GiB: split it.")
        crc = zlib.crc32(raw, crc)
        digest.update(raw)
        spool.write(raw)
        if lines.count % _TOLD_EVERY == 0:
            watch.progress(lines.count, unit="events", step="collecting events")
    spool.flush()
    member = Member(contents.EVENTS, size, crc, lambda: _again(spool))
    return Content(member, digests.tag(digest.digest()))


def _again(spool: BinaryIO) -> BinaryIO:
    copy = os.fdopen(os.dup(spool.fileno()), "rb")
    copy.seek(0)
    return copy


def _contents(package: Package, lines: LineChecker) -> list[Content]:
    size = package.tree_size
    proof = Proofs(size, tuple(lines.leaves), _proof(package, lines))
    policy = ArchivePolicy(package.retention_policy, package.vault_mode, package.kms_key_id or None)
    completeness = Completeness(
        log_size=size,
        pending=package.pending_at_export,
        set_aside=package.set_aside_at_export,
        included=lines.count,
        late=lines.late.as_tuple(),
        period_over=package.period_end <= package.generated_at,
        observed=Observed.from_dict(package.observed) if package.observed else None,
    )
    raw = {
        contents.ARCHIVE_POLICY: policy.build(),
        contents.CHAIN_VERIFY: _verdict(size, lines).build(),
        contents.CHECKPOINT: package.checkpoint.encode(),
        contents.COMPLETENESS: completeness.build(),
        contents.PROOFS: proof.build(),
    }
    return [_content(name, data) for name, data in raw.items()]


def _proof(package: Package, lines: LineChecker) -> tuple[bytes, ...]:
    signed = checkpoints.parse(notes.parse_note(package.checkpoint.encode()).text)
    if signed.size != package.tree_size:
        raise LogInvalid("The checkpoint of the plan is not of the size of the plan.")
    if not lines.count:
        # The range that holds no listed line is the whole tree: its hash is the root.
        return (signed.root,) if signed.size else ()
    hashes = tuple(proofs.compact(lines.leaves.indexes, signed.size))
    if merkle.root_from_compact(signed.size, lines.leaves, hashes) != signed.root:
        raise LogInvalid("The lines of the log do not lead to the root that was signed.")
    return hashes


def _verdict(size: int, lines: LineChecker) -> ChainVerdict:
    if not lines.count:
        # Nothing to check is not a success.
        verdict, message = Verdict.INCONCLUSIVE, "There are no events of this period."
    else:
        verdict = Verdict.VALID
        message = (
            f"{lines.count} lines give their hashes, {lines.links} neighbours are chained, and "
            "all are part of the signed log."
        )
    return ChainVerdict(
        verdict=verdict,
        checked_events=lines.count,
        checked_links=lines.links,
        first_bad_seq=None,
        tree_size=size,
        message=message,
    )


def _manifest(package: Package, lines: LineChecker, files: tuple[FileEntry, ...]) -> Manifest:
    return Manifest(
        bundle_id=package.bundle_id,
        client_id=package.client_id,
        run_id=str(package.run_id) if package.run_id else None,
        maker=str(package.maker_id),
        period_start=format_time(package.period_start),
        period_end=format_time(package.period_end),
        generated_at=format_time(package.generated_at),
        generator=manifest.GENERATOR,
        request=ExportRequest(
            event_types=None if package.event_types is None else tuple(package.event_types),
            kms_key_id=package.kms_key_id or None,
            note=package.note,
            package_prefix=package.package_prefix,
            required_countersignatures=package.required_countersignatures,
            retention_policy=package.retention_policy,
            sign_bundle=package.required_signatures > 0,
            vault_mode=package.vault_mode,
        ),
        summary=Summary(
            events=lines.count,
            first_seq=lines.first_seq,
            last_seq=lines.last_seq,
            tree_size=package.tree_size,
        ),
        signatures=package.required_signatures,
        countersignatures=package.required_countersignatures,
        files=files,
    )


def _content(name: str, data: bytes) -> Content:
    member = Member(name, len(data), zlib.crc32(data), lambda: io.BytesIO(data))
    return Content(member, digests.sha256_tag(data))


def _entry(item: Content) -> FileEntry:
    member = item.member
    (entry,) = manifest.file_entries([(member.name, member.size_bytes, item.sha256)])
    return entry
