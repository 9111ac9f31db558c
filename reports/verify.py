"""`python -m reports.verify`: verifies a packet offline, with nothing of the installation.

Exit codes: 0 valid, 1 invalid, 2 wrong usage, 3 could not check.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from sealing.errors import StrongroomError
from sealing.results import EXIT_COULD_NOT_CHECK, exit_code

try:
    from evidence.verify import (
        CouldNotCheck,
        add_trust,
        could_not_check,
        load_certificates,
        load_signers,
    )
    from reports.formats.packet_report import PacketReport
    from reports.formats.verification import PacketFilesGiven, verify_packet
    from reports.verify_files import FilesMisnamed, read_files, told
except ImportError as missing:
    # With a traceback the exit code would be 1, and that says that a packet is invalid.
    print(f"Could not check: {missing} (docs/auditors/verifying-packets.md).", file=sys.stderr)
    sys.exit(EXIT_COULD_NOT_CHECK)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        report = _verified(read_files(options.files), options)
    except FilesMisnamed as error:
        parser.error(error.message)
    except (CouldNotCheck, StrongroomError, OSError, MemoryError) as error:
        return could_not_check(error, as_json=options.json)
    print(told(report, as_json=options.json))
    return exit_code(report.verdict)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m reports.verify",
        description="Verify the files of one packet.",
        epilog="Exit codes: 0 valid, 1 invalid, 2 wrong usage, 3 could not check.",
    )
    parser.add_argument(
        "files",
        type=Path,
        nargs="+",
        metavar="FILE",
        help="any of .json, .pdf and .countersigned.pdf; a .sig file beside each is read too, and"
        " one that lies elsewhere can be named",
    )
    add_trust(parser, timestamps="check the timestamps in the PDF too", thing="packet")
    return parser


def _verified(files: PacketFilesGiven, options: argparse.Namespace) -> PacketReport:
    signers = load_signers(options.signers)
    try:
        return verify_packet(
            files,
            signers,
            now=datetime.now(UTC),
            require_countersign=options.require_countersign,
            tsa_certificates=load_certificates(options.tsa_certificates),
        )
    except ImportError as error:
        raise CouldNotCheck(f"a timestamp needs the package rfc3161-client: {error}") from error


if __name__ == "__main__":
    sys.exit(main())
