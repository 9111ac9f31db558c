"""Verifies a package: bytes, sidecars and trusted keys in, a report out. No I/O, no clock."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from evidence.formats.check_countersign import Signed, check_countersign
from evidence.formats.check_inside import Inside, check_inside
from evidence.formats.check_signature import Secret, check_mac, check_policy, check_signature
from evidence.formats.package import PackageBytes
from evidence.formats.report import Countersigner, Findings, PackageReport, Part
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

    Returns:
        The report. The function does not raise for anything that the bytes contain.
    """
    found = Findings()
    package_sha256 = digests.tag(hashlib.sha256(data).digest())
    document = check_signature(
        found,
        data=data,
        package_sha256=package_sha256,
        sig_raw=sidecars.sig,
        signature_raw=sidecars.signature,
        signers=signers,
    )
    inside = check_inside(found, data, signers)
    countersigners: tuple[Countersigner, ...] = ()
    if inside.manifest is not None:
        check_policy(found, document, inside.manifest, inside.manifest_digest)
        countersigners = check_countersign(
            found,
            signed=Signed(inside.manifest, package_sha256, sidecars.signature, document),
            raw=sidecars.countersign,
            signers=signers,
            required=max(inside.manifest.countersignatures, int(require_countersign)),
        )
    mac = check_mac(found, document, _secret(signing_secret, own_secret))
    if sidecars.timestamp is not None:
        found.unknown(
            Part.TIMESTAMP,
            "timestamp_not_checked",
            "There is a timestamp beside the package, which this version can't check.",
        )
    return _report(
        found, sidecars, inside, package_sha256, len(data), document, countersigners, mac
    )


def _report(
    found: Findings,
    sidecars: Sidecars,
    inside: Inside,
    package_sha256: str,
    size_bytes: int,
    document: PackageSignature | None,
    countersigners: tuple[Countersigner, ...],
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
        countersign_valid=bool(countersigners) and found.clean(Part.COUNTERSIGN),
        mac_checked=mac is not None,
        mac_valid=bool(mac),
        timestamp_checked=False,
        timestamp_valid=False,
        proofs_checked=found.checked(Part.PROOFS),
        proofs_valid=found.clean(Part.PROOFS),
        countersigners=countersigners,
        findings=found.all(),
    )


def _signature_holds(found: Findings) -> bool:
    """A signature may hold although the policy of the manifest asks for none."""
    issues = found.issues(Part.SIGNATURE)
    return all(issue.code == "package_unsigned" for issue in issues)


def _secret(supplied: bytes | None, own: bytes | None) -> Secret | None:
    if supplied:
        return Secret(value=supplied, counts=True)
    return Secret(value=own, counts=False) if own else None
