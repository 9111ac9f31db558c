"""The restore drill: sample objects of the archive are restored, verified, and let go again.

That a log could be restored is known only of a log that was. A drill takes some segments, always
the newest among them, puts their events into tables of their own in a scratch schema, reads them
back and compares: with the archive's bytes, with what was signed, and with the log that is in use.
"""

from __future__ import annotations

import random
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from audit import selectors, storage
from audit.events import Actor, EventType
from audit.formats.checkpoint import Checkpoint as Signed
from audit.formats.log import LogVerifier
from audit.formats.segment import CHECKPOINT_SUFFIX, FRONTIER_SUFFIX, parse_frontier
from audit.models import Duty, Segment, SegmentStatus, VerificationKind, VerificationRun
from audit.services import anchors, cutting, duties, keys, objects, proofs, results, trail
from audit.services.recovery import tables
from audit.services.recovery.loading import copy_lines, opened
from audit.services.recovery.owner import as_owner, require_owner, search_path
from audit.services.results import Result
from sealing import merkle
from sealing.digests import sha256_tag
from sealing.errors import IntegrityFailure, Invalid, NotFound, StrongroomError
from sealing.files import read_regular
from sealing.keys import Signers, parse_signers
from sealing.merkle import Frontier
from sealing.results import Finding, Report, Verdict
from sealing.stores.base import Store

SAMPLE = 5
_MAX_SIGNERS_BYTES = 4 << 20


class SegmentFault(IntegrityFailure):
    """A segment can't be restored, or is not what it should be."""

    code = "segment_fault"


@dataclass
class _Drill:
    """What is needed for every segment, and what was found."""

    store: Store
    signers: Signers
    findings: list[Finding] = field(default_factory=list)
    events: int = 0
    first_bad: tuple[int, str] | None = None

    def bad(self, segment: Segment, error: StrongroomError) -> None:
        """Notes that a segment failed; one that could not be read is not thereby bad."""
        ok = False if isinstance(error, IntegrityFailure | NotFound | Invalid) else None
        place = f"{segment.object_name}, event {segment.first_seq}"
        self.findings.append(Finding(error.code, ok, error.message, place))
        if ok is False and self.first_bad is None:
            self.first_bad = (segment.first_seq, segment.object_name)


def run_drill(*, actor: Actor, sample: int = SAMPLE, seed: int | None = None) -> VerificationRun:
    """Restores a sample of the archive into a scratch schema, and keeps what came of it.

    Args:
        actor: who does it.
        sample: how many segments, the newest included.
        seed: what the choice is drawn by; it is kept with the result, so that the same choice can
            be drawn again. None draws a new one.

    Returns:
        The result: its verdict is INCONCLUSIVE where there is nothing to restore or an object
        can't be reached. It is archived, recorded, and counts as the duty done if it is VALID.

    Raises:
        OwnerMissing: there is no owner's connection; nothing was tried. Invalid: ``sample`` is
        less than one.
    """
    trail.ensure_enabled()
    if sample < 1:
        raise Invalid("At least one segment.", field="sample")
    require_owner()
    started_at = timezone.now()
    seed = secrets.randbits(32) if seed is None else seed
    chosen = _choice(sample, seed)
    drill = _Drill(storage.archive_store(), _signers())
    for segment in chosen:
        try:
            drill.events += _drilled(drill, segment)
        except StrongroomError as error:
            drill.bad(segment, error)
    if chosen and not drill.findings:
        _check_newest(drill, chosen[-1])
    return _keep(actor, started_at, drill, chosen, seed)


def _choice(sample: int, seed: int) -> list[Segment]:
    archived = Segment.objects.filter(status=SegmentStatus.ARCHIVED, released_at__isnull=True)
    numbers = list(archived.order_by("first_seq").values_list("first_seq", flat=True))
    if not numbers:
        return []
    others = numbers[:-1]
    draw = random.Random(seed)  # noqa: S311 - to be drawn again, not to be secret
    drawn = draw.sample(others, min(sample - 1, len(others)))
    return list(archived.filter(first_seq__in=[*drawn, numbers[-1]]).order_by("first_seq"))


def _signers() -> Signers:
    """The keys from outside the database where the settings name such a file."""
    if settings.AUDIT_SIGNERS_FILE:
        return parse_signers(read_regular(Path(settings.AUDIT_SIGNERS_FILE), _MAX_SIGNERS_BYTES))
    return keys.signers()


def _drilled(drill: _Drill, segment: Segment) -> int:
    """Restores one segment; returns how many events it has. Raises for whatever does not hold."""
    raw = _read_lines(drill.store, segment)
    lines = raw.splitlines(keepends=True)
    start, head = _base(drill, segment)
    verifier = LogVerifier(drill.signers.origin, start=start, head=head)
    if not verifier.feed(lines) and verifier.fault is not None:
        raise SegmentFault(
            f"Event {verifier.fault.seq}: {verifier.fault.message}", code=verifier.fault.code
        )
    if not verifier.terminated or verifier.size != segment.last_seq + 1:
        raise SegmentFault(f"It ends at {verifier.size}.", code="segment_cut")
    signed = _signed(drill, segment)
    if (signed.size, signed.root, signed.head) != (
        verifier.size,
        verifier.frontier.root(),
        verifier.head,
    ):
        raise SegmentFault(
            f"It is not what was signed at {signed.size} events.", code="checkpoint_mismatch"
        )
    if sha256_tag(raw) != segment.raw_sha256:
        raise SegmentFault("It is not what its receipt says.", code="receipt_mismatch")
    if _restored(segment, lines) != raw:
        raise SegmentFault("Restored, it gives other lines.", code="restored_differs")
    if cutting.recut(segment.first_seq, segment.last_seq).raw != raw:
        raise SegmentFault("The log in use has other events.", code="database_differs")
    return len(lines)


