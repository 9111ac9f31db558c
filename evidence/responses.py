"""Answers that are files."""

from __future__ import annotations

from django.http import FileResponse

from evidence.services import downloads


def file_response(found: downloads.Download) -> FileResponse:
    """A download as it leaves, by whichever door."""
    response = FileResponse(
        found.file, as_attachment=True, filename=found.name, content_type=found.media_type
    )
    response["Content-Length"] = str(found.size_bytes)
    response["ETag"] = f'"{found.sha256}"'
    response["Cache-Control"] = "private, no-store"
    response["X-Content-Type-Options"] = "nosniff"
    return response
