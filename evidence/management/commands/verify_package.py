"""`manage.py verify_package`: verifies a stored package against keys and records."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from access.models import User
from audit.events import Actor
from evidence.services import verification
from sealing.errors import StrongroomError
from sealing.results import EXIT_COULD_NOT_CHECK, EXIT_USAGE, exit_code


class Command(BaseCommand):
    """Verifies a package in somebody's name."""

    help = "Verify a stored package. Exit codes: 0 valid, 1 invalid, 2 usage, 3 could not check."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declares the options."""
        parser.add_argument("package_path", help="<client or platform>/<bundle id>.zip")
        parser.add_argument("--as", dest="username", required=True, help="the account that asks")
        parser.add_argument("--require-countersign", action="store_true")
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        """Makes one service call, prints the verdict and ends with its exit code."""
        user = User.objects.filter(username=options["username"], is_active=True).first()
        if user is None:
            raise CommandError("--as: There is no such account.", returncode=EXIT_USAGE)
        try:
            result = verification.verify(
                actor=Actor.of(user),
                package_path=options["package_path"],
                require_countersign=options["require_countersign"],
            )
        except StrongroomError as error:
            raise CommandError(error.message, returncode=EXIT_COULD_NOT_CHECK) from error
        told = result.as_dict()
        if options["json"]:
            self.stdout.write(json.dumps(told, indent=2))
        else:
            for issue in told["issues"]:
                self.stdout.write(f"  {issue['message']} [{issue['code']}]")
            self.stdout.write(f"{told['verdict']}: {told['message']}")
        if code := exit_code(result.verdict):
            sys.exit(code)
