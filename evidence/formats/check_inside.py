"""Checks of what lies inside a package: its directory, manifest, members, lines and proof."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from audit.formats import checkpoint as checkpoints
from evidence.formats import contents, manifest
from evidence.formats.check_timestamp import Age
from evidence.formats.completeness import Completeness
from evidence.formats.contents import (
    ArchivePolicy,
    ChainVerdict,
    Proofs,
)
from evidence.formats.lines import MAX_LINE_BYTES, LineChecker
from evidence.formats.package import MANIFEST, Package, PackageBytes, open_package
from evidence.formats.report import Findings, Part
from sealing import digests, merkle
from sealing.errors import Invalid
from sealing.keys import Signers
from sealing.results import Finding, Verdict

# What a document may need beside what grows with the lines: each of the policy's and verdict's
# texts is short, the observed jobs are some three KiB each.
_FIXED_BYTES: Final = {
    contents.ARCHIVE_POLICY: 1 << 17,
    contents.CHAIN_VERIFY: 1 << 17,
    contents.CHECKPOINT: 1 << 16,
    contents.COMPLETENESS: 8 << 20,
    contents.PROOFS: 1 << 10,
}
_NUMBER_BYTES: Final = 20  # the longest one, and a comma
_HASH_BYTES: Final = 75  # in quotation marks, and a comma
_RANGE_BYTES: Final = 2 * _NUMBER_BYTES + 3
NOT_READ: Final = (
    "The log lines and their proof were not looked at: here that takes a signature over the file"
    " by a trusted key."
)
# The request with its event types; and of each member two names and some fixed fields.
_MANIFEST_BYTES: Final = 1 << 18
_ENTRY_BYTES: Final = 700


def most_hashes(lines: int, tree_size: int) -> int:
    """How many hashes the proof of so many lines has at most, however they lie in the tree.

    On each level the way to the lines passes at most so many nodes, and each of them has at most
    one neighbour whose hash has to be told.
    """
    return 1 + sum(min(1 << level, lines) for level in range(tree_size.bit_length()))


def most_bytes(name: str, lines: int, tree_size: int) -> int:
    """How large a document can be in a package of so many lines."""
    needed = _FIXED_BYTES[name]
    if name == contents.PROOFS:
        needed += lines * _NUMBER_BYTES + most_hashes(lines, tree_size) * _HASH_BYTES
    elif name == contents.COMPLETENESS:
        needed += lines * _RANGE_BYTES
    return min(needed, contents.MAX_CONTENT_BYTES)


@dataclass(frozen=True, slots=True)
class Inside:
    """What was found inside: None where it could not be read."""

    manifest: manifest.Manifest | None = None
    manifest_digest: str | None = None
    manifest_exists: bool = False


@dataclass(frozen=True, slots=True)
class _Documents:
    checkpoint: checkpoints.Checkpoint | None
    proofs: Proofs
    policy: ArchivePolicy
    verdict: ChainVerdict
    completeness: Completeness


def check_inside(
    found: Findings, data: PackageBytes, signers: Signers, age: Age, *, reads_lines: bool = True
) -> Inside:
    """Check everything that needs no sidecar.

    Args:
        found: Where findings go.
        data: The package.
        signers: The keys that are trusted.
        age: The package's.
        reads_lines: False for a stranger's package: directory, digests and a manifest of ordinary
            size are checked, which costs no more than to receive them, and nothing else.
    """
    try:
        package = open_package(data)
    except Invalid as error:
        found.bad(Part.PACKAGE, error.code, error.message)
        return Inside()
    found.good(Part.PACKAGE, "zip_strict", "Every byte of the file belongs to a listed member.")
    if MANIFEST not in package:
        found.bad(Part.MANIFEST, "manifest_missing", "There is no manifest.json.")
        return Inside()
    if not reads_lines and package.entry(MANIFEST).size_bytes > _MANIFEST_BYTES:
        found.unknown(Part.PACKAGE, "lines_not_checked", NOT_READ)
        return Inside(manifest_exists=True)
    try:
        most = _MANIFEST_BYTES + len(package.entries) * _ENTRY_BYTES
        raw = package.read(MANIFEST, max_bytes=min(most, manifest.MAX_MANIFEST_BYTES))
        parsed = manifest.parse(raw)
    except Invalid as error:
        found.bad(Part.MANIFEST, "manifest_invalid", error.message, error.field)
        return Inside(manifest_exists=True)
    _check_members(found, package, parsed)
    if not reads_lines:
        found.unknown(Part.PACKAGE, "lines_not_checked", NOT_READ)
    elif found.clean(Part.MANIFEST):
        _check_proofs(found, package, parsed, signers, age)
    return Inside(parsed, digests.sha256_tag(raw), True)


def _check_members(found: Findings, package: Package, parsed: manifest.Manifest) -> None:
    listed = {entry.path: entry for entry in parsed.files}
    present = {entry.name for entry in package.entries} - {MANIFEST}
    for name in sorted(present - listed.keys()):
        found.bad(Part.MANIFEST, "member_unlisted", f"{name} is not in the manifest.", name)
    for name in sorted((listed.keys() | contents.REQUIRED) - present):
        found.bad(Part.MANIFEST, "member_missing", f"{name} is not in the package.", name)
    for name in sorted(present & listed.keys()):
        entry = listed[name]
        if package.entry(name).size_bytes != entry.size_bytes:
            found.bad(Part.MANIFEST, "member_size_differs", f"{name} has another size.", name)
            continue
        try:
            digest = hashlib.sha256()
            for chunk in package.chunks(name):
                digest.update(chunk)
        except Invalid as error:
            found.bad(Part.PACKAGE, error.code, error.message, name)
            continue
        if digests.tag(digest.digest()) != entry.sha256:
            found.bad(Part.MANIFEST, "member_digest_differs", f"{name} has another digest.", name)
    if not found.checked(Part.MANIFEST):
        found.good(
            Part.MANIFEST,
            "manifest_valid",
            f"The manifest lists {len(listed)} files, and each has its size and digest.",
        )


def _check_proofs(
    found: Findings, package: Package, parsed: manifest.Manifest, signers: Signers, age: Age
) -> None:
    part = Part.PROOFS
    try:
        checkpoint = _read_checkpoint(found, package, signers, age)
        lines = LineChecker(
            client_id=parsed.client_id,
            start=parsed.period_start,
            end=parsed.period_end,
            types=parsed.request.event_types,
        )
        for line in package.lines(contents.EVENTS, max_bytes=MAX_LINE_BYTES):
            lines.feed(line)
        # Only now is it known how large they may be: by the lines that are there.
        documents = _read_documents(package, checkpoint, lines.count, parsed.summary.tree_size)
    except Invalid as error:
        found.bad(part, error.code, error.message, error.field)
        return
    found.good(
        part,
        "lines_valid",
        f"{lines.count} log lines give their hashes and concern this client and period.",
    )
    _compare(found, parsed, documents, lines)
    if documents.checkpoint is not None:
        _check_root(found, documents.checkpoint, documents.proofs, lines)


def _read_checkpoint(
    found: Findings, package: Package, signers: Signers, age: Age
) -> checkpoints.Checkpoint | None:
    note = package.read(contents.CHECKPOINT, max_bytes=most_bytes(contents.CHECKPOINT, 0, 0))

    def opened(proven_at: datetime | None) -> list[Finding]:
        return checkpoints.open_note(note, signers, proven_at=proven_at)[1]

    for finding in age.weigh(opened):
        found.add(Part.PROOFS, finding)
    return checkpoints.open_note(note, signers)[0]


def _read_documents(
    package: Package, checkpoint: checkpoints.Checkpoint | None, lines: int, tree_size: int
) -> _Documents:
    def read(name: str) -> bytes:
        return package.read(name, max_bytes=most_bytes(name, lines, tree_size))

    return _Documents(
        checkpoint=checkpoint,
        proofs=Proofs.parse(read(contents.PROOFS)),
        policy=ArchivePolicy.parse(read(contents.ARCHIVE_POLICY)),
        verdict=ChainVerdict.parse(read(contents.CHAIN_VERIFY)),
        completeness=Completeness.parse(read(contents.COMPLETENESS)),
    )


def _compare(
    found: Findings, parsed: manifest.Manifest, documents: _Documents, lines: LineChecker
) -> None:
    """What is told in two places must be told alike."""
    summary, request = parsed.summary, parsed.request
    size = summary.tree_size
    verdict, completeness = documents.verdict, documents.completeness
    differing = {
        "/summary": (summary.events, summary.first_seq, summary.last_seq)
        != (lines.count, lines.first_seq, lines.last_seq),
        contents.CHAIN_VERIFY: verdict.verdict is Verdict.INVALID
        or (verdict.checked_events, verdict.checked_links, verdict.tree_size)
        != (lines.count, lines.links, size),
        contents.COMPLETENESS: (completeness.included, completeness.log_size, completeness.late)
        != (lines.count, size, lines.late.as_tuple()),
        contents.ARCHIVE_POLICY: documents.policy
        != ArchivePolicy(request.retention_policy, request.vault_mode, request.kms_key_id),
        contents.PROOFS: documents.proofs.tree_size != size
        or not lines.leaves.are_at(documents.proofs.indexes),
        contents.CHECKPOINT: documents.checkpoint is not None and documents.checkpoint.size != size,
        "/request": request.sign_bundle != (parsed.signatures > 0)
        or request.required_countersignatures != parsed.countersignatures,
    }
    for place in sorted(place for place, differs in differing.items() if differs):
        found.bad(
            Part.PROOFS,
            "contents_disagree",
            f"{place} does not agree with the log lines and the manifest.",
            place,
        )


def _root(proofs: Proofs, lines: LineChecker) -> bytes | None:
    if lines.leaves:
        return merkle.root_from_compact(proofs.tree_size, lines.leaves, proofs.hashes)
    # The range that holds no listed line is then the whole tree, and its hash the root.
    if not proofs.tree_size:
        return None if proofs.hashes else merkle.EMPTY_ROOT
    return proofs.hashes[0] if len(proofs.hashes) == 1 else None


def _check_root(
    found: Findings,
    checkpoint: checkpoints.Checkpoint,
    proofs: Proofs,
    lines: LineChecker,
) -> None:
    try:
        root = _root(proofs, lines)
    except Invalid as error:
        found.bad(Part.PROOFS, "proof_invalid", error.message)
        return
    if root != checkpoint.root:
        found.bad(
            Part.PROOFS, "proof_invalid", "The lines are not part of the log of the checkpoint."
        )
        return
    if lines.last_seq == checkpoint.size - 1 and lines.last_hash != checkpoint.head:
        found.bad(Part.PROOFS, "head_differs", "The checkpoint names another last event.")
        return
    found.good(
        Part.PROOFS,
        "proof_valid",
        f"The lines are part of the log of {checkpoint.size} events that the checkpoint signs.",
    )
