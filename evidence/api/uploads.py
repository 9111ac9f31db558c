"""Packages that somebody sends to have them verified."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.core.files.uploadedfile import TemporaryUploadedFile, UploadedFile
from rest_framework.parsers import DataAndFiles, MultiPartParser

from access.api.parsers import BodyTooLarge
from evidence.files import opened
from evidence.formats.fields import MAX_SIDECAR_BYTES
from evidence.formats.package import PackageBytes


def max_upload_bytes() -> int:
    """How many bytes a request with files may have altogether."""
    limit: int = settings.EVIDENCE_UPLOAD_MAX_BYTES
    return limit


class UploadParser(MultiPartParser):
    """Multipart bodies of limited size; large files lie in a temporary folder meanwhile."""

    def max_bytes(self) -> int:
        """How large a body may be."""
        return max_upload_bytes()

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> DataAndFiles[Any, Any]:
        """The fields and files. Raises BodyTooLarge before anything is read."""
        limit = self.max_bytes()
        request = (parser_context or {})["request"]
        announced = request.META.get("CONTENT_LENGTH") or "0"
        if not announced.isdigit() or int(announced) > limit:
            raise BodyTooLarge(f"The body is larger than {limit} bytes.")
        return super().parse(stream, media_type, parser_context)


@contextlib.contextmanager
def uploaded(file: UploadedFile[bytes]) -> Iterator[PackageBytes]:
    """The bytes of an uploaded package; a large one is opened."""
    if isinstance(file, TemporaryUploadedFile):
        with opened(Path(file.temporary_file_path())) as data:
            yield data
    else:
        yield file.read()


def sidecar(file: UploadedFile[bytes] | None) -> bytes | None:
    """The bytes of an uploaded sidecar.

    Raises:
        BodyTooLarge: No sidecar is that large.
    """
    if file is None:
        return None
    if file.size is None or file.size > MAX_SIDECAR_BYTES:
        raise BodyTooLarge(f"A sidecar has at most {MAX_SIDECAR_BYTES} bytes.")
    return bytes(file.read())
