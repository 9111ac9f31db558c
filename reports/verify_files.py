"""Reads the files of one packet from a disk, and words what was found about them.

Shared by `python -m reports.verify` and `manage.py verify_packet`. It knows nothing of Django.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from evidence.formats.fields import MAX_SIDECAR_BYTES
from evidence.verify import finding_lines
from reports.formats.document import MAX_BYTES
from reports.formats.names import COUNTERSIGNED, JSON_SUFFIX, PDF_SUFFIX, SIG_SUFFIX
from reports.formats.packet_report import PacketReport
from reports.formats.pdf_reading import MAX_PDF_BYTES
from reports.formats.verification import PacketFilesGiven
from sealing.errors import Invalid, NotFound
from sealing.files import read_regular

# In this order: a countersigned PDF has both endings of a PDF.
_ENDINGS: Final = {
    "countersigned": COUNTERSIGNED + PDF_SUFFIX,
    "pdf": PDF_SUFFIX,
    "json": JSON_SUFFIX,
}
_LIMITS: Final = {"countersigned": MAX_PDF_BYTES, "pdf": MAX_PDF_BYTES, "json": MAX_BYTES}


class FilesMisnamed(Invalid):
    """By their names, these are not files of one packet."""

    code = "packet_files_misnamed"


def read_files(named: Iterable[Path]) -> PacketFilesGiven:
    """The files of a packet: those that are named, and what lies beside them.

    Beside ``NAME.json`` that is ``NAME.json.sig``, and the other way round; so for the PDFs. What
    is named comes before what lies beside.

    Raises:
        FilesMisnamed: a name has none of the endings, or two have the same.
        NotFound: what is named is not there; or what is there is not a file, or can't be read.
        TooLarge: for more than a packet's files may have.
    """
    paths = _by_field(named)
    for field, path in list(paths.items()):
        other, beside = _beside(field, path)
        if os.path.lexists(beside):
            paths.setdefault(other, beside)
    return PacketFilesGiven(**{field: _read(field, path) for field, path in paths.items()})


def _by_field(named: Iterable[Path]) -> dict[str, Path]:
    """The paths by the field of `PacketFilesGiven`, which their endings tell."""
    paths: dict[str, Path] = {}
    for path in dict.fromkeys(named):
        field = _field(path.name)
        if field in paths:
            raise FilesMisnamed(f"{path}: there are two of its kind.")
        paths[field] = path
    return paths


def _field(name: str) -> str:
    whole = name.removesuffix(SIG_SUFFIX)
    for field, ending in _ENDINGS.items():
        if whole.endswith(ending):
            return field if whole == name else f"{field}_sig"
    raise FilesMisnamed(f"{name}: no file of a packet is called so.")


def _beside(field: str, path: Path) -> tuple[str, Path]:
    """The field and path of a file's signature; of a signature, those of the file."""
    if field in _ENDINGS:
        return f"{field}_sig", path.with_name(path.name + SIG_SUFFIX)
    return field.removesuffix("_sig"), path.with_name(path.name.removesuffix(SIG_SUFFIX))


def _read(field: str, path: Path) -> bytes:
    if not os.path.lexists(path):
        raise NotFound(f"there is no file {path}.")
    # Not Path.resolve(), which raises for links that lead in a circle.
    return read_regular(Path(os.path.realpath(path)), _LIMITS.get(field, MAX_SIDECAR_BYTES))


def told(report: PacketReport, *, as_json: bool) -> str:
    """A report as the command lines print it, for people or for programs."""
    if as_json:
        return json.dumps(report.as_dict(), indent=2, ensure_ascii=False)
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
    lines += ["", *finding_lines(report.findings, report.notes)]
    lines += ["", "Not checked:", *(f"  {sentence}" for sentence in report.not_checked)]
    return "\n".join([*lines, "", f"{report.verdict.value}: {report.message}"])
