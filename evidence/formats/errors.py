"""Why bytes of a package or a sidecar are refused."""

from __future__ import annotations

from sealing.errors import Invalid


class FormatRefused(Invalid):
    """A document of ours does not have the form that docs/formats.md gives it."""

    code = "format_refused"


class ArchiveRefused(Invalid):
    """A zip file is not one that this format could have written."""

    code = "zip_refused"
