"""`manage.py worker`: seals what was recorded and signs checkpoints on a heartbeat."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from ops.worker import Worker


class Command(BaseCommand):
    """Runs until SIGTERM or SIGINT, then finishes the batch at hand."""

    help = "Seals recorded events and signs checkpoints until it is told to stop."

    def handle(self, *args: Any, **options: Any) -> None:
        # With the database's own checks: another log than the settings name is refused here.
        self.check(databases=["default"])
        Worker().run()
