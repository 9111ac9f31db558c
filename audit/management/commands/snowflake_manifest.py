"""`manage.py snowflake_manifest`: what Snowflake needs to load the archive, or to load it again."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from audit.formats.snowflake import ROLE_TO_FILL_IN
from audit.services import snowflake
from sealing.errors import Invalid, StrongroomError
from sealing.results import EXIT_INVALID, EXIT_USAGE


class Command(BaseCommand):
    """Prints the replay manifest, or writes it with the SQL that goes by it."""

    help = (
        "Print the manifest of the archived segments, in order; with --out write it with the SQL"
        " by which Snowflake loads and checks them. Exit codes: 0 done, 1 failed, 2 usage."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declares the options."""
        parser.add_argument("--out", type=Path, metavar="FOLDER", help="write the SQL files there")
        parser.add_argument(
            "--from-seq", type=int, default=0, metavar="N", help="only what holds event N or later"
        )
        parser.add_argument(
            "--role-arn", default=ROLE_TO_FILL_IN, help="the AWS role by which Snowflake reads"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Makes one service call."""
        try:
            told = self._done(options["out"], options["from_seq"], options["role_arn"])
        except Invalid as error:
            raise CommandError(error.message, returncode=EXIT_USAGE) from error
        except (StrongroomError, OSError) as error:
            raise CommandError(str(error), returncode=EXIT_INVALID) from error
        self.stdout.write(told, ending="")

    def _done(self, folder: Path | None, from_seq: int, role_arn: str) -> str:
        if folder is None:
            return snowflake.manifest(from_seq=from_seq).decode("utf-8")
        made = snowflake.write_definition(folder, from_seq=from_seq, role_arn=role_arn)
        names = "\n".join(f"  {name}" for name in made.files)
        return f"{made.segments} segments; written to {folder}:\n{names}\n"