def _restored(segment: Segment, lines: list[bytes]) -> bytes:
    """What a scratch schema gives back; it is gone with the transaction, whatever happens."""
    schema = f"drill_{secrets.token_hex(8)}"
    with as_owner(), transaction.atomic(durable=True):
        tables.create(schema)
        with search_path(schema, "public"):
            copy_lines(lines, segment.first_seq)
            stored = selectors.stored_lines(
                start_seq=segment.first_seq, end_seq=segment.last_seq + 1
            )
            given = b"".join(line + b"\n" for line in stored)
        transaction.set_rollback(True)
    return given


def _read_lines(store: Store, segment: Segment) -> bytes:
    data = store.read(segment.object_name, version_id=segment.kept_version)
    return objects.unpack(data) if segment.object_name.endswith(".gz") else data


def _base(drill: _Drill, segment: Segment) -> tuple[Frontier | None, bytes | None]:
    """The frontier before a segment and the hash of the event before, as the archive has them."""
    if segment.first_seq == 0:
        return None, None
    before = Segment.objects.get(last_seq=segment.first_seq - 1)
    signed = _signed(drill, before)
    raw = _companion(drill.store, before, FRONTIER_SUFFIX)
    frontier = parse_frontier(raw, signed.size)
    if signed.size != segment.first_seq or frontier.root() != signed.root:
        raise SegmentFault(
            "The frontier before it is not what was signed.", code="frontier_foreign"
        )
    return frontier, signed.head


def _signed(drill: _Drill, segment: Segment) -> Signed:
    found = opened(_companion(drill.store, segment, CHECKPOINT_SUFFIX), drill.signers)
    if found is None:
        raise SegmentFault("Its checkpoint is not signed by our key.", code="checkpoint_signature")
    return found[0]


def _companion(store: Store, segment: Segment, suffix: str) -> bytes:
    for item in segment.companions:
        if item["name"].endswith(suffix):
            return store.read(item["name"], version_id=item["version_id"] or None)
    raise NotFound(f"{segment.object_name} has no {suffix} beside it.")


def _check_newest(drill: _Drill, segment: Segment) -> None:
    """The newest signed statement of the archive includes the newest segment that was restored."""
    try:
        newest = anchors.newest(drill.store)
        if newest is None or newest.size <= segment.last_seq:
            raise SegmentFault("No signed checkpoint includes it.", code="not_signed")
        leaf = _last_hash(segment)
        proof = proofs.inclusion(segment.last_seq, newest.size)
        if not merkle.verify_inclusion(leaf, segment.last_seq, newest.size, proof, newest.root):
            raise SegmentFault("The newest checkpoint does not include it.", code="not_included")
    except StrongroomError as error:
        drill.bad(segment, error)


def _last_hash(segment: Segment) -> bytes:
    last = cutting.recut(segment.last_seq, segment.last_seq).lines[-1]
    return bytes.fromhex(last[-66:-2].decode("ascii"))


def _keep(
    actor: Actor,
    started_at: datetime,
    drill: _Drill,
    chosen: list[Segment],
    seed: int,
) -> VerificationRun:
    report = Report(tuple(_findings(drill, chosen)))
    names = f"{len(chosen)} segments were drawn by the seed {seed}"
    run = results.keep(
        Result(
            actor=actor,
            kind=VerificationKind.DRILL,
            storage=storage.backend(),
            started_at=started_at,
            report=report,
            start_seq=chosen[0].first_seq if chosen else 0,
            end_seq=chosen[-1].last_seq + 1 if chosen else 0,
            checked_events=drill.events,
            first_bad_seq=drill.first_bad[0] if drill.first_bad else None,
            first_bad_file=drill.first_bad[1] if drill.first_bad else "",
            location=drill.store.location,
            message=f"{(report.issues or report.findings)[0].message} {names}.",
        ),
        archived=True,
    )
    ok = report.verdict is Verdict.VALID
    with transaction.atomic():
        reference = f"verification/{run.pk}"
        # What could not be tried was not done: the duty stays due.
        if report.verdict is not Verdict.INCONCLUSIVE:
            note = run.message[: duties.MAX_NOTE]
            duties.record_duty(actor, Duty.RESTORE_DRILL, note, ok, reference)
        trail.record(
            EventType.AUDIT_RESTORE_DRILL_FINISHED,
            actor=actor,
            obj=("verification", str(run.pk)),
            outcome="success" if ok else "failure",
            data={
                "verdict": str(report.verdict),
                "seed": seed,
                "segments": [[segment.first_seq, segment.last_seq] for segment in chosen],
                "events": drill.events,
                "archived_as": run.archived_as,
            },
        )
    return run


def _findings(drill: _Drill, chosen: list[Segment]) -> Iterator[Finding]:
    yield from drill.findings
    if not chosen:
        yield Finding("nothing_to_check", None, "Nothing is archived yet.")
    elif not drill.findings:
        message = f"{drill.events} events were restored and are what was signed and archived."
        yield Finding("restored", True, message)
