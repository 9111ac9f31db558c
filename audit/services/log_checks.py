"""The checks of the stored log: chain, tree, head, checkpoints, columns, and what guards them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice

from django.conf import settings
from django.db import connection
from django.db.models import QuerySet

from audit import selectors
from audit.columns import MATCHES_SQL
from audit.formats import checkpoint as formats
from audit.formats.log import LogVerifier
from audit.models import AuditEvent, Checkpoint
from audit.services import proofs, signer_state
from audit.services.loghead import Head
from sealing.errors import IntegrityFailure
from sealing.keys import Signers
from sealing.results import Finding
from sealing.times import format_time

GUARDS = ("audit_events_append_only", "audit_events_no_truncate")
COLUMNS_CHECK = "audit_events_columns_match"
TOLD_EVERY = 4_096
COLUMNS_STEP = 500_000

# How many events were checked, and of how many; None where that is not known.
Progress = Callable[[int, int | None], None]


class LogChecks:
    """One pass over the stored log, from ``start`` up to, not including, ``end``.

    Attributes:
        findings: every check that was made.
        first_bad_seq: the number of the first event that does not hold.
        checked: how many events hold.
    """

    def __init__(
        self,
        head: Head,
        start: int,
        end: int,
        signers: Signers,
        progress: Progress | None = None,
    ) -> None:
        self.findings: list[Finding] = []
        self.first_bad_seq: int | None = None
        self.start, self.end = start, end
        self.checked = 0
        self._head, self._signers, self._progress = head, signers, progress

    def run(self) -> None:
        """Makes every check."""
        if self.start == self.end:
            self.findings.append(
                Finding("nothing_to_check", None, "There are no events to check yet.")
            )
        elif self._check_chain():
            self._check_columns()
        self._check_guards()
        self._check_memory()

    def _check_chain(self) -> bool:
        verifier = self._verifier()
        if verifier is None:
            return False
        lines = self._told(selectors.stored_lines(start_seq=self.start, end_seq=self.end))
        marks = self._checkpoints()
        holds = self._feed_until_marks(verifier, lines, marks)
        self.checked = verifier.size - self.start
        if verifier.fault is not None:
            self._bad(verifier.fault.code, verifier.fault.message, verifier.fault.seq)
            return False
        if verifier.size != self.end:
            self._bad("events_missing", f"The log ends before event {self.end}.", verifier.size)
            return False
        if not holds:
            return False
        self._good("chain", f"{self.checked} events are chained and give their hashes.")
        return self._check_end(verifier)

    def _verifier(self) -> LogVerifier | None:
        if self.start == 0:
            return LogVerifier(self._head.origin)
        before = AuditEvent.objects.filter(seq=self.start - 1).first()
        try:
            frontier = proofs.frontier(self.start)
        except IntegrityFailure as error:
            self._bad(error.code, error.message)
            return None
        if before is None:
            self._bad("events_missing", "The event before is not there.", self.start - 1)
            return None
        return LogVerifier(
            self._head.origin,
            start=frontier,
            head=bytes(before.hash),
            sealed_at=format_time(before.created_at),
        )

    def _feed_until_marks(
        self, verifier: LogVerifier, lines: Iterator[bytes], marks: QuerySet[Checkpoint]
    ) -> bool:
        """Stops at the size of each checkpoint to compare it with the tree as it then is."""
        count, holds = 0, True
        for checkpoint in marks.iterator(chunk_size=500):
            if checkpoint.size > verifier.size and not verifier.feed(
                islice(lines, checkpoint.size - verifier.size)
            ):
                return False
            if checkpoint.size != verifier.size:
                return False
            holds = self._check_checkpoint(checkpoint, verifier) and holds
            count += 1
        fed = verifier.feed(lines)
        if holds and count:
            self._good("checkpoints", f"{count} checkpoints are signed and fit the events.")
        return fed and holds

    def _checkpoints(self) -> QuerySet[Checkpoint]:
        least = self.start if self.start == 0 else self.start + 1
        return Checkpoint.objects.filter(size__gte=least, size__lte=self.end).order_by("size", "id")

    def _check_checkpoint(self, stored: Checkpoint, verifier: LogVerifier) -> bool:
        signed, findings = formats.open_note(stored.note.encode("utf-8"), self._signers)
        where = f"checkpoint {stored.pk}"
        faults = [finding for finding in findings if finding.ok is not True]
        # A compromised key casts doubt on what it signed; that the events fit is told apart.
        for fault in faults:
            ok = None if fault.code == "key_compromised" else False
            self.findings.append(Finding(fault.code, ok, fault.message, where))
        if signed is None or any(fault.code != "key_compromised" for fault in faults):
            return False
        if (signed.size, signed.root, signed.head) != (
            verifier.size,
            verifier.frontier.root(),
            verifier.head,
        ):
            message = f"The first {signed.size} events are not those that were signed."
            self.findings.append(Finding("checkpoint_mismatch", False, message, where))
            return False
        return True

    def _check_end(self, verifier: LogVerifier) -> bool:
        if self.end != self._head.size:
            return True
        head = self._head
        if (verifier.head, verifier.frontier.root()) != (head.hash, head.root):
            self._bad("head_mismatch", "The head of the log is not that of its events.")
            return False
        try:
            stored = proofs.root(head.size)
        except IntegrityFailure as error:
            self._bad(error.code, error.message)
            return False
        if stored != head.root:
            self._bad("tree_mismatch", "The stored tree is not that of the events.")
            return False
        self._good("tree", "Head, stored tree and events agree.")
        return True

    def _told(self, lines: Iterator[bytes]) -> Iterator[bytes]:
        """The same lines; whoever waits is told how far they are."""
        if self._progress is None:
            yield from lines
            return
        total = self.end - self.start
        for count, line in enumerate(lines):
            if count % TOLD_EVERY == 0:
                self._progress(count, total)
            yield line

    def _check_columns(self) -> None:
        # In steps, so that whoever waits hears of it.
        for first in range(self.start, self.end, COLUMNS_STEP):
            if self._progress is not None:
                self._progress(self.checked, self.end - self.start)
            seq = _first_mismatch(first, min(self.end, first + COLUMNS_STEP))
            if seq is not None:
                self._bad("columns_mismatch", "The columns do not say what the event says.", seq)
                return
        self._good("columns", "The columns that people filter by say what the events say.")

    def _check_guards(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT tgname FROM pg_trigger WHERE tgrelid = 'audit_events'::regclass"
                " AND tgenabled = 'A' AND tgname = ANY(%s)",
                [list(GUARDS)],
            )
            found = {row[0] for row in cursor}
            cursor.execute(
                "SELECT conname FROM pg_constraint WHERE conrelid = 'audit_events'::regclass"
                " AND conname = %s AND convalidated",
                [COLUMNS_CHECK],
            )
            found |= {row[0] for row in cursor}
        missing = sorted({*GUARDS, COLUMNS_CHECK} - found)
        if missing:
            self._bad("guards_missing", f"Removed or switched off: {', '.join(missing)}.")
        else:
            self._good("guards", "The triggers and the CHECK that guard the log are in force.")

    def _check_memory(self) -> None:
        """What the signer remembers outside the database is part of this log."""
        try:
            remembered = signer_state.load(settings.AUDIT_SIGNER_STATE)
        except IntegrityFailure as error:
            self._bad(error.code, error.message)
            return
        if remembered is None:
            return
        if remembered.origin != self._head.origin or remembered.size > self._head.size:
            message = f"A tree of {remembered.size} events was signed; the log is not that long."
            self._bad("signed_tree_lost", message)
            return
        try:
            root = proofs.root(remembered.size)
        except IntegrityFailure as error:
            self._bad(error.code, error.message)
            return
        if root != remembered.root:
            self._bad("signed_tree_differs", "The tree is not the one that was signed.")
        else:
            self._good("signer_state", "The tree extends what the signer remembers.")

    def _good(self, code: str, message: str) -> None:
        self.findings.append(Finding(code, True, message))

    def _bad(self, code: str, message: str, seq: int | None = None) -> None:
        if seq is not None and self.first_bad_seq is None:
            self.first_bad_seq = seq
        where = None if seq is None else f"event {seq}"
        self.findings.append(Finding(code, False, message, where))


def _first_mismatch(start: int, end: int) -> int | None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT min(seq) FROM audit_events WHERE seq >= %s AND seq < %s"  # noqa: S608
            f" AND NOT ({MATCHES_SQL})",
            [start, end],
        )
        seq: int | None = cursor.fetchone()[0]
    return seq
