"""`manage.py worker`: seals what was recorded, signs checkpoints, and works the queue off."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ops.worker import PartDied, Worker


class Command(BaseCommand):
    """Runs until SIGTERM or SIGINT, then finishes the step at hand."""

    help = "Seals recorded events, signs checkpoints and carries out runs until told to stop."

    def handle(self, *args: Any, **options: Any) -> None:
        # With the database's own checks: another log than the settings name is refused here.
        self.check(databases=["default"])
        try:
            Worker().run()
        except PartDied as error:
            raise CommandError(f"{error} Start the worker again.") from error
