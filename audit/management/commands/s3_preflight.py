"""`manage.py s3_preflight`: whether the bucket and the identity are fit for the archive."""

from __future__ import annotations

import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from audit.services import preflight
from sealing.errors import Invalid, StrongroomError
from sealing.results import EXIT_COULD_NOT_CHECK, EXIT_USAGE, exit_code

_MARKS = {True: "ok    ", False: "FAILED", None: "?     "}


class Command(BaseCommand):
    """Exit codes: 0 fit, 1 not fit, 2 wrong usage, 3 could not check."""

    help = (
        "Checks that a bucket has Object Lock and versions and that this identity has exactly the"
        " rights that the archive needs. Leaves two small probes below <prefix>/preflight/."
        " Exit codes: 0 fit, 1 not fit, 2 usage, 3 could not check."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declares the options."""
        parser.add_argument(
            "location",
            nargs="?",
            metavar="s3://BUCKET/PREFIX",
            help="another place than the configured archive",
        )
        parser.add_argument("--json", action="store_true", help="answer as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Makes one service call, prints what was found and ends with its exit code."""
        try:
            found = preflight.check(location=options["location"])
        except Invalid as error:
            raise CommandError(error.message, returncode=EXIT_USAGE) from error
        except StrongroomError as error:
            raise CommandError(
                f"Could not check: {error.message}", returncode=EXIT_COULD_NOT_CHECK
            ) from error
        if options["json"]:
            self.stdout.write(json.dumps(found.as_dict(), indent=2))
        else:
            self._print(found)
        if code := exit_code(found.report.verdict):
            sys.exit(code)

    def _print(self, found: preflight.Preflight) -> None:
        for finding in found.report.findings:
            self.stdout.write(f"{_MARKS[finding.ok]} {finding.message} [{finding.code}]")
        for key in found.probes:
            self.stdout.write(f"left:  {key}")
        for text in found.not_checked:
            self.stdout.write(f"not checked: {text}")
        self.stdout.write(f"{found.report.verdict}: {found.location}")
