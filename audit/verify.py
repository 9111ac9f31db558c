"""`python -m audit.verify`: verifies a log in a folder, with nothing of the installation.

Exit codes: 0 valid, 1 invalid, 2 wrong usage, 3 could not check.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Final

from audit.folder import File, FileDamaged, Folder, open_lines, scan
from audit.formats.archive import ArchiveVerifier
from audit.formats.pbpk import PbpkVerifier
from audit.formats.report import ArchiveReport
from sealing.errors import StrongroomError
from sealing.files import read_regular
from sealing.keys import Signers, parse_signers
from sealing.notes import MAX_NOTE_BYTES
from sealing.results import EXIT_COULD_NOT_CHECK, Finding, Report, exit_code

DEFAULT_SIGNERS: Final = "signers.json"
MAX_SIGNERS_BYTES: Final = 4 << 20
MAX_SHOWN: Final = 20
_MARKS: Final = {True: "ok     ", False: "FAILED ", None: "UNKNOWN"}


class CouldNotCheck(Exception):
    """The verification could not begin; the message says why."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns the exit code."""
    options = _options(arguments)
    try:
        if options.profile == "pbpk":
            report = verify_pbpk(options.path)
        else:
            report = verify_folder(
                options.path,
                load_signers(options.signers),
                start=options.start,
                end=options.end,
                checkpoint=options.checkpoint,
                strict=options.strict,
            )
    except CouldNotCheck as error:
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


def verify_folder(
    path: Path,
    signers: Signers,
    *,
    start: str | None = None,
    end: str | None = None,
    checkpoint: Path | None = None,
    strict: bool = False,
) -> ArchiveReport:
    """Verifies the segments below a folder with their checkpoints and frontiers.

    Args:
        path: the folder, or one file of lines.
        signers: the log's name and whose checkpoints count.
        start: first day of the window (YYYY-MM-DD, UTC); None: from the log's first event.
        end: last day of the window; None: to the end.
        checkpoint: one that the caller remembers, which the log must contain.
        strict: also parse every event.

    Raises:
        CouldNotCheck: there is nothing to check, or the window can't be told.
    """
    folder = _scan(path)
    window = _window(folder, start, end)
    first = window.segments[0].range_
    base = first.first if start is not None and first is not None else 0
    verifier = ArchiveVerifier(signers, start=base, strict=strict)
    if checkpoint is not None:
        raw = _read(checkpoint)
        if raw is None:
            raise CouldNotCheck(f"{checkpoint} can't be read.")
        verifier.add_checkpoint(raw, where=str(checkpoint), remembered=True)
    _add_checkpoints(verifier, folder, window, base)
    _note_missing(verifier, window)
    if verifier.begin():
        for file in window.segments:
            if not _verify_segment(verifier, file):
                break
    last = [file.range_.last + 1 for file in folder.segments if file.range_ is not None]
    return verifier.finish(max(last, default=0) if end is not None else 0)


def verify_pbpk(path: Path) -> ArchiveReport:
    """Verifies a log of pbpk-mcp, from its first event. Raises CouldNotCheck."""
    verifier = PbpkVerifier()
    findings: list[Finding] = []
    bad_file = None
    for file in _scan(path).segments:
        problem = None
        try:
            with open_lines(file.path) as lines:
                if not verifier.feed(lines) and verifier.fault is not None:
                    problem = Finding(verifier.fault.code, False, verifier.fault.message)
        except FileDamaged as error:
            problem = Finding("file_damaged", False, str(error))
        except OSError as error:
            findings.append(Finding("unreadable", None, str(error), file.where))
            break
        if problem is not None:
            bad_file, where = file.where, f"{file.where}, event {verifier.size}"
            findings.append(Finding(problem.code, False, problem.message, where))
            break
    if not findings and verifier.size:
        message = f"{verifier.size} events are chained. The profile has no signatures to check."
        findings.append(Finding("log_verified", True, message))
    return ArchiveReport(
        report=Report(tuple(findings)),
        first_seq=0,
        size=verifier.size,
        root=None,
        head=verifier.head,
        checkpoints=0,
        first_bad_seq=verifier.size if bad_file is not None else None,
        first_bad_file=bad_file,
    )


def _scan(path: Path) -> Folder:
    if not path.exists():
        raise CouldNotCheck(f"there is no {path}.")
    folder = scan(path)
    if not folder.segments:
        raise CouldNotCheck(f"there is nothing to check in {path}: no file of log lines.")
    return folder


