"""`manage.py bootstrap`: makes the first administrator and the first compliance officer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from ops.password import read_password
from ops.services import people
from sealing.errors import StrongroomError


class Command(BaseCommand):
    """Asks for two people, or takes them from options and password files."""

    help = "Creates the first two people (an administrator and a compliance officer) and the keys."

    def add_arguments(self, parser: CommandParser) -> None:
        for role in ("admin", "officer"):
            parser.add_argument(f"--{role}", required=True, metavar="USERNAME")
            parser.add_argument(f"--{role}-name", metavar="NAME", help="the person's full name")
            parser.add_argument(
                f"--{role}-password-file",
                type=Path,
                metavar="FILE",
                help="read the password from FILE instead of asking",
            )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            accounts = [self._account(role, options) for role in ("admin", "officer")]
            people.bootstrap(admin=accounts[0], officer=accounts[1])
        except StrongroomError as error:
            raise CommandError(f"{error.field}: {error}" if error.field else str(error)) from error
        self.stdout.write("Both accounts and the service keys are made. Sign in at /admin/.")

    def _account(self, role: str, options: dict[str, Any]) -> dict[str, str]:
        username, option = options[role], f"--{role}-password-file"
        password = read_password(options[f"{role}_password_file"], username, option)
        return {
            "username": username,
            "display_name": options[f"{role}_name"] or username,
            "password": password,
        }
