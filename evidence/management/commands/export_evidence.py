"""`manage.py export_evidence`: makes a package."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from audit.events import Actor
from evidence.formats.contents import VaultMode
from evidence.models import Package
from evidence.services import exporting
from ops import password
from sealing.errors import Invalid, StrongroomError
from sealing.results import EXIT_INVALID, EXIT_USAGE
from sealing.times import format_time


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
        parser.add_argument("--vault-mode", choices=list(VaultMode), help="where it is locked away")
        parser.add_argument("--external-worm", action="store_true", help="external archive too")
        parser.add_argument("--external-kms", action="store_true", help="external key service too")
        parser.add_argument("--strict", action="store_true", help="fail if one of these fails")
        parser.add_argument("--note", default="")
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
        if not options["start"] or not options["end"]:
            raise Invalid("--start and --end are needed.")
        payload = {
            "client_id": options["client"],
            "period_start": options["start"],
            "period_end": options["end"],
            "event_types": options["event_types"],
            "package_prefix": options["prefix"],
            "retention_policy": options["retention_policy"],
            "required_countersignatures": options["countersignatures"],
            "sign_bundle": not options["unsigned"],
            "external_worm": options["external_worm"],
            "external_kms": options["external_kms"],
            "note": options["note"],
        }
        if options["vault_mode"]:
            payload["vault_mode"] = options["vault_mode"]
        if options["strict"]:
            payload["external_require_success"] = True
        return exporting.export_now(actor=actor, payload=payload)


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