def _window(folder: Folder, start: str | None, end: str | None) -> Folder:
    if start is None and end is None:
        return folder
    if any(file.day is None or file.range_ is None for file in folder.segments):
        raise CouldNotCheck("a window needs segments that lie in folders by day.")

    def chosen(files: list[File]) -> list[File]:
        return [
            file
            for file in files
            if file.day is not None and (start or "") <= file.day <= (end or "9999-12-31")
        ]

    window = Folder(chosen(folder.segments), chosen(folder.checkpoints), chosen(folder.frontiers))
    if not window.segments:
        raise CouldNotCheck("there is nothing to check: no segment lies in the window.")
    return window


def _add_checkpoints(verifier: ArchiveVerifier, folder: Folder, window: Folder, base: int) -> None:
    frontiers = {file.stem: file for file in folder.frontiers}
    before = [
        file
        for file in folder.checkpoints
        if base and file.range_ is not None and file.range_.last + 1 == base
    ]
    chosen = {file.where: file for file in (*before, *window.checkpoints)}
    for file in chosen.values():
        raw = _read(file.path)
        beside = frontiers.pop(file.stem, None)
        frontier = _read(beside.path) if beside is not None else None
        if raw is None or (beside is not None and frontier is None):
            verifier.unreadable(file.where, "The file or its frontier can't be read.")
            continue
        size = file.range_.last + 1 if file.range_ is not None else None
        verifier.add_checkpoint(raw, where=file.where, frontier=frontier, size=size)
    for file in window.frontiers:
        if file.stem in frontiers:
            verifier.unreadable(file.where, "Without its checkpoint a frontier proves nothing.")


def _note_missing(verifier: ArchiveVerifier, window: Folder) -> None:
    present = {file.stem for file in window.segments}
    absent = {
        file.stem: file
        for file in (*window.checkpoints, *window.frontiers)
        if file.range_ is not None and file.stem not in present
    }
    for file in absent.values():
        if file.range_ is not None:
            verifier.missing(file.range_, file.where)


def _verify_segment(verifier: ArchiveVerifier, file: File) -> bool:
    try:
        with open_lines(file.path) as lines:
            return verifier.segment(lines, where=file.where, range_=file.range_, day=file.day)
    except FileDamaged as error:
        verifier.damaged(file.where, str(error))
    except OSError as error:
        verifier.unreadable(file.where, f"It can't be read: {error}.", is_segment=True)
    return False


def _read(path: Path) -> bytes | None:
    try:
        return read_regular(path, MAX_NOTE_BYTES)
    except (StrongroomError, OSError):
        return None


def _lines(report: ArchiveReport) -> list[str]:
    shown = report.report.issues or report.report.findings
    lines = [
        f"Events       {report.checked_events} hold, from number {report.first_seq} on",
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
    return [*lines, "", f"{report.report.verdict}: {report.message}"]


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m audit.verify",
        description="Verify a log that lies in a folder, with its checkpoints.",
        epilog="Exit codes: 0 valid, 1 invalid, 2 wrong usage, 3 could not check.",
    )
    parser.add_argument("path", type=Path, metavar="PATH", help="the folder, or a file of lines")
    parser.add_argument("--start", type=_day, metavar="YYYY/MM/DD", help="first day, in UTC")
    parser.add_argument("--end", type=_day, metavar="YYYY/MM/DD", help="last day, inclusive")
    parser.add_argument(
        "--signers",
        type=Path,
        metavar="FILE",
        help="the public keys to trust (default: $AUDIT_SIGNERS_FILE, then ./signers.json)",
    )
    parser.add_argument(
        "--checkpoint", type=Path, metavar="FILE", help="one you remember: the log must contain it"
    )
    parser.add_argument("--strict", action="store_true", help="also parse and check every event")
    parser.add_argument("--json", action="store_true", help="answer as JSON")
    parser.add_argument(
        "--profile", choices=("strongroom", "pbpk"), default="strongroom", help="whose log it is"
    )
    options = parser.parse_args(arguments)
    if options.start and options.end and options.start > options.end:
        parser.error("--start is after --end")
    if options.profile != "strongroom" and any(
        (options.start, options.end, options.checkpoint, options.strict)
    ):
        parser.error("--start, --end, --checkpoint and --strict are for our own logs only")
    return options


def _day(text: str) -> str:
    if not re.fullmatch(r"[0-9]{4}[/-][0-9]{2}[/-][0-9]{2}", text):
        raise argparse.ArgumentTypeError("expected a day like 2025/10/24")
    day = text.replace("/", "-")
    try:
        date.fromisoformat(day)
    except ValueError as error:
        raise argparse.ArgumentTypeError("there is no such day") from error
    return day


if __name__ == "__main__":
    sys.exit(main())
