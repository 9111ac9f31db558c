"""`manage.py audit_archive`: archives what is sealed and not archived yet, in order."""

from __future__ import annotations

import uuid
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from audit.models import AuditEvent
from audit.services import archiving
from sealing.errors import Invalid, StrongroomError
from sealing.results import EXIT_INVALID, EXIT_USAGE


class Command(BaseCommand):
    """Exit codes: 0 done, 1 failed, 2 wrong usage."""

    help = "Archives sealed events, oldest first, each segment locked and read back."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--after-id",
            "--afterId",
            metavar="ID",
            help="the oldest event that is not archived, or the one before it; others are refused",
        )
        parser.add_argument("--limit", type=_positive, metavar="N", help="at most so many events")
        parser.add_argument("--dry-run", action="store_true", help="say what would be written")

    def handle(self, *args: Any, **options: Any) -> None:
        self.check(databases=["default"])
        try:
            if options["after_id"]:
                _check_place(options["after_id"])
            if options["dry_run"]:
                self._plan(options["limit"])
                return
            done = archiving.archive_pending(limit=options["limit"])
        except Invalid as error:
            self.stderr.write(f"{error.field or 'usage'}: {error.message}")
            raise SystemExit(EXIT_USAGE) from error
        except StrongroomError as error:
            self.stderr.write(f"Not archived: {error.message} [{error.code}]")
            raise SystemExit(EXIT_INVALID) from error
        for key in done.keys:
            self.stdout.write(key)
        self.stdout.write(
            f"{done.events} events in {done.segments} segments; archived through number"
            f" {done.through_seq}."
            if done.segments
            else "Nothing to archive."
        )

    def _plan(self, limit: int | None) -> None:
        cuts = archiving.plan(limit=limit)
        for cut in cuts:
            self.stdout.write(f"{cut.stem}  {len(cut.lines)} events, {len(cut.raw)} bytes")
        self.stdout.write(f"{len(cuts)} segments would be written; nothing was.")


def _check_place(text: str) -> None:
    """Raises Invalid unless archiving goes on at that event anyway: it never leaves a gap."""
    oldest = archiving.oldest_unarchived()
    try:
        named = AuditEvent.objects.filter(id=uuid.UUID(text)).first()
    except ValueError as error:
        raise Invalid("Not the id of an event.", field="--after-id") from error
    if named is None:
        raise Invalid("The log has no event of that id.", field="--after-id")
    if oldest is None:
        if named.s3_archived_at is not None:
            return
        raise Invalid("Every event is archived.", field="--after-id")
    if named.seq not in (oldest.seq, oldest.seq - 1):
        raise Invalid(
            f"Archiving goes on at event {oldest.id} (number {oldest.seq}), the oldest that is not"
            " archived. Name that one or the one before it: a gap is never left.",
            field="--after-id",
        )


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number
