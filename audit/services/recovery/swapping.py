"""Swaps a log that was restored beside a damaged one into its place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.db import connection, transaction

from audit import selectors
from audit.events import Actor, EventType
from audit.failpoints import reach
from audit.models import Segment
from audit.services import clock, cutting, keys, loghead, proofs, signer_state, trail
from audit.services.log_checks import LogChecks
from audit.services.loghead import Head
from audit.services.recovery import tables
from audit.services.recovery.examining import Progress
from audit.services.recovery.loading import LineRefused, Loader, note_cut, store_checkpoint
from audit.services.recovery.owner import as_owner, check_schema_name, search_path
from sealing.digests import tag
from sealing.errors import IntegrityFailure
from sealing.keys import Signers
from sealing.results import Report
from sealing.times import parse_time

_BATCH = 2_000
_NOTES = 500


class RestoredLogRefused(IntegrityFailure):
    """What lies in the schema does not verify; nothing was swapped."""

    code = "restored_log_refused"


class SignedTreeLost(IntegrityFailure):
    """The signer remembers more events than there would be, or other ones."""

    code = "signed_tree_lost"


@dataclass(frozen=True, slots=True)
class Swapped:
    """What a swap did.

    Attributes:
        kept: the schema that holds the tables that were in use.
        head: of the log that is in use now.
        restored: how many of its events are from the archive.
        taken_over: how many came after those, from the log that was in use.
        checkpoints: how many signed checkpoints came from there.
        left_behind: how many of its events do not continue the log; they are in ``kept``.
        first_left_behind: the number of the first of them.
    """

    kept: str
    head: Head
    restored: int
    taken_over: int
    checkpoints: int
    left_behind: int
    first_left_behind: int | None


def swap(*, actor: Actor, schema: str, progress: Progress | None = None) -> Swapped:
    """Puts the log that was restored into ``schema`` into the place of the one in use.

    What the log in use has beyond the archive is taken over, event by event, as long as it
    continues the restored log. The tables that were in use move to a schema of their own, as
    evidence; nothing is dropped. All of it is one transaction. The worker may run on: it waits.

    Raises:
        SchemaMissing, SchemaInvalid: there is no such restored log. RestoredLogRefused,
        GuardsMissing: it does not verify any more. SignedTreeLost: events that were signed would
        be missing; the message says what to do. OwnerMissing.
    """
    trail.ensure_enabled()
    check_schema_name(schema)
    with as_owner():
        checked = _verified(schema, progress)
        with transaction.atomic(durable=True):
            tables.lock(schema)
            kept = f"kept_{clock.database_clock():%Y%m%d_%H%M%S}"
            done = _take_over(schema, kept, checked, keys.signers())
            reach("swap_taken_over")
            tables.swap(schema, kept)
            _record(actor, schema, done)
            reach("swapped")
    return done


def _verified(schema: str, progress: Progress | None) -> Head:
    """Verifies the restored log before anybody has to wait for a lock."""

    def told(count: int, total: int | None) -> None:
        if progress is not None:
            progress("checked", count, total)

    with transaction.atomic(durable=True):
        tables.require(schema)
        tables.check_guards(schema)
        with search_path(schema, "public"):
            head = loghead.current()
            checks = LogChecks(head, 0, head.size, keys.signers(), told)
            checks.run()
    doubts = [
        issue
        for issue in Report(tuple(checks.findings)).issues
        if issue.code not in ("key_compromised", "signed_tree_lost")
    ]
    if doubts:
        raise RestoredLogRefused(f"The log in {schema} does not verify: {doubts[0].message}")
    return head


def _take_over(schema: str, kept: str, checked: Head, signers: Signers) -> Swapped:
    """Continues the restored log with what the log in use has beyond it."""
    with search_path(schema, "public"):
        loader = Loader()
        if (loader.size, loader.head.hash) != (checked.size, checked.hash):
            raise RestoredLogRefused(f"The log in {schema} changed while it was verified.")
    while True:
        with search_path("public"):
            start = loader.size
            lines = list(selectors.stored_lines(start_seq=start, end_seq=start + _BATCH))
        with search_path(schema, "public"):
            loader, holds = _taken(loader, lines)
        if not holds:
            break
    count = 0
    for note in _old_notes():
        with search_path(schema, "public"):
            count += store_checkpoint(note, signers) is not None
    with search_path(schema, "public"):
        _ensure_remembered(loader.head)
    _take_over_cuts(schema, loader.head)
    left, first = _left_behind(loader.size)
    return Swapped(
        kept=kept,
        head=loader.head,
        restored=checked.size,
        taken_over=loader.size - checked.size,
        checkpoints=count,
        left_behind=left,
        first_left_behind=first,
    )


def _taken(loader: Loader, lines: list[bytes]) -> tuple[Loader, bool]:
    """Takes lines as far as they hold; says whether there may be more.

    One that is chained but is no event that can be ends it too. Then the lines before it are
    taken one by one, since a batch is stored whole or not at all.
    """
    try:
        return loader, bool(lines) and loader.take(lines)
    except LineRefused:
        loader = Loader()
    for line in lines:
        try:
            if not loader.take([line]):
                break
        except LineRefused:
            break
    return loader, False


def _old_notes() -> Iterator[bytes]:
    """The checkpoints of the log that was in use, in the order in which they were signed."""
    last = 0
    while True:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT id, note FROM public.audit_checkpoint WHERE id > %s ORDER BY id LIMIT %s",
                [last, _NOTES],
            )
            rows = cursor.fetchall()
        if not rows:
            return
        for _, note in rows:
            yield note.encode("utf-8")
        last = rows[-1][0]


def _take_over_cuts(schema: str, head: Head) -> None:
    """Segments that were cut after the archive was restored from are archived as they were cut."""
    with search_path("public"):
        cuts = list(
            Segment.objects.order_by("first_seq").values_list("first_seq", "last_seq", "raw_sha256")
        )
    with search_path(schema, "public"):
        newest = Segment.objects.order_by("-last_seq").first()
        start = newest.last_seq + 1 if newest is not None else 0
        for first_seq, last_seq, digest in cuts:
            if first_seq != start or last_seq >= head.size:
                continue
            cut = cutting.recut(first_seq, last_seq)
            if cut.raw_sha256 != digest:
                return
            note_cut(first_seq, last_seq, parse_time(cut.newest_at), digest, len(cut.raw))
            start = last_seq + 1


def _ensure_remembered(head: Head) -> None:
    """Raises SignedTreeLost unless the log has all that was signed, as it was signed."""
    remembered = signer_state.load(Path(settings.AUDIT_SIGNER_STATE))
    if remembered is None or remembered.origin != head.origin:
        return
    if remembered.size <= head.size and proofs.root(remembered.size) == remembered.root:
        return
    raise SignedTreeLost(
        f"A tree of {remembered.size} events was signed, and the log would have {head.size} or"
        " other ones: what was signed is neither in the archive nor, whole, in the log that is in"
        " use. Look for it in replicas and backups first. If it is lost, keep"
        f" {settings.AUDIT_SIGNER_STATE} elsewhere, as evidence, and run this again."
    )


def _left_behind(size: int) -> tuple[int, int | None]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*), min(seq) FROM public.audit_events WHERE seq >= %s", [size])
        count, first = cursor.fetchone()
    return count, first


def _record(actor: Actor, schema: str, done: Swapped) -> None:
    trail.record(
        EventType.AUDIT_LOG_RESTORED,
        actor=actor,
        obj=("log", done.head.origin),
        data={
            "schema": schema,
            "kept": done.kept,
            "events": done.head.size,
            "head": tag(done.head.hash),
            "root": tag(done.head.root),
            "restored": done.restored,
            "taken_over": done.taken_over,
            "left_behind": done.left_behind,
            "first_left_behind": done.first_left_behind,
        },
    )
