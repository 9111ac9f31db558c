"""`manage.py export_evidence`: makes a package, or finishes one that was interrupted."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from audit.events import Actor
from evidence.models import Package
from evidence.services import locating, packages
from ops import password
from sealing.errors import Invalid, StrongroomError
from sealing.results import EXIT_INVALID, EXIT_USAGE
from sealing.times import format_time, parse_rfc3339


class Command(BaseCommand):
    """Exports an evidence package in somebody's name."""

    help = "Make an evidence package in somebody's name, who becomes its maker."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declares the options."""
        password.add_arguments(parser)
        parser.add_argument("--client", help="the client's id; without it the platform's events")
        parser.add_argument("--start", metavar="RFC3339", help="events from this moment on")
        parser.add_argument("--end", metavar="RFC3339", help="events before this moment")
        parser.add_argument("--type", action="append", dest="event_types", metavar="TYPE")
        parser.add_argument("--prefix", default="evidence")
        parser.add_argument("--retention-policy", default="hipaa_6y")
        parser.add_argument("--countersignatures", type=int, metavar="N")
        parser.add_argument("--unsigned", action="store_true")
        parser.add_argument("--note", default="")
        parser.add_argument("--resume", metavar="BUNDLE_ID", help="finish an interrupted export")
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        """Makes one service call and prints what came of it."""
        try:
            package = self._export(options)
        except Invalid as error:
            place = f"{error.field}: " if error.field else ""
            raise CommandError(f"{place}{error.message}", returncode=EXIT_USAGE) from error
        except StrongroomError as error:
            message = f"{error.message} [{error.code}]"
            raise CommandError(message, returncode=EXIT_INVALID) from error
        self.stdout.write(_told(package, as_json=options["json"]))

    def _export(self, options: dict[str, Any]) -> Package:
        # Whoever may run commands here is not thereby everybody: the maker proves who he is.
        actor = Actor.of(password.proven_account(options))
        if options["resume"]:
            return packages.resume_package(actor=actor, bundle_id=options["resume"])
        if not options["start"] or not options["end"]:
            raise Invalid("--start and --end are needed.")
        return packages.export_package(
            actor=actor,
            client=locating.client_for_export(actor=actor, client_id=options["client"]),
            period_start=parse_rfc3339(options["start"]),
            period_end=parse_rfc3339(options["end"]),
            event_types=options["event_types"],
            package_prefix=options["prefix"],
            retention_policy=options["retention_policy"],
            required_countersignatures=options["countersignatures"],
            sign_bundle=not options["unsigned"],
            note=options["note"],
        )


def _told(package: Package, *, as_json: bool) -> str:
    told = {
        "bundle_id": package.bundle_id,
        "package_path": package.package_path,
        "package_sha256": package.package_sha256,
        "events": package.event_count,
        "generated_at": format_time(package.generated_at),
    }
    if as_json:
        return json.dumps(told, indent=2)
    return "\n".join(f"{name:15} {value}" for name, value in told.items())
