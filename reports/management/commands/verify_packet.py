"""`manage.py verify_packet`: verifies a packet, a stored one by its name or files of one.

Files are verified against the installation's own keys. Against the keys of a signers file, and
without an installation, `python -m reports.verify` does it.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import Error

from access.models import User
from audit.events import Actor
from reports.formats.packet_report import PacketReport
from reports.services import verification
from reports.verify_files import FilesMisnamed, read_files, told
from sealing.errors import StrongroomError
from sealing.results import EXIT_COULD_NOT_CHECK, EXIT_USAGE, exit_code


class Command(BaseCommand):
    """Verifies a packet in somebody's name, or files in nobody's."""

    # A check of the installation that fails would end with 1, and that says that a packet is
    # invalid.
    requires_system_checks = []
    help = "Verify a packet. Exit codes: 0 valid, 1 invalid, 2 usage, 3 could not check."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declares the options."""
        parser.add_argument(
            "packet",
            nargs="+",
            help="the name of a stored packet (with --as), or files of one packet: .json, .pdf,"
            " .countersigned.pdf; a .sig file beside each is read too",
        )
        parser.add_argument("--as", dest="username", help="the account that asks for a stored one")
        parser.add_argument("--require-countersign", action="store_true")
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        """Makes one service call, prints the verdict and ends with its exit code."""
        try:
            report = _report(options)
        except FilesMisnamed as error:
            raise CommandError(error.message, returncode=EXIT_USAGE) from error
        except StrongroomError as error:
            raise CommandError(error.message, returncode=EXIT_COULD_NOT_CHECK) from error
        except (Error, OSError, MemoryError) as error:
            reason = f"Could not check: {type(error).__name__}: {error}"
            raise CommandError(reason, returncode=EXIT_COULD_NOT_CHECK) from error
        self.stdout.write(told(report, as_json=options["json"]))
        if code := exit_code(report.verdict):
            sys.exit(code)


def _report(options: dict[str, Any]) -> PacketReport:
    required = options["require_countersign"]
    if options["username"] is not None:
        return verification.verify_stored(
            actor=_actor(options), name=_name(options), require_countersign=required
        )
    files = read_files([Path(name) for name in options["packet"]])
    return verification.check_files(files, require_countersign=required)


def _actor(options: dict[str, Any]) -> Actor:
    user = User.objects.filter(username=options["username"], is_active=True).first()
    if user is None:
        raise CommandError("--as: There is no such account.", returncode=EXIT_USAGE)
    return Actor.of(user)


def _name(options: dict[str, Any]) -> str:
    if len(options["packet"]) != 1:
        raise CommandError("--as: Name one stored packet.", returncode=EXIT_USAGE)
    name: str = options["packet"][0]
    return name
