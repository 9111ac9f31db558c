"""`manage.py vault_audit`: compares every copy in the vault with its records."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.db import DatabaseError

from audit.events import Actor
from evidence.services.vault.auditing import VaultAudit, audit_vault
from sealing.errors import StrongroomError
from sealing.results import EXIT_COULD_NOT_CHECK


class Command(BaseCommand):
    """Exit codes: 0 all is in order, 1 something differs, 2 wrong usage, 3 could not check."""

    help = "Walk the vault and compare every copy with its records. Removes nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declares the options."""
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        """Makes one service call, prints what came of it and ends with its exit code."""
        try:
            audit = audit_vault(actor=Actor.system("vault"))
        except (StrongroomError, DatabaseError, OSError) as error:
            code = getattr(error, "code", type(error).__name__)
            self.stderr.write(f"Could not check: {error} [{code}]")
            sys.exit(EXIT_COULD_NOT_CHECK)
        if options["json"]:
            self.stdout.write(json.dumps(audit.as_dict(), indent=2))
        else:
            self.stdout.write("\n".join(_lines(audit)))
        if audit.exit_code:
            sys.exit(audit.exit_code)


def _lines(audit: VaultAudit) -> list[str]:
    lines = [f"  {item.where}: {item.message} [{item.code}]" for item in audit.findings]
    lines += [f"  {item.where}: {item.message} (notice: {item.code})" for item in audit.notices]
    lines += [f"  {done} (put right)" for done in audit.repaired]
    return [*lines, f"{audit.verdict}: {audit.message}"]
