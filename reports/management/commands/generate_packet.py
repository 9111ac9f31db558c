"""`manage.py generate_packet`: makes a SOC 2 packet."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from audit.events import Actor
from audit.services import clock
from ops import password
from reports.formats import period as periods
from reports.formats.period import Period
from reports.models import Packet
from reports.services import packets
from sealing.errors import Invalid, StrongroomError
from sealing.results import EXIT_INVALID, EXIT_USAGE
from sealing.times import format_time


class Command(BaseCommand):
    """Makes a packet in somebody's name, or tells of the one that there is."""

    help = "Make the SOC 2 packet of a client and period in somebody's name, who is its maker."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declares the options."""
        password.add_arguments(parser)
        parser.add_argument("--client", help="the client's id; without it the platform's packet")
        parser.add_argument("--start", help="a day, or a moment with its offset")
        parser.add_argument("--end", help="the last day, or the moment at which the period ends")
        parser.add_argument("--revise", action="store_true", help="though there is a packet")
        parser.add_argument("--reason", default="", help="why there shall be a revision")
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        """Makes one service call and prints what came of it."""
        try:
            # Whoever may run commands here is not thereby everybody: the maker proves who he is.
            packet = packets.generate_now(
                actor=Actor.of(password.proven_account(options)),
                client_id=options["client"],
                period=_period(options["start"], options["end"]),
                revise=options["revise"],
                reason=options["reason"],
            )
        except Invalid as error:
            place = f"{error.field}: " if error.field else ""
            raise CommandError(f"{place}{error.message}", returncode=EXIT_USAGE) from error
        except StrongroomError as error:
            message = f"{error.message} [{error.code}]"
            raise CommandError(message, returncode=EXIT_INVALID) from error
        self.stdout.write(_told(packet, as_json=options["json"]))


def _period(start: str | None, end: str | None) -> Period:
    """The period that was given; the calendar month before this one, if none was."""
    if start is None and end is None:
        return periods.month_before(clock.host_clock())
    if start is None or end is None:
        raise Invalid("--start and --end come together; without both it is the last month.")
    return periods.parse(start, end)


def _told(packet: Packet, *, as_json: bool) -> str:
    told = {
        "name": packet.name,
        "revision": packet.revision,
        "json_sha256": packet.json_sha256,
        "pdf_sha256": packet.pdf_sha256,
        "folder": packet.folder,
        "vault_folder": None if packet.deposit is None else packet.deposit.folder,
        "generated_at": format_time(packet.generated_at),
    }
    if as_json:
        return json.dumps(told, indent=2)
    return "\n".join(f"{name:13} {value}" for name, value in told.items())
