"""`manage.py audit_replay`: puts back what the archive has lost."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import DatabaseError

from audit.services.recovery import console
from audit.services.recovery.replay import Replayed, replay
from audit.services.recovery.reporting import Reporter
from sealing.errors import Conflict, IntegrityFailure, Invalid, StrongroomError
from sealing.results import EXIT_COULD_NOT_CHECK, EXIT_INVALID, EXIT_USAGE


class Command(BaseCommand):
    """Exit codes: 0 nothing is lost now, 1 something is, 2 wrong usage, 3 it could not be done."""

    help = "Puts lost objects of the archive back, from the database or from a replica."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--from", dest="source", metavar="PATH|s3://…", help="a replica")
        parser.add_argument("--dry-run", action="store_true", help="say what would be put back")

    def handle(self, *args: Any, **options: Any) -> None:
        self.check(databases=["default"])
        try:
            with Reporter(sys.stderr) as reporter:
                done = replay(
                    actor=console.operator(),
                    location=options["source"],
                    dry_run=options["dry_run"],
                    progress=reporter,
                )
        except Invalid as error:
            self._end(error, EXIT_USAGE)
        except (IntegrityFailure, Conflict) as error:
            self._end(error, EXIT_INVALID)
        except (StrongroomError, DatabaseError, OSError) as error:
            self._end(error, EXIT_COULD_NOT_CHECK)
        else:
            self._tell(done, dry_run=options["dry_run"])

    def _tell(self, done: Replayed, *, dry_run: bool) -> None:
        for name in done.names:
            self.stdout.write(name)
        for name in done.hidden:
            self.stdout.write(f"{name}  is hidden by a delete marker and there still")
        would = "would be" if dry_run else "were"
        self.stdout.write(
            f"{len(done.names)} objects of {len(done.ranges)} segments {would} put back."
            if done.names
            else "The archive has lost nothing that could be put back."
        )
        for sentence in done.unrecoverable:
            self.stderr.write(f"LOST  {sentence}")
        if done.unrecoverable:
            raise SystemExit(EXIT_INVALID)

    def _end(self, error: Exception, exit_code: int) -> None:
        code = getattr(error, "code", type(error).__name__)
        self.stderr.write(f"Not replayed: {error} [{code}]")
        raise SystemExit(exit_code)
