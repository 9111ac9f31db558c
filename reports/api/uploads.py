"""Files of packets that somebody sends to have them verified."""

from __future__ import annotations

from typing import Any, Final

from django.core.files.uploadedfile import UploadedFile

from access.api.parsers import BodyTooLarge
from evidence.formats.fields import MAX_SIDECAR_BYTES
from reports.formats import document
from reports.formats.pdf_reading import MAX_PDF_BYTES
from reports.formats.verification import PacketFilesGiven

_LIMITS: Final = {
    "json": document.MAX_BYTES,
    "json_sig": MAX_SIDECAR_BYTES,
    "pdf": MAX_PDF_BYTES,
    "pdf_sig": MAX_SIDECAR_BYTES,
    "countersigned": MAX_PDF_BYTES,
    "countersigned_sig": MAX_SIDECAR_BYTES,
}


def files_of(given: dict[str, Any]) -> PacketFilesGiven:
    """The files that were sent, by their fields.

    Raises:
        BodyTooLarge: one of them is larger than any packet's is.
    """
    return PacketFilesGiven(**{name: _read(given.get(name), name) for name in _LIMITS})


def _read(file: UploadedFile[bytes] | None, name: str) -> bytes | None:
    if file is None:
        return None
    if file.size is None or file.size > _LIMITS[name]:
        raise BodyTooLarge(f"This file has at most {_LIMITS[name] >> 20} MiB.", field=name)
    return bytes(file.read())
