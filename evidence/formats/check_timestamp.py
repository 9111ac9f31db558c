"""Checks of the timestamp beside a package, and of what it tells about the age of signatures.

A signature's own time is its signer's word. That is enough while the key was his alone; once it
was marked as compromised, somebody else must have seen what it signed before that
(docs/adr/0023-time-and-compromised-keys.md).
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Final

from evidence.formats.manifest import Manifest
from evidence.formats.report import Findings, Part
from sealing import digests, timestamps
from sealing.keys import KEY_COMPROMISED
from sealing.results import Finding
from sealing.times import parse_time

# How far the clocks of the installation and of an authority may be apart.
MAX_SKEW: Final = timedelta(minutes=1)
NO_ANCHORS: Final[Mapping[str, datetime]] = MappingProxyType({})
_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)


def timestamp_digest(package_sha256: str) -> bytes:
    """What an authority is asked to stamp: the SHA-256 of the zip file, as 32 bytes."""
    return digests.untag(package_sha256)


def contradicts(stamped_at: datetime, generated_at: datetime) -> bool:
    """Whether a package that was generated then can't have been stamped so early."""
    return stamped_at < generated_at - MAX_SKEW


def check_timestamp(
    found: Findings, *, raw: bytes | None, package_sha256: str, certificates: bytes | None
) -> datetime | None:
    """Check the token over the raw bytes of the package.

    Without certificates it is not looked at, and that is noted. It must make no package worse
    than it would be without: whoever wants to can take such a file away.

    Args:
        found: Where findings go.
        raw: The ``.tsr`` file; None where there is none.
        package_sha256: The digest of the zip file.
        certificates: PEM of the authorities that are trusted; None if nobody named any.

    Returns:
        When a trusted authority saw the package.

    Raises:
        CertificatesRefused: ``certificates`` can't be read.
    """
    if raw is None:
        return None
    if certificates is None:
        found.note(
            "timestamp_not_checked",
            "The timestamp beside the package was not checked: no authority to trust was named.",
        )
        return None
    answer = timestamps.check_token(raw, timestamp_digest(package_sha256), certificates)
    if answer.time is None:
        message = f"The timestamp does not hold: {answer.message}"
        found.bad(Part.TIMESTAMP, "timestamp_invalid", message, ".tsr")
        return None
    found.good(Part.TIMESTAMP, "timestamp_valid", answer.message)
    return answer.time


def check_stamp_time(found: Findings, stamped_at: datetime | None, manifest: Manifest) -> None:
    """Check that the package was not stamped before it was generated."""
    if stamped_at is not None and contradicts(stamped_at, parse_time(manifest.generated_at)):
        found.bad(
            Part.TIMESTAMP,
            "timestamp_before_package",
            f"The package says that it was generated at {manifest.generated_at}, and its timestamp"
            " is older than that.",
            "/generated_at",
        )


@dataclass(frozen=True, slots=True)
class Age:
    """How old something is for certain, by others than who signed it.

    Attributes:
        proven_at: a time at which it existed; None if there is none.
        is_open: whether there is a timestamp that might show more, and that nobody could check.
    """

    proven_at: datetime | None = None
    is_open: bool = False

    def weigh(self, findings: Callable[[datetime | None], Sequence[Finding]]) -> Sequence[Finding]:
        """What is found of something of this age.

        Args:
            findings: checks it, given a time at which it existed.

        Returns:
            What was found. Where a key is compromised and the timestamp that was not checked
            decides about it, that nobody can tell.
        """
        found = findings(self.proven_at)
        compromised = next((item for item in found if item.code == KEY_COMPROMISED), None)
        if compromised is None or not self.is_open:
            return found
        if not all(item.ok for item in findings(_LONG_AGO)):
            return found
        message = (
            "The key is marked as compromised. The timestamp may show that the signature is older,"
            " but no authority to check it by was named."
        )
        return [Finding("timestamp_needed", None, message, compromised.where)]


@dataclass(frozen=True, slots=True)
class Witnesses:
    """What somebody knows, from elsewhere than the package, of when its parts existed.

    Attributes:
        anchors: digests of raw ``signature.json`` files and of countersignatures' canonical
            JSON, each with a time at which it existed.
        recorded: digests of the ``signature.json`` files that the verifier's own log tells of;
            None for a verifier without a log.
    """

    anchors: Mapping[str, datetime]
    recorded: Container[str] | None

    def of_package(self, signature_raw: bytes | None, stamp: Age) -> Age:
        """How old the package is: whoever saw its signature's digest saw its own in there.

        Args:
            signature_raw: The file ``signature.json``; None where there is none.
            stamp: What the timestamp over the zip file tells.
        """
        anchored = None if signature_raw is None else self._anchored(signature_raw)
        times = [time for time in (anchored, stamp.proven_at) if time is not None]
        return Age(min(times, default=None), stamp.is_open)

    def of_signature(self, signature_raw: bytes | None, stamp: Age) -> Age:
        """How old the package's signature is.

        A timestamp over the package stands for its signature too, unless somebody prepared the
        package before he came by the key. A log that tells of each signature when it is made
        rules that out; so where there is one, it has to tell of this one.
        """
        if signature_raw is None:
            return Age()
        if self.recorded is None or digests.sha256_tag(signature_raw) in self.recorded:
            return self.of_package(signature_raw, stamp)
        return Age(self._anchored(signature_raw))

    def of_entry(self, canonical: bytes) -> datetime | None:
        """When a countersignature existed; the timestamp is older, and says nothing of it."""
        return self._anchored(canonical)

    def _anchored(self, raw: bytes) -> datetime | None:
        return self.anchors.get(digests.sha256_tag(raw))
