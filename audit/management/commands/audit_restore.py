"""`manage.py audit_restore`: restores the log from an archive, or swaps a restored one in."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from django.db import DatabaseError

from audit.services.recovery import console, restoring, swapping
from audit.services.recovery.reporting import Reporter
from audit.verify import load_signers
from audit.verifying import CouldNotCheck
from sealing.digests import tag
from sealing.errors import Conflict, IntegrityFailure, Invalid, NotFound, StrongroomError
from sealing.results import EXIT_COULD_NOT_CHECK, EXIT_INVALID, EXIT_USAGE


class Command(BaseCommand):
    """Exit codes: 0 done, 1 something does not hold, 2 wrong usage, 3 it could not be done."""

    help = "Restores the log from an archive (folder or S3), verified before and after."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--from", dest="source", metavar="PATH|s3://…", help="the archive")
        parser.add_argument(
            "--signers",
            type=Path,
            metavar="FILE",
            help="whose checkpoints count (default: AUDIT_SIGNERS_FILE); never from the archive",
        )
        parser.add_argument("--through-seq", type=int, metavar="N", help="the last event")
        parser.add_argument(
            "--keep-apart",
            type=Path,
            metavar="FOLDER",
            help="restore what holds, and put there what does not verify",
        )
        parser.add_argument(
            "--schema", default="", metavar="NAME", help="beside the log in use, to be swapped in"
        )
        parser.add_argument("--swap", metavar="NAME", help="swap in what was restored there")
        parser.add_argument("--yes", action="store_true", help="do not ask")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self._check(options)
            whole = self._swap(options) if options["swap"] else self._restore(options)
        except (Invalid, Conflict, NotFound) as error:
            self._end(error.message, error.code, EXIT_USAGE)
        except IntegrityFailure as error:
            self._end(error.message, error.code, EXIT_INVALID)
        except (StrongroomError, CouldNotCheck) as error:
            code = getattr(error, "code", "could_not_check")
            self._end(str(error), code, EXIT_COULD_NOT_CHECK)
        except (DatabaseError, OSError) as error:
            self._end(str(error), type(error).__name__, EXIT_COULD_NOT_CHECK)
        else:
            if not whole:
                raise SystemExit(EXIT_INVALID)

    def _restore(self, options: dict[str, Any]) -> bool:
        chosen = options["signers"] or (settings.AUDIT_SIGNERS_FILE or None)
        signers = load_signers(Path(chosen) if chosen else None)
        place = f"the new schema {options['schema']}" if options["schema"] else "this database"
        self._confirm(options, f"Restore the log from {options['source']} into {place}?")
        with Reporter(sys.stderr) as reporter:
            done = restoring.restore(
                actor=console.operator(),
                location=options["source"],
                signers=signers,
                through_seq=options["through_seq"],
                keep_apart=options["keep_apart"],
                schema=options["schema"],
                progress=reporter,
            )
        self._tell_restored(done, options)
        return done.is_whole

    def _tell_restored(self, done: restoring.Restored, options: dict[str, Any]) -> None:
        head, report = done.head, done.examined.report
        self.stdout.write(f"Restored     {head.size} events, verified before and after")
        self.stdout.write(f"Head         {tag(head.hash)}")
        self.stdout.write(f"Root         {tag(head.root)}")
        self.stdout.write(f"Checkpoints  {done.checkpoints}")
        self.stdout.write(f"Segments     {done.segments}, {done.archived} with their receipts")
        for sentence in done.told:
            self.stdout.write(f"Note         {sentence}")
        if not done.is_whole:
            self.stdout.write(f"NOT WHOLE    {report.message}")
            self.stdout.write(f"Kept apart   {done.kept_apart} files in {options['keep_apart']}")
        if done.schema:
            self.stdout.write(f"Next: manage.py audit_restore --swap {done.schema}")

    def _swap(self, options: dict[str, Any]) -> bool:
        name = options["swap"]
        self._confirm(
            options, f"Put the log in the schema {name} into the place of the one in use?"
        )
        with Reporter(sys.stderr) as reporter:
            done = swapping.swap(actor=console.operator(), schema=name, progress=reporter)
        self.stdout.write(f"In use       {done.head.size} events")
        self.stdout.write(f"Head         {tag(done.head.hash)}")
        self.stdout.write(f"Root         {tag(done.head.root)}")
        self.stdout.write(f"Restored     {done.restored} events, from the archive")
        self.stdout.write(
            f"Taken over   {done.taken_over} events and {done.checkpoints} checkpoints"
        )
        self.stdout.write(f"Kept         the tables that were in use, in the schema {done.kept}")
        if done.left_behind:
            self.stdout.write(
                f"LEFT BEHIND  {done.left_behind} events there, from number"
                f" {done.first_left_behind} on, do not continue the log"
            )
        return not done.left_behind

    def _check(self, options: dict[str, Any]) -> None:
        only_restore = ("signers", "through_seq", "keep_apart", "schema")
        if bool(options["source"]) == bool(options["swap"]):
            raise Invalid("Either --from or --swap is needed.")
        if options["swap"] and any(options[name] not in (None, "") for name in only_restore):
            raise Invalid("--swap goes with --yes alone.")

    def _confirm(self, options: dict[str, Any], question: str) -> None:
        if options["yes"]:
            return
        if not sys.stdin.isatty():
            raise Invalid("--yes is needed where nobody can be asked.")
        if input(f"{question} [yes/no] ") != "yes":
            raise Invalid("Nothing was done.")

    def _end(self, message: str, code: str, exit_code: int) -> None:
        self.stderr.write(f"Nothing was restored or swapped: {message} [{code}]")
        raise SystemExit(exit_code)
