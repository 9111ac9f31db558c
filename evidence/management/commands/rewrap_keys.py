"""`manage.py rewrap_keys`: after KEY_ENCRYPTION_KEY was changed."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.db import DatabaseError

from audit.services.recovery import console
from evidence.services.key_rotation import KeysRewrapped, rewrap_keys
from sealing.errors import StrongroomError
from sealing.results import EXIT_COULD_NOT_CHECK, EXIT_INVALID


class Command(BaseCommand):
    """Exit codes: 0 done, 1 a key is missing to open what is closed, 2 usage, 3 could not
    do or look at everything."""

    help = "Close under the present key-encryption key what a former one closed."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declares the options."""
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        """Makes one service call and prints what came of it."""
        try:
            done = rewrap_keys(actor=console.operator())
        except (StrongroomError, DatabaseError, OSError) as error:
            code = getattr(error, "code", type(error).__name__)
            self.stderr.write(f"Not done: {error} [{code}]")
            sys.exit(EXIT_COULD_NOT_CHECK)
        self.stdout.write(json.dumps(done.as_dict(), indent=2) if options["json"] else _told(done))
        if done.is_key_missing:
            sys.exit(EXIT_INVALID)
        if not done.is_complete:
            sys.exit(EXIT_COULD_NOT_CHECK)


def _told(done: KeysRewrapped) -> str:
    lines = [
        f"Present key                       {done.present}",
        f"Signing keys closed anew          {len(done.signing_keys)}",
        f"Second factors closed anew        {done.second_factors}",
    ]
    lines += [f"No key at hand opens              {key_id}" for key_id in done.unopened]
    if done.second_factors_unopened:
        lines.append(f"Second factors that stay closed   {done.second_factors_unopened}")
    for mark, count in sorted(done.of_people.items()):
        lines.append(f"People's keys under {mark}: {count}, until their owners sign")
    for mark, count in sorted(done.envelopes.items()):
        lines.append(f"Envelopes under {mark}: {count}, for as long as they are kept")
    if done.envelopes_unread:
        lines.append(f"Envelopes that could not be read: {done.envelopes_unread}")
    if done.envelopes_unread:
        lines.append("Remove no key from KEY_ENCRYPTION_KEYS_FORMER before they can be read.")
    if done.needed:
        lines.append("Keep these keys in KEY_ENCRYPTION_KEYS_FORMER.")
    elif not done.envelopes_unread:
        lines.append("Nothing needs KEY_ENCRYPTION_KEYS_FORMER any more.")
    return "\n".join(lines)
