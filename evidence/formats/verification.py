"""Verifies a package: bytes, sidecars and trusted keys in, a report out. No I/O, no clock."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from datetime import datetime

from evidence.formats.check_countersign import (
    Countersigned,
    Signed,
    Trust,
    check_countersign,
)
from evidence.formats.check_inside import Inside, check_inside
from evidence.formats.check_signature import Secret, check_mac, check_policy, check_signature
from evidence.formats.check_timestamp import (
    NO_ANCHORS,
    Age,
    Witnesses,
    check_stamp_time,
    check_timestamp,
)
from evidence.formats.package import PackageBytes, sha256_of
from evidence.formats.report import Findings, PackageReport, Part
from evidence.formats.signature import PackageSignature
from sealing import digests
from sealing.keys import Signers


@dataclass(frozen=True, slots=True)
class Sidecars:
    """What stands beside a package; None for a file that is not there."""

    sig: bytes | None = None
    signature: bytes | None = None
    countersign: bytes | None = None
    timestamp: bytes | None = None


def verify_package(
    data: PackageBytes,
    sidecars: Sidecars,
    signers: Signers,
    *,
    require_countersign: bool = False,
    signing_secret: bytes | None = None,
    own_secret: bytes | None = None,
    tsa_certificates: bytes | None = None,
    anchors: Mapping[str, datetime] = NO_ANCHORS,
    recorded: Container[str] | None = None,
    only_if_signed: bool = False,
    human: Callable[[str], str] = str,
) -> PackageReport:
    """Verify one package.

    The raw bytes are checked first. How many signatures it needs is read in the manifest, never
    taken from the caller, who can only ask for more.

    Args:
        data: The zip file, as bytes or mapped.
        sidecars: The files beside it.
        signers: The keys that are trusted, from a source other than the package.
        require_countersign: Ask for a countersignature even where the policy asks for none.
        signing_secret: A shared secret of the caller's: a mac that it does not give is a fault.
        own_secret: The verifying installation's secret, for the ``mac_…`` fields alone: secrets
            rotate, so that a difference is no fault.
        tsa_certificates: PEM of the timestamp authorities that are trusted; without it a
            timestamp is noted as not checked.
        anchors: Digests (of the raw ``signature.json``, of a countersignature's canonical JSON)
            that are known to have existed at a time: what a compromised key signed counts only
            if it is known to be older than the compromise.
        recorded: The digests of the signatures that the verifier's own log tells of; None for a
            verifier without a log.
        only_if_signed: Read the log lines and what belongs to them only if the signature of a
            trusted key holds over the bytes, since a stranger's could cost any amount of time and
            memory. Otherwise that is what the report says.
        human: Gives, of two persons who are known to be one human, the same id. Without it each
            id is taken for somebody else.

    Returns:
        The report. The function does not raise for anything that the bytes contain.

    Raises:
        CertificatesRefused: There is a timestamp, and ``tsa_certificates`` can't be read.
    """
    found = Findings()
    witnesses = Witnesses(anchors, recorded)
    package_sha256 = digests.tag(sha256_of(data))
    stamped_at = check_timestamp(
        found,
        raw=sidecars.timestamp,
        package_sha256=package_sha256,
        certificates=tsa_certificates,
    )
    stamp = Age(stamped_at, sidecars.timestamp is not None and tsa_certificates is None)
    document = check_signature(
        found,
        data=data,
        package_sha256=package_sha256,
        sig_raw=sidecars.sig,
        signature_raw=sidecars.signature,
        signers=signers,
        age=witnesses.of_signature(sidecars.signature, stamp),
    )
    inside = check_inside(
        found,
        data,
        signers,
        witnesses.of_package(sidecars.signature, stamp),
        reads_lines=found.clean(Part.SIGNATURE) or not only_if_signed,
    )
    countersigned = Countersigned()
    if inside.manifest is not None:
        check_policy(found, document, inside.manifest, inside.manifest_digest)
        check_stamp_time(found, stamped_at, inside.manifest)
        countersigned = check_countersign(
            found,
            signed=Signed(inside.manifest, package_sha256, sidecars.signature, document),
            raw=sidecars.countersign,
            trust=Trust(signers, witnesses, human),
            required=max(inside.manifest.countersignatures, int(require_countersign)),
        )
    mac = check_mac(found, document, _secret(signing_secret, own_secret))
    return _report(found, sidecars, inside, package_sha256, len(data), document, countersigned, mac)


def _report(
    found: Findings,
    sidecars: Sidecars,
    inside: Inside,
    package_sha256: str,
    size_bytes: int,
    document: PackageSignature | None,
    countersigned: Countersigned,
    mac: bool | None,
) -> PackageReport:
    return PackageReport(
        package_sha256=package_sha256,
        size_bytes=size_bytes,
        manifest=inside.manifest,
        manifest_exists=inside.manifest_exists,
        manifest_valid=found.clean(Part.MANIFEST) and found.clean(Part.PACKAGE),
        signature_checked=sidecars.sig is not None or sidecars.signature is not None,
        signature_valid=document is not None and _signature_holds(found),
        countersign_checked=sidecars.countersign is not None and inside.manifest is not None,
        countersign_valid=bool(countersigned.good) and found.clean(Part.COUNTERSIGN),
        mac_checked=mac is not None,
        mac_valid=bool(mac),
        timestamp_checked=found.checked(Part.TIMESTAMP),
        timestamp_valid=found.clean(Part.TIMESTAMP),
        proofs_checked=found.checked(Part.PROOFS),
        proofs_valid=found.clean(Part.PROOFS),
        countersigners=countersigned.good,
        entry_digests=countersigned.digests,
        findings=found.all(),
        notes=found.notes(),
    )


def _signature_holds(found: Findings) -> bool:
    """A signature may hold although the policy of the manifest asks for none."""
    issues = found.issues(Part.SIGNATURE)
    return all(issue.code == "package_unsigned" for issue in issues)


def _secret(supplied: bytes | None, own: bytes | None) -> Secret | None:
    if supplied:
        return Secret(value=supplied, counts=True)
    return Secret(value=own, counts=False) if own else None
