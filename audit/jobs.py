"""`python -m audit.jobs`: the scheduled verification, for cron or a CI job.

Verifies the look-back window in the database and in the archive, with the Object Lock that the
settings ask for, stores and archives the results, and says what it found.

Exit codes: 0 in order, 1 invalid or failed, 2 wrong usage, 3 could not check.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

import django

if __name__ == "__main__":
    # Models can be imported only after this.
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()

from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError

from audit.events import Actor
from audit.services.scheduled_verification import (
    Scheduled,
    verify_look_back,
    verify_month,
)
from sealing.errors import StrongroomError
from sealing.results import EXIT_COULD_NOT_CHECK

__all__ = ["Scheduled", "main", "verify_look_back", "verify_month"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m audit.jobs",
        description="Verify the look-back window of the audit trail, database and archive.",
        epilog="Exit codes: 0 in order, 1 invalid or failed, 2 wrong usage, 3 could not check.",
    )
    parser.parse_args(arguments)
    try:
        done = verify_look_back(actor=Actor.system("audit-jobs"))
    except StrongroomError as error:
        return _could_not(f"{error.message} [{error.code}]")
    except DatabaseError as error:
        return _could_not(f"the database does not answer as it should ({type(error).__name__}).")
    except ImproperlyConfigured as error:
        return _could_not(str(error))
    target = sys.stdout if done.is_ok else sys.stderr
    target.write("\n".join(done.lines()) + "\n")
    return done.exit_code


def _could_not(reason: str) -> int:
    sys.stderr.write(f"Could not check: {reason}\n")
    return EXIT_COULD_NOT_CHECK


if __name__ == "__main__":
    sys.exit(main())
