"""RFC 3161 timestamps over packages: asked for, checked, kept beside the package."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
from django.conf import settings

from audit.services import tokens
from audit.services.tokens import MAX_SKEW, Stamp, StampRefused
from evidence.formats import names
from evidence.formats.check_timestamp import contradicts, timestamp_digest
from evidence.models import Package
from evidence.services.locating import file_of
from sealing import timestamps
from sealing.errors import StrongroomError
from sealing.external import DISABLED, OK
from sealing.files import read_regular, remove, write_new
from sealing.timestamps import CertificatesRefused

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Stamped:
    """What came of asking the authority.

    Attributes:
        status: ``OK``, ``FAILED: …`` or ``DISABLED``.
        token: the ``.tsr``; None unless the status is ``OK``.
        stamp: what it says.
    """

    status: str
    token: bytes | None = None
    stamp: Stamp | None = None


def stamp(package: Package, digest: str) -> Stamped:
    """Has the package stamped, and writes the ``.tsr``; an earlier attempt's counts if it is good.

    An authority that fails does not fail the export: the package then has no trusted time yet,
    which its record says, and `vault_audit` asks again.

    Args:
        digest: of the package.
    """
    if not settings.TSA_URL:
        return Stamped(DISABLED)
    raw_digest = timestamp_digest(digest)
    path = file_of(package.name, names.TIMESTAMP_SUFFIX)
    try:
        if os.path.lexists(path):
            token = read_regular(path, timestamps.MAX_BYTES)
            return Stamped(OK, token, _checked(package, token, raw_digest))
    except CertificatesRefused as error:
        # Nobody can tell whether it is good: it stays, and so does the question.
        log.error("timestamp of an earlier attempt not checked", reason=error.message)
        return Stamped(_failed(error))
    except StrongroomError as error:
        log.warning("timestamp of an earlier attempt refused", reason=error.message)
        remove(path)
    try:
        token = timestamps.request_token(settings.TSA_URL, raw_digest)
        found = _checked(package, token, raw_digest)
    except StrongroomError as error:
        log.error("package not stamped", bundle_id=package.bundle_id, reason=error.message)
        return Stamped(_failed(error))
    write_new(path, token)
    return Stamped(OK, token, found)


def _failed(error: StrongroomError) -> str:
    return f"FAILED: {error.message}"[:400]


def _checked(package: Package, token: bytes, digest: bytes) -> Stamp:
    found = tokens.checked(token, digest)
    # Whoever verifies the package compares the times in the same way.
    is_early = contradicts(found.time, package.generated_at)
    if is_early or found.time > datetime.now(UTC) + MAX_SKEW:
        raise StampRefused(
            f"{found.authority} says {found.time:%Y-%m-%d %H:%M:%S} UTC, which can't be: compare"
            " the clocks."
        )
    return found
