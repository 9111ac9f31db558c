"""`manage.py verify_packet`: verifies a packet, a stored one by its name or files of one.

Files are verified against the installation's own keys, or with --signers against those of a file
and nothing else.
"""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from access.models import User
from audit.events import Actor
from evidence.formats.fields import MAX_SIDECAR_BYTES
from reports.formats import document, pdf_reading
from reports.formats.names import COUNTERSIGNED, JSON_SUFFIX, PDF_SUFFIX, SIG_SUFFIX
from reports.formats.packet_report import PacketReport
from reports.formats.verification import PacketFilesGiven, verify_packet
from reports.services import verification
from sealing.errors import NotFound, StrongroomError
from sealing.files import read_regular
from sealing.keys import Signers, parse_signers
from sealing.results import EXIT_COULD_NOT_CHECK, EXIT_USAGE, exit_code

_MAX_SIGNERS_BYTES: Final = 8 << 20
_MAX_CERTIFICATES_BYTES: Final = 1 << 20
_MARKS: Final = {True: "ok     ", False: "FAILED ", None: "UNKNOWN"}
_LIMITS: Final = {"json": document.MAX_BYTES}


class Command(BaseCommand):
    """Verifies a packet in somebody's name, or files in nobody's."""

    help = "Verify a packet. Exit codes: 0 valid, 1 invalid, 2 usage, 3 could not check."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declares the options."""
        parser.add_argument(
            "packet",
            nargs="+",
            help="the name of a stored packet (with --as), or files of one packet: .json, .pdf,"
            " .countersigned.pdf; a .sig file beside each is read too",
        )
        parser.add_argument("--as", dest="username", help="the account that asks for a stored one")
        parser.add_argument(
            "--signers", type=Path, metavar="FILE", help="for files: the public keys to trust"
        )
        parser.add_argument(
            "--tsa-certificates",
            type=Path,
            metavar="FILE",
            help="with --signers: timestamp authorities to trust, in PEM",
        )
        parser.add_argument("--require-countersign", action="store_true")
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        """Makes one service call, prints the verdict and ends with its exit code."""
        try:
            report = _report(options)
        except StrongroomError as error:
            raise CommandError(error.message, returncode=EXIT_COULD_NOT_CHECK) from error
        if options["json"]:
            self.stdout.write(json.dumps(report.as_dict(), indent=2, ensure_ascii=False))
        else:
            self.stdout.write("\n".join(_lines(report)))
        if code := exit_code(report.verdict):
            sys.exit(code)


def _report(options: dict[str, Any]) -> PacketReport:
    required = options["require_countersign"]
    if options["username"] is not None:
        return verification.verify_stored(
            actor=_actor(options), name=_name(options), require_countersign=required
        )
    files = _files([Path(name) for name in options["packet"]])
    if options["signers"] is None:
        return verification.check_files(files, require_countersign=required)
    certificates = options["tsa_certificates"]
    return verify_packet(
        files,
        _signers(options["signers"]),
        now=timezone.now(),
        require_countersign=required,
        tsa_certificates=certificates and _read(certificates, _MAX_CERTIFICATES_BYTES),
    )


def _actor(options: dict[str, Any]) -> Actor:
    user = User.objects.filter(username=options["username"], is_active=True).first()
    if user is None:
        raise CommandError("--as: There is no such account.", returncode=EXIT_USAGE)
    return Actor.of(user)


def _name(options: dict[str, Any]) -> str:
    if len(options["packet"]) != 1 or options["signers"] is not None:
        raise CommandError("--as: Name one stored packet, and no --signers.", returncode=EXIT_USAGE)
    name: str = options["packet"][0]
    return name


def _files(paths: list[Path]) -> PacketFilesGiven:
    """The files, and what lies beside each under its name with ``.sig``."""
    given: dict[str, bytes | None] = {}
    for path in dict.fromkeys(item.with_name(item.name.removesuffix(SIG_SUFFIX)) for item in paths):
        field = _field(path.name)
        if field in given:
            raise CommandError(f"{path}: There are two of its kind.", returncode=EXIT_USAGE)
        given[field] = _maybe(path, _LIMITS.get(field, pdf_reading.MAX_PDF_BYTES))
        sig = path.with_name(path.name + SIG_SUFFIX)
        given[f"{field}_sig"] = _maybe(sig, MAX_SIDECAR_BYTES)
        if given[field] is None and given[f"{field}_sig"] is None:
            raise NotFound(f"There is no file {path}.")
    return PacketFilesGiven(**given)


def _field(name: str) -> str:
    if name.endswith(COUNTERSIGNED + PDF_SUFFIX):
        return "countersigned"
    if name.endswith(PDF_SUFFIX):
        return "pdf"
    if name.endswith(JSON_SUFFIX):
        return "json"
    raise CommandError(f"{name}: No file of a packet is called so.", returncode=EXIT_USAGE)


def _read(path: Path, limit: int) -> bytes:
    return read_regular(path.resolve(), limit)


def _maybe(path: Path, limit: int) -> bytes | None:
    try:
        return _read(path, limit)
    except NotFound:
        return None


def _signers(path: Path) -> Signers:
    return parse_signers(_read(path, _MAX_SIGNERS_BYTES))


def _lines(report: PacketReport) -> list[str]:
    lines = []
    if report.head is not None:
        head = report.head
        lines += [
            f"Packet   {head.packet_id}",
            f"Client   {head.client_id or 'the installation itself'}",
            f"Period   {head.start} up to {head.end}",
        ]
    lines += [f"JSON     {report.json_sha256}"] if report.json_sha256 else []
    lines += [f"PDF      {report.pdf_sha256}"] if report.pdf_sha256 else []
    lines.append("")
    for finding in report.findings:
        place = f" ({finding.where})" if finding.where and not finding.ok else ""
        lines.append(f"  {_MARKS[finding.ok]}  {finding.message}{place} [{finding.code}]")
    lines += [f"  note     {note.message} [{note.code}]" for note in report.notes]
    lines += ["", "Not checked:", *(f"  {sentence}" for sentence in report.not_checked)]
    return [*lines, "", f"{report.verdict.value}: {report.message}"]
