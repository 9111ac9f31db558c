"""A packet's files on a disk, under the name that the auditor's guide gives them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from reports.formats.verification import PacketFilesGiven
from sealing.keys import signers_document
from tests.unit.reports import making

SUFFIXES: Final = {
    "json": ".json",
    "json_sig": ".json.sig",
    "pdf": ".pdf",
    "pdf_sig": ".pdf.sig",
    "countersigned": ".countersigned.pdf",
    "countersigned_sig": ".countersigned.pdf.sig",
}


def write(folder: Path, files: PacketFilesGiven) -> None:
    """The packet's files under the name NAME, and the signers file."""
    for field, suffix in SUFFIXES.items():
        raw = getattr(files, field)
        if raw is not None:
            (folder / f"NAME{suffix}").write_bytes(raw)
    (folder / "signers.json").write_bytes(signers_document(making.signers()))
