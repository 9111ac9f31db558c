"""`manage.py rotate_signing_secret`: after COMPLIANCE_EVIDENCE_SIGNING_SECRET was changed."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.db import DatabaseError

from audit.services.recovery import console
from evidence.services import secret_rotation
from evidence.services.secret_rotation import Rotated
from sealing.errors import Invalid, StrongroomError
from sealing.results import EXIT_COULD_NOT_CHECK, EXIT_INVALID


class Command(BaseCommand):
    """Exit codes: 0 done, 1 the secret is refused, 2 wrong usage, 3 it could not be done."""

    help = "Check the new signing secret, count the macs of former ones, record the rotation."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declares the options."""
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        """Makes one service call and prints what came of it."""
        try:
            rotated = secret_rotation.rotate(actor=console.operator())
        except Invalid as error:
            self._end(error, EXIT_INVALID)
        except (StrongroomError, DatabaseError, OSError) as error:
            self._end(error, EXIT_COULD_NOT_CHECK)
        else:
            told = json.dumps(rotated.as_dict(), indent=2) if options["json"] else _told(rotated)
            self.stdout.write(told)

    def _end(self, error: Exception, exit_code: int) -> None:
        code = getattr(error, "code", type(error).__name__)
        self.stderr.write(f"Not rotated: {error} [{code}]")
        sys.exit(exit_code)


def _told(rotated: Rotated) -> str:
    lines = [
        f"Secret {rotated.fingerprint}: "
        + ("recorded as the present one." if rotated.is_new else "was recorded before."),
        f"Macs of it             {rotated.present}",
        f"Macs of former secrets {rotated.of_former}",
        f"Signed without a mac   {rotated.without}",
    ]
    if rotated.unread:
        lines.append(f"Could not be read      {rotated.unread} (run vault_audit)")
    lines += [
        "Restart web and worker, so that new packages carry macs of the present secret.",
        "Packages of before stay valid. Whoever checks their mac needs the secret of their time:"
        " keep it as long as they are kept, away from this host.",
    ]
    return "\n".join(lines)
