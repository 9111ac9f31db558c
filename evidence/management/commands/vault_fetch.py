"""`manage.py vault_fetch`: takes a package or an artefact out of its vault, decrypted."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from audit.events import Actor
from evidence.formats.names import is_artifact_name
from evidence.services.vault.fetching import fetch, fetch_artifact
from ops import password
from sealing.errors import Conflict, Invalid, StrongroomError, Unavailable
from sealing.results import EXIT_COULD_NOT_CHECK, EXIT_INVALID, EXIT_USAGE


class Command(BaseCommand):
    """Fetches a package, or an artefact, in somebody's name."""

    help = "Write a package or an artefact from its vault to a new file; who took it is recorded."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declares the options."""
        password.add_arguments(parser)
        parser.add_argument("name", metavar="NAME", help="a bundle id, or artifact_<id>")
        parser.add_argument("--to", required=True, metavar="FILE", help="a file that is not there")

    def handle(self, *args: Any, **options: Any) -> None:
        """Makes one service call and says what was written."""
        target = Path(options["to"])
        try:
            actor = Actor.of(password.proven_account(options))
            sha256, size = _fetched(actor, options["name"], target)
        except (Unavailable, OSError) as error:
            self._end(error, EXIT_COULD_NOT_CHECK)
        except (Invalid, Conflict) as error:
            self._end(error, EXIT_USAGE)
        except StrongroomError as error:
            self._end(error, EXIT_INVALID)
        else:
            self.stdout.write(f"{target}  {sha256}  {size} bytes")

    def _end(self, error: Exception, exit_code: int) -> None:
        code = getattr(error, "code", type(error).__name__)
        raise CommandError(f"{error} [{code}]", returncode=exit_code) from error


def _fetched(actor: Actor, name: str, target: Path) -> tuple[str, int | None]:
    if is_artifact_name(name):
        artifact = fetch_artifact(actor=actor, name=name, target=target)
        return artifact.sha256, artifact.size_bytes
    package = fetch(actor=actor, bundle_id=name, target=target)
    return package.package_sha256, package.size_bytes
