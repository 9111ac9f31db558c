"""The arguments of `python -m audit.verify`."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path

from sealing.stores.base import LockMode
from sealing.stores.opening import SCHEME, LocationRefused, split_s3
from sealing.times import TimeRefused, parse_rfc3339

_FOR_OUR_LOGS = (
    "start", "end", "since", "limit", "checkpoint", "state", "strict", "sample",
    "object_lock_mode", "tsa_certificates",
)  # fmt: skip


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Reads the command line; exits with 2 and a usage message if it is mistyped."""
    parser = argparse.ArgumentParser(
        prog="python -m audit.verify",
        description="Verify a log that lies in a folder or in S3, with its checkpoints.",
        epilog="Exit codes: 0 valid, 1 invalid, 2 wrong usage, 3 could not check.",
    )
    parser.add_argument(
        "location", metavar="PATH|s3://BUCKET/PREFIX", help="the archive, or a file of lines"
    )
    _add_window(parser)
    _add_checks(parser)
    _add_s3(parser)
    parser.add_argument("--jobs", type=_count, default=1, metavar="N", help="verify by N processes")
    parser.add_argument("--json", action="store_true", help="answer as JSON")
    parser.add_argument(
        "--profile", choices=("strongroom", "pbpk"), default="strongroom", help="whose log it is"
    )
    options = parser.parse_args(arguments)
    problem = _problem(options)
    if problem is not None:
        parser.error(problem)
    options.max_attempts = _max_attempts()
    return options


def _add_window(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what to verify (without these, everything)")
    group.add_argument("--start", type=_day, metavar="YYYY/MM/DD", help="first day, in UTC")
    group.add_argument("--end", type=_day, metavar="YYYY/MM/DD", help="last day, inclusive")
    group.add_argument(
        "--since",
        type=_moment,
        metavar="TIME",
        help="from the segment with the first event sealed at or after this time (RFC 3339)",
    )
    group.add_argument(
        "--limit", type=_count, metavar="N", help="the newest N events, up to whole segments"
    )


def _add_checks(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("against what to verify")
    group.add_argument(
        "--signers",
        type=Path,
        metavar="FILE",
        help="the public keys to trust (default: $AUDIT_SIGNERS_FILE, then ./signers.json)",
    )
    kept = group.add_mutually_exclusive_group()
    kept.add_argument(
        "--checkpoint", type=Path, metavar="FILE", help="one you remember: the log must contain it"
    )
    kept.add_argument(
        "--state", type=Path, metavar="FILE", help="remember the log here, and compare next time"
    )
    group.add_argument(
        "--object-lock-mode",
        type=str.lower,
        choices=[str(mode) for mode in LockMode],
        help="every object must be locked in this mode (S3), with --object-lock-days",
    )
    group.add_argument(
        "--object-lock-days",
        type=_count,
        metavar="N",
        help="and for so many days behind its newest event",
    )
    group.add_argument(
        "--tsa-certificates",
        type=Path,
        metavar="FILE",
        help="timestamp authorities to trust, in PEM: check the tokens too",
    )
    group.add_argument("--strict", action="store_true", help="also parse and check every event")
    group.add_argument(
        "--sample", type=_count, metavar="N", help="compare N segments, with --against-database"
    )
    group.add_argument(
        "--against-database", action="store_true", help="with the database of $DATABASE_URL"
    )
    group.add_argument("--seed", type=int, metavar="N", help="repeat a sample by its seed")


def _add_s3(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("how S3 is reached")
    group.add_argument("--region", help="the bucket's region")
    group.add_argument("--endpoint-url", metavar="URL", help="of a server that is not AWS's own")
    group.add_argument(
        "--force-path-style", action="store_true", help="the bucket in the path, not the host name"
    )


def _problem(options: argparse.Namespace) -> str | None:
    """What is wrong with options that are each well-formed."""
    if options.start and options.end and options.start > options.end:
        return "--start is after --end"
    if (options.object_lock_mode is None) != (options.object_lock_days is None):
        return "--object-lock-mode and --object-lock-days go together"
    if (options.sample is not None) != options.against_database:
        return "--sample and --against-database go together"
    if options.seed is not None and options.sample is None:
        return "--seed is for --sample"
    if options.profile != "strongroom" and any(getattr(options, name) for name in _FOR_OUR_LOGS):
        return "windows, keys, locks and samples are for our own logs only"
    if not options.location.startswith(SCHEME):
        if options.object_lock_mode is not None:
            return "a folder has no locks to check: --object-lock-mode is for S3"
        return None
    try:
        split_s3(options.location)
    except LocationRefused as error:
        return str(error)
    return None


def _max_attempts() -> int:
    text = os.environ.get("AWS_MAX_ATTEMPTS", "")
    return int(text) if re.fullmatch(r"[1-9][0-9]?", text) else 3


def _count(text: str) -> int:
    if not re.fullmatch(r"[1-9][0-9]{0,15}", text):
        raise argparse.ArgumentTypeError("expected a number from 1 on")
    return int(text)


def _day(text: str) -> str:
    if not re.fullmatch(r"[0-9]{4}[/-][0-9]{2}[/-][0-9]{2}", text):
        raise argparse.ArgumentTypeError("expected a day like 2025/10/24")
    day = text.replace("/", "-")
    try:
        date.fromisoformat(day)
    except ValueError as error:
        raise argparse.ArgumentTypeError("there is no such day") from error
    return day


def _moment(text: str) -> datetime:
    try:
        return parse_rfc3339(text)
    except TimeRefused as error:
        raise argparse.ArgumentTypeError(error.message) from error
