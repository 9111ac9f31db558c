"""`python -m audit.verify`: verifies a log in a folder or in S3, with nothing of the installation.

Exit codes: 0 valid, 1 invalid, 2 wrong usage, 3 could not check.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from audit.arguments import parse_arguments
from audit.formats.report import ArchiveReport
from audit.progress import Bar
from audit.sources import Source, open_source
from audit.state import State, read_state, write_state
from audit.verifying import (
    CouldNotCheck,
    LockPolicy,
    Sample,
    Window,
    verify_archive,
    verify_pbpk,
)
from sealing.errors import StrongroomError, Unavailable
from sealing.files import read_regular
from sealing.keys import Signers, parse_signers
from sealing.notes import MAX_NOTE_BYTES
from sealing.results import EXIT_COULD_NOT_CHECK, exit_code
from sealing.stores.base import LockMode
from sealing.stores.opening import S3Options

DEFAULT_SIGNERS: Final = "signers.json"
MAX_SIGNERS_BYTES: Final = 4 << 20
MAX_SHOWN: Final = 20
_MARKS: Final = {True: "ok     ", False: "FAILED ", None: "UNKNOWN"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns the exit code."""
    options = parse_arguments(arguments)
    try:
        source = _open(options)
        report = verify_pbpk(source) if options.profile == "pbpk" else _verify(source, options)
        if options.state is not None:
            _remember(options.state, report)
    except (CouldNotCheck, Unavailable) as error:
        if options.json:
            print(json.dumps({"verdict": "INCONCLUSIVE", "ok": False, "message": str(error)}))
        print(f"Could not check: {error}", file=sys.stderr)
        return EXIT_COULD_NOT_CHECK
    if options.json:
        print(json.dumps(report.as_dict(), indent=2, ensure_ascii=False))
    else:
        print("\n".join(_lines(report)))
    return exit_code(report.report.verdict)


def load_signers(path: Path | None) -> Signers:
    """The trusted keys: from ``path``, else `$AUDIT_SIGNERS_FILE`, else `./signers.json`.

    Never from inside what is verified.

    Raises:
        CouldNotCheck: there is no such file, or it is not a signers file.
    """
    chosen = path or Path(os.environ.get("AUDIT_SIGNERS_FILE") or DEFAULT_SIGNERS)
    try:
        return parse_signers(read_regular(chosen.resolve(), MAX_SIGNERS_BYTES))
    except (StrongroomError, OSError) as error:
        raise CouldNotCheck(f"{chosen} can't be used as signers file: {error}") from error


def _open(options: argparse.Namespace) -> Source:
    reached = S3Options(
        region=options.region,
        endpoint_url=options.endpoint_url,
        force_path_style=options.force_path_style,
        max_attempts=options.max_attempts,
    )
    try:
        return open_source(options.location, reached)
    except ImportError as error:
        raise CouldNotCheck(f"S3 needs the package boto3: {error}") from error
    except StrongroomError as error:
        raise CouldNotCheck(f"{options.location} can't be opened: {error}") from error


def _verify(source: Source, options: argparse.Namespace) -> ArchiveReport:
    signers = load_signers(options.signers)
    locks = None
    if options.object_lock_mode is not None:
        locks = LockPolicy(LockMode(options.object_lock_mode), options.object_lock_days)
    bar = Bar(sys.stderr)
    try:
        return verify_archive(
            source,
            signers,
            window=Window(options.start, options.end, options.since, options.limit),
            strict=options.strict,
            locks=locks,
            remembered=_bytes(options.checkpoint, MAX_NOTE_BYTES),
            state=_state(options.state),
            certificates=_bytes(options.tsa_certificates, MAX_SIGNERS_BYTES),
            sample=_sample(options),
            jobs=options.jobs,
            progress=bar,
        )
    except StrongroomError as error:
        raise CouldNotCheck(str(error)) from error
    finally:
        bar.close()


def _sample(options: argparse.Namespace) -> Sample | None:
    if options.sample is None:
        return None
    url = os.environ.get("DATABASE_URL") or _text(os.environ.get("DATABASE_URL_FILE"))
    if not url:
        raise CouldNotCheck("DATABASE_URL names no database to compare a sample with.")
    seed = options.seed if options.seed is not None else secrets.randbits(32)
    return Sample(options.sample, seed, url)


def _state(path: Path | None) -> State | None:
    if path is None:
        return None
    try:
        return read_state(path)
    except (StrongroomError, OSError) as error:
        raise CouldNotCheck(f"{path} can't be used as state file: {error}") from error


def _remember(path: Path, report: ArchiveReport) -> None:
    if report.state is None:
        return
    try:
        write_state(path, report.state)
    except OSError as error:
        raise CouldNotCheck(f"the log is valid, but {path} can't be written: {error}") from error


def _bytes(path: Path | None, max_bytes: int) -> bytes | None:
    if path is None:
        return None
    try:
        return read_regular(path, max_bytes)
    except (StrongroomError, OSError) as error:
        raise CouldNotCheck(f"{path} can't be read: {error}") from error


def _text(path: str | None) -> str | None:
    data = _bytes(Path(path), MAX_NOTE_BYTES) if path else None
    return data.decode("utf-8").strip() if data is not None else None


def _lines(report: ArchiveReport) -> list[str]:
    shown = report.report.issues or report.report.findings
    lines = [
        f"Events       {report.checked_events} hold, from number {report.first_seq} on",
        f"Segments     {report.segments} hold",
        f"Checkpoints  {report.checkpoints} hold",
        f"Head         {report.head}",
        *([f"Root         {report.root}"] if report.root is not None else []),
        "",
    ]
    for finding in shown[:MAX_SHOWN]:
        place = f" ({finding.where})" if finding.where else ""
        lines.append(f"  {_MARKS[finding.ok]}  {finding.message}{place} [{finding.code}]")
    if len(shown) > MAX_SHOWN:
        lines.append(f"  and {len(shown) - MAX_SHOWN} more")
    for notice in report.notices[:MAX_SHOWN]:
        lines.append(f"  note     {notice.message} [{notice.code}]")
    if len(report.notices) > MAX_SHOWN:
        lines.append(f"  and {len(report.notices) - MAX_SHOWN} more notes")
    return [*lines, "", f"{report.report.verdict}: {report.message}"]


if __name__ == "__main__":
    sys.exit(main())
