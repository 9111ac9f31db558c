"""`manage.py run_job NAME`: runs one job now, in this process."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from audit.events import Actor
from ops.models import RunStatus
from ops.services import jobs, runs, terminal
from sealing.errors import StrongroomError
from sealing.results import EXIT_INVALID, EXIT_USAGE
from sealing.times import format_time

# How long --wait waits for the attempts that follow a first one that failed.
WAIT_SECONDS = 3600.0


class Command(BaseCommand):
    """Exit codes: 0 done, 1 failed, 2 no such job."""

    help = "Runs a job now, due or not, and prints what came of it as JSON."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", metavar="NAME", nargs="?", help="of a job; without it, a list")
        parser.add_argument(
            "--wait",
            action="store_true",
            help="when it fails for now, wait until a worker has tried it again",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        self.check(databases=["default"])
        if not options["name"]:
            for job in terminal.all_jobs():
                when = job.schedule_cron or "on demand"
                state = "" if job.is_enabled else " (disabled)"
                self.stdout.write(f"{job.name:<24} {when:<14} {job.description}{state}")
            return
        try:
            run = terminal.run_now(actor=Actor.system("run-job"), name=options["name"])
            if options["wait"]:
                run = runs.wait_for(run, WAIT_SECONDS)
        except jobs.JobNotFound as error:
            self.stderr.write(error.message)
            raise SystemExit(EXIT_USAGE) from error
        except StrongroomError as error:
            self.stderr.write(f"{options['name']}: {error.message} [{error.code}]")
            raise SystemExit(EXIT_INVALID) from error
        if run.status != RunStatus.SUCCESS:
            self.stderr.write(f"{options['name']} failed: {run.error_message} [{run.error_code}]")
            if run.not_before is not None:
                again = format_time(run.not_before)
                self.stderr.write(f"A worker tries it again at {again}, as run {run.pk}.")
            raise SystemExit(EXIT_INVALID)
        self.stdout.write(json.dumps(run.result_summary, indent=2, sort_keys=True))
