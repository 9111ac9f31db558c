"""`manage.py sync_schedules`: makes the queue's schedules what the jobs say."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from ops.services import jobs, schedules


class Command(BaseCommand):
    """Safe to repeat; the worker does it every minute."""

    help = "Makes the queue's schedules what the jobs say, and removes every other one."

    def handle(self, *args: Any, **options: Any) -> None:
        jobs.ensure_builtin_jobs()
        done = schedules.sync_schedules()
        self.stdout.write(f"{done.created} made, {done.updated} changed, {done.removed} removed.")
