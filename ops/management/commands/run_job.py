"""`manage.py run_job NAME`: runs one job of the schedule now."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from audit.events import Actor
from audit.schedule import JOBS, UnknownJob, run_job
from sealing.errors import StrongroomError
from sealing.results import EXIT_INVALID, EXIT_USAGE


class Command(BaseCommand):
    """Exit codes: 0 done, 1 failed, 2 no such job."""

    help = "Runs a job now, due or not, and prints what came of it as JSON."

    def add_arguments(self, parser: CommandParser) -> None:
        names = ", ".join(JOBS)
        parser.add_argument("name", metavar="NAME", nargs="?", help=f"one of {names}")

    def handle(self, *args: Any, **options: Any) -> None:
        self.check(databases=["default"])
        if not options["name"]:
            for name, job in JOBS.items():
                self.stdout.write(f"{name:<20} every {job.every}  {job.description}")
            return
        try:
            result = run_job(options["name"], actor=Actor.system("run-job"))
        except UnknownJob as error:
            self.stderr.write(error.message)
            raise SystemExit(EXIT_USAGE) from error
        except StrongroomError as error:
            self.stderr.write(f"{options['name']} failed: {error.message} [{error.code}]")
            raise SystemExit(EXIT_INVALID) from error
        self.stdout.write(json.dumps(result, indent=2, sort_keys=True, default=str))
