"""Checks of the service's signature over the raw bytes, and of the mac of older times."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from evidence.formats import signature
from evidence.formats.check_timestamp import Age
from evidence.formats.manifest import Manifest
from evidence.formats.package import PackageBytes
from evidence.formats.report import Findings, Part
from sealing import digests
from sealing.errors import Invalid
from sealing.keys import ED25519, Signers, TrustedKey
from sealing.results import Finding
from sealing.signers import hmac
from sealing.times import parse_time

PURPOSE = "package"
# Ed25519 needs the whole message in memory. The installation's own packages are signed with RSA or
# ECDSA, which need its digest alone.
MAX_ED25519_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Secret:
    """A shared secret; ``counts`` when the caller supplied it, so that a wrong mac is a fault."""

    value: bytes
    counts: bool


def check_signature(
    found: Findings,
    *,
    data: PackageBytes,
    package_sha256: str,
    sig_raw: bytes | None,
    signature_raw: bytes | None,
    signers: Signers,
    age: Age,
) -> signature.PackageSignature | None:
    """Check ``.zip.sig`` and ``.signature.json`` against the raw bytes of the package.

    Nothing inside the package is looked at. Where neither file is there nothing is found: what
    that means is for the policy in the manifest to say. ``age`` is the signature's.
    """
    part = Part.SIGNATURE
    if sig_raw is None and signature_raw is None:
        return None
    if sig_raw is None or signature_raw is None:
        absent = ".zip.sig" if sig_raw is None else ".signature.json"
        found.bad(part, "signature_missing", f"The file {absent} is missing.", absent)
        return None
    try:
        sig = signature.parse_sig_file(sig_raw)
        document = signature.parse(signature_raw)
    except Invalid as error:
        found.bad(part, "signature_malformed", error.message, error.field)
        return None
    if document.digest != package_sha256 or not document.statement.subject_name.endswith(".zip"):
        found.bad(part, "signature_digest_differs", "The signature is about another file.")
    key = _trusted(found, document, signers, age, len(data))
    if key is not None:
        _check_bytes(found, key, sig, _Signed(data, digests.untag(package_sha256)), document)
    if found.clean(part):
        found.good(
            part,
            "signature_valid",
            f"The file was signed by {document.signer} at {document.signed_at}.",
        )
    return document


def _trusted(
    found: Findings,
    document: signature.PackageSignature,
    signers: Signers,
    age: Age,
    size_bytes: int,
) -> TrustedKey | None:
    """The key that the signature names; None if it may not have signed this, or not in this way."""
    signed_at = parse_time(document.signed_at)

    def refusals(proven_at: datetime | None) -> list[Finding]:
        refusal = signers.refusal(
            document.signing_key_id, purpose=PURPOSE, signed_at=signed_at, proven_at=proven_at
        )
        return [] if refusal is None else [refusal]

    refused = age.weigh(refusals)
    for finding in refused:
        found.add(Part.SIGNATURE, finding)
    key = signers.get(document.signing_key_id)
    if key is None or any(finding.ok is False for finding in refused):
        return None
    if key.algorithm != document.algorithm:
        found.bad(Part.SIGNATURE, "signature_algorithm_differs", "The key has another algorithm.")
        return None
    if key.algorithm == ED25519 and size_bytes > MAX_ED25519_BYTES:
        found.bad(
            Part.SIGNATURE,
            "signature_algorithm_refused",
            "Ed25519 is not accepted for a package of this size: RSA and ECDSA are.",
        )
        return None
    return key


@dataclass(frozen=True, slots=True)
class _Signed:
    """The package, and its digest: most algorithms need no more of it."""

    data: PackageBytes
    digest: bytes

    def is_covered(self, key: TrustedKey, sig: bytes) -> bool:
        """Whether ``sig`` is the key's signature over these bytes."""
        if key.algorithm == ED25519:
            return key.verify(sig, self.data[:])
        return key.verify_digest(sig, self.digest)


def _check_bytes(
    found: Findings,
    key: TrustedKey,
    sig: bytes,
    signed: _Signed,
    document: signature.PackageSignature,
) -> None:
    if signed.is_covered(key, sig):
        found.good(Part.SIGNATURE, "sig_valid", ".zip.sig is a signature over this file.")
    else:
        found.bad(
            Part.SIGNATURE, "signature_invalid", "The signature is not over this file.", ".zip.sig"
        )
    if key.verify(document.statement.signature, document.statement.signed_bytes):
        found.good(Part.SIGNATURE, "envelope_valid", "The signed statement is genuine.")
    else:
        found.bad(
            Part.SIGNATURE,
            "signature_invalid",
            "The signed statement was changed, or signed by another key.",
            ".signature.json",
        )


def check_policy(
    found: Findings,
    document: signature.PackageSignature | None,
    manifest: Manifest,
    manifest_digest: str | None,
) -> None:
    """Check what was signed against the manifest, which tells how many signatures it needs."""
    part = Part.SIGNATURE
    if manifest.signatures == 0:
        found.unknown(
            part,
            "package_unsigned",
            "The package was made without a signature: nothing outside it vouches for it.",
        )
    elif not found.checked(part):
        found.bad(part, "signature_missing", "The package needs a signature, and has none.")
    if document is None:
        return
    signed = (document.manifest_digest, document.signature_policy)
    if signed != (manifest_digest, manifest.signature_policy):
        found.bad(
            part, "signature_manifest_differs", "The signed statement is about another manifest."
        )
    if document.statement.subject_name != f"{manifest.bundle_id}.zip":
        found.bad(
            part,
            "signature_field_differs",
            "The signed statement names another package.",
            "/envelope/payload/subject/0/name",
        )


def check_mac(
    found: Findings, document: signature.PackageSignature | None, secret: Secret | None
) -> bool | None:
    """Whether the mac is the one that ``secret`` gives; None when there is nothing to compare.

    A mac proves nothing between two holders of its secret: at most it counts against a package.
    """
    if document is None or document.mac is None or secret is None:
        return None
    matches = hmac.mac_matches(
        expected=document.mac,
        secret=secret.value,
        digest=document.digest,
        signer=document.signer,
        signing_key_id=document.signing_key_id,
        signed_at=document.signed_at,
    )
    if secret.counts and not matches:
        found.bad(Part.MAC, "mac_invalid", "The mac was not made with the secret supplied.")
    elif secret.counts:
        found.good(Part.MAC, "mac_valid", "The mac was made with the secret supplied.")
    return matches
