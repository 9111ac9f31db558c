"""`manage.py stream_relay`: streams sealed events to Kafka until it is told to stop."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from audit.services import kafka, relay
from audit.services.relay import Relay
from sealing.errors import Invalid, StrongroomError
from sealing.results import EXIT_INVALID, EXIT_USAGE


class Command(BaseCommand):
    """Runs the relay of one topic; a second one for the same topic waits for its turn."""

    help = "Stream sealed events to Kafka. Exit codes: 0 done, 1 failed, 2 usage."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declares the options."""
        parser.add_argument("--once", action="store_true", help="send what there is, then end")
        parser.add_argument("--topic", help="another topic than KAFKA_TOPIC")

    def handle(self, *args: Any, **options: Any) -> None:
        """Makes one service call."""
        # With the database's own checks: another log than the settings name is refused here.
        self.check(databases=["default"])
        if not kafka.is_configured():
            raise CommandError("KAFKA_BOOTSTRAP_SERVERS is not set.", returncode=EXIT_USAGE)
        try:
            if not options["once"]:
                Relay(options["topic"]).run()
                return
            done = relay.relay_once(topic=options["topic"])
        except Invalid as error:
            raise CommandError(error.message, returncode=EXIT_USAGE) from error
        except StrongroomError as error:
            message = f"{error.message} [{error.code}]"
            raise CommandError(message, returncode=EXIT_INVALID) from error
        if done.is_busy:
            self.stdout.write("Another relay is at work for this topic; nothing was done.")
        else:
            self.stdout.write(f"{done.events} events were sent; the next one is {done.next_seq}.")
