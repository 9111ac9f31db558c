"""Archives and key services of other make: asked with limits, believed only by their receipts.

docs/operators/external-endpoints.md describes the other side.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from sealing.digests import b64
from sealing.external_asking import OK, Asking, Attempt, Outcome
from sealing.external_body import JSONBody, PackageDiffers, package_body
from sealing.external_endpoint import Endpoint, EndpointRefused
from sealing.external_forms import (
    ArchiveReceipt,
    ArchiveRequest,
    RequestRefused,
    Unwrapped,
    UnwrapRequest,
    WrapReceipt,
    WrapRequest,
)

# Statuses, beside "FAILED: <reason>: <words>".
SKIPPED, DISABLED = "SKIPPED", "DISABLED"

__all__ = [
    "DISABLED",
    "OK",
    "SKIPPED",
    "ArchiveReceipt",
    "ArchiveRequest",
    "Attempt",
    "Endpoint",
    "EndpointRefused",
    "Outcome",
    "PackageDiffers",
    "RequestRefused",
    "UnwrapRequest",
    "Unwrapped",
    "WrapReceipt",
    "WrapRequest",
    "archive",
    "unwrap",
    "wrap",
]


def archive(
    endpoint: Endpoint, request: ArchiveRequest, package: Path | None = None
) -> Outcome[ArchiveReceipt]:
    """Hands a package to an external archive, or what names it where it takes no upload.

    Args:
        package: the file; read only if ``endpoint.upload``, and then needed.

    Raises:
        RequestRefused: there is an upload to be made, and no package.
        NotFound: the package can't be read. PackageDiffers: it has another size.
    """

    def read(answer: object) -> ArchiveReceipt:
        return ArchiveReceipt.of(answer, request, datetime.now(UTC))

    if not endpoint.upload:
        body = JSONBody(request.document())
        return Asking(endpoint, request.bundle_id, body, read).outcome()
    if package is None:
        raise RequestRefused("This endpoint takes an upload: the package is needed.")
    with package_body(request, package) as upload:
        return Asking(endpoint, request.bundle_id, upload, read).outcome()


def wrap(endpoint: Endpoint, request: WrapRequest) -> Outcome[WrapReceipt]:
    """Has a digest, and a data key if there is one, wrapped by an external key service."""
    key = request.data_key
    return Asking(
        endpoint,
        request.bundle_id,
        JSONBody(request.document()),
        lambda answer: WrapReceipt.of(answer, request),
        secrets=() if key is None else (b64(key), key.hex()),
    ).outcome()


def unwrap(endpoint: Endpoint, request: UnwrapRequest) -> Outcome[Unwrapped]:
    """Has something unwrapped by the service that wrapped it; its answer is not kept."""
    return Asking(
        endpoint,
        "",
        JSONBody(request.document()),
        lambda answer: Unwrapped.of(answer, request),
        keeps_body=False,
    ).outcome()
