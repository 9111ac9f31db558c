"""`python -m evidence.verify`: verifies a package offline, with nothing of the installation.

Exit codes: 0 valid, 1 invalid, 2 wrong usage, 3 could not check.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from evidence.files import opened
from evidence.formats import names
from evidence.formats.fields import MAX_SIDECAR_BYTES
from evidence.formats.report import PackageReport
from evidence.formats.verification import Sidecars, verify_package
from sealing.errors import NotFound, StrongroomError, Unavailable
from sealing.files import read_regular
from sealing.keys import Signers, parse_signers
from sealing.results import EXIT_COULD_NOT_CHECK, Finding, exit_code

DEFAULT_SIGNERS: Final = "signers.json"
MAX_SIGNERS_BYTES: Final = 8 << 20
_MARKS: Final = {True: "ok     ", False: "FAILED ", None: "UNKNOWN"}


class CouldNotCheck(Exception):
    """The verification could not begin; the message says why."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        report = verify_file(
            options.package,
            load_signers(options.signers),
            require_countersign=options.require_countersign,
            tsa_certificates=load_certificates(options.tsa_certificates),
        )
    except (CouldNotCheck, Unavailable) as error:
        return could_not_check(error, as_json=options.json)
    if options.json:
        told = {"package_path": str(options.package), **report.as_dict()}
        print(json.dumps(told, indent=2, ensure_ascii=False))
    else:
        print("\n".join(_lines(options.package, report)))
    return exit_code(report.verdict)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m evidence.verify",
        description="Verify an evidence package and the files beside it.",
        epilog="Exit codes: 0 valid, 1 invalid, 2 wrong usage, 3 could not check.",
    )
    parser.add_argument("package", type=Path, metavar="PACKAGE.zip")
    add_trust(parser, timestamps="check the timestamp beside the package too", thing="package")
    return parser


def add_trust(parser: argparse.ArgumentParser, *, timestamps: str, thing: str) -> None:
    """The options that verifiers share: what to trust, what to ask for, how to answer."""
    parser.add_argument(
        "--signers",
        type=Path,
        metavar="FILE",
        help="the public keys to trust (default: $AUDIT_SIGNERS_FILE, then ./signers.json)",
    )
    parser.add_argument(
        "--tsa-certificates",
        type=Path,
        metavar="FILE",
        help=f"timestamp authorities to trust, in PEM: {timestamps}",
    )
    parser.add_argument(
        "--require-countersign",
        action="store_true",
        help=f"ask for a countersignature even if the {thing}'s own policy asks for none",
    )
    parser.add_argument("--json", action="store_true", help="answer as JSON")


def could_not_check(error: Exception, *, as_json: bool) -> int:
    """Tell why there is no verdict; returns the exit code."""
    if as_json:
        print(json.dumps({"verdict": "INCONCLUSIVE", "issues": [], "message": str(error)}))
    print(f"Could not check: {error}", file=sys.stderr)
    return EXIT_COULD_NOT_CHECK


def load_signers(path: Path | None) -> Signers:
    """The trusted keys: from ``path``, else ``$AUDIT_SIGNERS_FILE``, else ``./signers.json``.

    Raises:
        CouldNotCheck: When there is no such file, or it is not a signers file.
    """
    chosen = path or Path(os.environ.get("AUDIT_SIGNERS_FILE") or DEFAULT_SIGNERS)
    try:
        raw = read_regular(chosen.resolve(), MAX_SIGNERS_BYTES)
        return parse_signers(raw)
    except NotFound as error:
        raise CouldNotCheck(f"no signers file at {chosen}: name one with --signers.") from error
    except StrongroomError as error:
        raise CouldNotCheck(f"{chosen} is not a signers file: {error.message}") from error


def load_certificates(path: Path | None) -> bytes | None:
    """The certificates of timestamp authorities, as they stand in the file; None without one.

    Raises:
        CouldNotCheck: When there is no such file.
    """
    if path is None:
        return None
    try:
        return read_regular(path.resolve(), MAX_SIGNERS_BYTES)
    except StrongroomError as error:
        raise CouldNotCheck(f"{path} can't be read as certificates: {error.message}") from error


def verify_file(
    package: Path,
    signers: Signers,
    *,
    require_countersign: bool = False,
    tsa_certificates: bytes | None = None,
) -> PackageReport:
    """Verify a package file with the sidecars that lie beside it.

    Raises:
        CouldNotCheck: When the package is not there or is not a file, or when a timestamp is to
            be checked and can't be.
    """
    try:
        with opened(package.resolve()) as data:
            return verify_package(
                data,
                read_sidecars(package),
                signers,
                require_countersign=require_countersign,
                tsa_certificates=tsa_certificates,
            )
    except ImportError as error:
        raise CouldNotCheck(f"a timestamp needs the package rfc3161-client: {error}") from error
    except FileNotFoundError as error:
        raise CouldNotCheck(f"there is no file {package}.") from error
    except StrongroomError as error:
        raise CouldNotCheck(error.message) from error


def read_sidecars(package: Path) -> Sidecars:
    """The files beside a package, each None where there is none."""
    stem = package.name.removesuffix(names.PACKAGE_SUFFIX)

    def read(suffix: str) -> bytes | None:
        path = package.with_name(stem + suffix)
        return read_regular(path, MAX_SIDECAR_BYTES) if os.path.lexists(path) else None

    return Sidecars(
        sig=read(names.SIG_SUFFIX),
        signature=read(names.SIGNATURE_SUFFIX),
        countersign=read(names.COUNTERSIGN_SUFFIX),
        timestamp=read(names.TIMESTAMP_SUFFIX),
    )


def _lines(package: Path, report: PackageReport) -> list[str]:
    lines = [f"Package  {package.name}", f"Digest   {report.package_sha256}"]
    if report.manifest is not None:
        manifest = report.manifest
        lines += [
            f"Client   {manifest.client_id or 'the installation itself'}",
            f"Period   {manifest.period_start} up to {manifest.period_end}",
            f"Events   {manifest.summary.events}",
        ]
    lines += ["", *finding_lines(report.findings, report.notes)]
    if skipped := _not_checked(report):
        lines += ["", f"Not checked: {', '.join(skipped)}."]
    return [*lines, "", f"{report.verdict.value}: {report.message}"]


def finding_lines(findings: Iterable[Finding], notes: Iterable[Finding]) -> list[str]:
    """What was found and what is worth knowing besides, a line each."""
    lines = []
    for finding in findings:
        place = f" ({finding.where})" if finding.where and not finding.ok else ""
        lines.append(f"  {_MARKS[finding.ok]}  {finding.message}{place} [{finding.code}]")
    return [*lines, *(f"  note     {note.message} [{note.code}]" for note in notes)]


def _not_checked(report: PackageReport) -> list[str]:
    checks = {
        "signature": report.signature_checked,
        "countersignatures": report.countersign_checked,
        "log lines and proof": report.proofs_checked,
        "timestamp": report.timestamp_checked,
    }
    return [name for name, checked in checks.items() if not checked]


if __name__ == "__main__":
    sys.exit(main())
