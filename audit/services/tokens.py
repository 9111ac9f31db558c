"""Which timestamps count: by an authority that the settings trust, at a time that can be."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from django.conf import settings

from audit.models import Checkpoint
from sealing import timestamps
from sealing.errors import Invalid
from sealing.timestamps import CertificatesRefused

MAX_SKEW = timedelta(minutes=5)


class Stamp(NamedTuple):
    """When an authority saw a checkpoint, and the subject of its certificate."""

    time: datetime
    authority: str


class StampRefused(Invalid):
    """The authority's answer, or what lies in the archive as one, does not count."""

    code = "timestamp_refused"


def checked(token: bytes, digest: bytes) -> Stamp:
    """What a token says, if it is one over ``digest`` by an authority that we trust.

    Raises:
        StampRefused: it is not. CertificatesRefused: nobody could tell.
    """
    check = timestamps.check_token(token, digest, certificates())
    if not check.ok or check.time is None:
        raise StampRefused(check.message)
    return Stamp(check.time, check.authority)


def certificates() -> bytes:
    """TSA_CERTIFICATES: the PEM itself, or the file that holds it. Raises CertificatesRefused."""
    text: str = settings.TSA_CERTIFICATES
    if not text:
        raise CertificatesRefused(
            "TSA_CERTIFICATES is not set, so nobody could tell a timestamp from a forgery. Name"
            " the file with the authority's root certificate."
        )
    if text.startswith("-----BEGIN"):
        return text.encode("utf-8")
    try:
        return Path(text).read_bytes()
    except OSError as error:
        raise CertificatesRefused(
            f"The file that TSA_CERTIFICATES names can't be read: {error.strerror}."
        ) from error


def check_time(stamp: Stamp, checkpoint: Checkpoint) -> None:
    """Raises StampRefused if the authority saw the checkpoint before it was signed, or later."""
    earliest, latest = checkpoint.signed_at - MAX_SKEW, datetime.now(UTC) + MAX_SKEW
    if not earliest <= stamp.time <= latest:
        raise StampRefused(
            f"{stamp.authority} says {stamp.time:%Y-%m-%d %H:%M:%S} UTC. That can't be: the"
            f" checkpoint was signed at {checkpoint.signed_at:%Y-%m-%d %H:%M:%S}. Compare the"
            " clocks."
        )
