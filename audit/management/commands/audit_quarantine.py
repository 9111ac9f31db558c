"""`manage.py audit_quarantine`: copies objects in question to the forensic store."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import DatabaseError

from audit import storage
from audit.services.recovery import console
from audit.services.recovery.quarantine import quarantine
from sealing.errors import Conflict, IntegrityFailure, Invalid, NotFound, StrongroomError
from sealing.results import EXIT_COULD_NOT_CHECK, EXIT_INVALID, EXIT_USAGE


class Command(BaseCommand):
    """Exit codes: 0 done, 1 a copy differs, 2 wrong usage, 3 it could not be done."""

    help = "Copies objects of the archive, as they are, with a custody record. Deletes nothing."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("names", nargs="+", metavar="NAME", help="below the archive's root")
        parser.add_argument("--case", required=True, metavar="ID", help="the incident")
        parser.add_argument("--reason", required=True, metavar="TEXT")
        parser.add_argument("--all-versions", action="store_true", help="and not the ends alone")
        parser.add_argument("--to", metavar="PATH|s3://…", help="instead of the configured store")

    def handle(self, *args: Any, **options: Any) -> None:
        self.check(databases=["default"])
        try:
            record = quarantine(
                actor=console.operator(),
                names=options["names"],
                case_id=options["case"],
                reason=options["reason"],
                all_versions=options["all_versions"],
                target=storage.open_location(options["to"]) if options["to"] else None,
            )
        except (Invalid, NotFound) as error:
            self._end(error, EXIT_USAGE)
        except (IntegrityFailure, Conflict) as error:
            self._end(error, EXIT_INVALID)
        except (StrongroomError, DatabaseError, OSError) as error:
            self._end(error, EXIT_COULD_NOT_CHECK)
        else:
            for item in record.items:
                place = item["copied_to"] or "a delete marker, noted"
                self.stdout.write(f"{item['name']}  {item['sha256'] or '-'}  {place}")
            self.stdout.write(
                f"Custody record {record.pk}: {record.document}, {record.document_sha256}"
            )

    def _end(self, error: Exception, exit_code: int) -> None:
        code = getattr(error, "code", type(error).__name__)
        self.stderr.write(f"Not quarantined: {error} [{code}]")
        raise SystemExit(exit_code)
