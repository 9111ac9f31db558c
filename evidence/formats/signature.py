"""The service's own signature: ``<bundle_id>.zip.sig`` and ``<bundle_id>.signature.json``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from evidence.formats import statements
from evidence.formats.errors import FormatRefused
from evidence.formats.fields import Fields, document, refuse
from evidence.formats.manifest import Manifest
from sealing import digests
from sealing.canonical import document as encode
from sealing.signers import hmac
from sealing.signers.base import Signer

_KEYS: Final = ("algorithm", "digest", "envelope", "signed_at", "signer", "signing_key_id")
_MAC: Final = re.compile(r"[0-9a-f]{64}")
_PREDICATE_KEYS: Final = (
    "algorithm", "mac_digest", "manifest_digest", "signature_policy", "signed_at", "signer",
    "signing_key_id",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class PackageSignature:
    """A parsed ``signature.json``; ``statement`` holds what was signed."""

    algorithm: str
    signer: str
    signing_key_id: str
    digest: str
    signed_at: str
    mac: str | None
    manifest_digest: str
    signature_policy: dict[str, int]
    statement: statements.SignedStatement


def sig_file(signature: bytes) -> bytes:
    """The bytes of ``.zip.sig``: base64 on one line."""
    return digests.b64(signature).encode("ascii") + b"\n"


def parse_sig_file(raw: bytes) -> bytes:
    """The signature in ``.zip.sig``.

    Raises:
        Invalid: Unless it is one line of base64 in its only spelling and one line feed.
    """
    if not 1 < len(raw) <= 8192 or not raw.endswith(b"\n") or not raw.isascii():
        raise FormatRefused("The .sig file is one line of base64 with a line feed.")
    return digests.unb64(raw[:-1].decode("ascii"))


def build(
    *,
    manifest: Manifest,
    manifest_digest: str,
    digest: str,
    signer: Signer,
    signer_name: str,
    signed_at: str,
    secret: bytes = b"",
) -> bytes:
    """The bytes of ``signature.json``.

    Args:
        manifest: The package's manifest, for its name and policy.
        manifest_digest: The digest of the manifest's bytes.
        digest: The digest of the whole zip file.
        signer: The service key for packages.
        signer_name: The name under which signers know that key.
        signed_at: The moment, in the product's form.
        secret: The shared secret of an older time; empty for none. What it makes is bound into
            the signed statement by its digest, and proves nothing by itself.

    Raises:
        Invalid: For a signer's name with ``|`` in it, which the mac could not tell apart.
    """
    outer: dict[str, Any] = {
        "algorithm": signer.algorithm,
        "signer": signer_name,
        "signing_key_id": signer.key_id,
        "signed_at": signed_at,
    }
    mac = hmac.mac(secret, digest, signer_name, signer.key_id, signed_at) if secret else None
    content = statements.payload(
        subject_name=f"{manifest.bundle_id}.zip",
        digest=digest,
        predicate_type=statements.PACKAGE_SIGNATURE,
        predicate=outer
        | {
            "manifest_digest": manifest_digest,
            "signature_policy": manifest.signature_policy,
            "mac_digest": None if mac is None else digests.sha256_tag(mac.encode("ascii")),
        },
    )
    outer |= {"digest": digest, "envelope": statements.sign(content, signer)}
    return encode(outer if mac is None else outer | {"mac": mac})


def parse(raw: bytes) -> PackageSignature:
    """Read ``signature.json``: its form, and that what stands outside equals what is signed.

    The signature itself is not checked here.

    Raises:
        Invalid: With the place of the fault.
    """
    top = Fields(document(raw), required=_KEYS, optional=("mac",))
    statement = statements.SignedStatement(
        top.get("envelope"), predicate_type=statements.PACKAGE_SIGNATURE, where="/envelope"
    )
    inner = Fields(statement.predicate, required=_PREDICATE_KEYS, where="/envelope/predicate")
    policy = inner.object("signature_policy", required=("signatures", "countersignatures"))
    signature = PackageSignature(
        algorithm=inner.text("algorithm"),
        signer=inner.text("signer"),
        signing_key_id=inner.digest("signing_key_id"),
        digest=statement.digest,
        signed_at=inner.time("signed_at"),
        mac=_mac(top),
        manifest_digest=inner.digest("manifest_digest"),
        signature_policy={
            "signatures": policy.integer("signatures"),
            "countersignatures": policy.integer("countersignatures"),
        },
        statement=statement,
    )
    _compare(top, signature)
    if hmac.SEPARATOR in signature.signer:
        raise refuse("/signer", f"'{hmac.SEPARATOR}' is not for names.")
    mac_digest = None if signature.mac is None else digests.sha256_tag(signature.mac.encode())
    if mac_digest != inner.get("mac_digest"):
        raise FormatRefused(
            "The mac is not the one that was signed.", code="signature_field_differs", field="/mac"
        )
    return signature


def _mac(top: Fields) -> str | None:
    if "mac" not in top:
        return None
    mac = top.text("mac")
    if not _MAC.fullmatch(mac):
        raise refuse("/mac", "64 lower-case hex digits are expected.")
    return mac


def _compare(top: Fields, signature: PackageSignature) -> None:
    for key in ("algorithm", "signer", "signing_key_id", "digest", "signed_at"):
        if top.get(key) != getattr(signature, key):
            raise FormatRefused(
                f"'{key}' beside the envelope is not the one that was signed.",
                code="signature_field_differs",
                field=f"/{key}",
            )
    if signature.statement.key_id != signature.signing_key_id:
        raise FormatRefused(
            "The envelope's key id is not the one that was signed.",
            code="signature_field_differs",
            field="/envelope/signatures/0/keyid",
        )
