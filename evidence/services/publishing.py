"""Writes the files of a package, signs them, and verifies what then lies on the disk."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from django.conf import settings

from audit import failpoints
from audit.services import keys
from evidence.files import opened
from evidence.formats import names, signature
from evidence.formats.check_signature import PURPOSE
from evidence.formats.manifest import Manifest
from evidence.formats.package import PackageBytes, package_chunks
from evidence.formats.report import COUNTERSIGNATURE_MISSING
from evidence.formats.verification import Sidecars, verify_package
from evidence.models import Package
from evidence.services.building import Built, built
from evidence.services.errors import SelfCheckFailed, SigningKeyChanged
from evidence.services.locating import file_of
from evidence.services.watching import Watch
from sealing import digests
from sealing.files import safe_join, write_new
from sealing.signers.base import Signer

# What a package may lack when it has just been written.
_NOT_YET: Final = frozenset({COUNTERSIGNATURE_MISSING, "package_unsigned"})


@dataclass(frozen=True, slots=True)
class Published:
    """The files of a package as they lie under their final names."""

    digest: str
    size_bytes: int
    manifest: Manifest
    manifest_digest: str
    sidecars: Sidecars


def publish(package: Package, watch: Watch) -> Published:
    """Build the planned package and write, sign and verify it.

    Each file is complete under its final name or absent; files that an earlier attempt left are
    taken over if they are the same.

    Raises:
        SigningKeyChanged: The service has another key than the plan names.
        SelfCheckFailed: What was written does not verify.
        IntegrityFailure: The log does not verify.
    """
    key = package.signing_key
    signer = keys.signer_for(PURPOSE) if key is not None else None
    if key is not None and signer is not None and signer.key_id != key.key_id:
        raise SigningKeyChanged("The service's key was changed since this export was planned.")
    folder = _folder(package)
    with built(package, folder=folder, watch=watch) as content:
        path = file_of(package.name, names.PACKAGE_SUFFIX)
        watch.progress(0, step="writing the package")
        digest, size = _write_zip(path, content)
        failpoints.reach("export-2")
        watch.progress(0, step="signing and verifying")
        with opened(path) as data:
            sidecars = Sidecars()
            if key is not None and signer is not None:
                sidecars = _sign(content, digest, signer, key.name)
                _write_sidecars(package, sidecars)
            _check(data, sidecars)
    return Published(digest, size, content.manifest, content.manifest_digest, sidecars)


def discard(package: Package) -> None:
    """Take away the files of an export that failed: nothing may look like a package."""
    for suffix in (
        names.TIMESTAMP_SUFFIX,
        names.SIGNATURE_SUFFIX,
        names.SIG_SUFFIX,
        names.PACKAGE_SUFFIX,
    ):
        file_of(package.name, suffix).unlink(missing_ok=True)


def _folder(package: Package) -> Path:
    root = Path(settings.EVIDENCE_PACKAGE_DIR)
    root.mkdir(mode=0o750, parents=True, exist_ok=True)
    folder = safe_join(root, package.name.folder)
    folder.mkdir(mode=0o750, exist_ok=True)
    return folder


def _write_zip(path: Path, content: Built) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0

    def chunks() -> Iterator[bytes]:
        nonlocal size
        for chunk in package_chunks(content.members):
            digest.update(chunk)
            size += len(chunk)
            yield chunk

    write_new(path, chunks(), adopt_identical=True)
    return digests.tag(digest.digest()), size


def _sign(content: Built, digest: str, signer: Signer, signer_name: str) -> Sidecars:
    # RSA signatures are deterministic and the moment is the planned one, so that an export that
    # is taken up again signs the same.
    document = signature.build(
        manifest=content.manifest,
        manifest_digest=content.manifest_digest,
        digest=digest,
        signer=signer,
        signer_name=signer_name,
        signed_at=content.manifest.generated_at,
        secret=settings.COMPLIANCE_EVIDENCE_SIGNING_SECRET,
    )
    return Sidecars(
        sig=signature.sig_file(signer.sign_digest(digests.untag(digest))), signature=document
    )


def _write_sidecars(package: Package, sidecars: Sidecars) -> None:
    for suffix, raw in (
        (names.SIG_SUFFIX, sidecars.sig),
        (names.SIGNATURE_SUFFIX, sidecars.signature),
    ):
        if raw is not None:
            write_new(file_of(package.name, suffix), raw, adopt_identical=True)


def _check(data: PackageBytes, sidecars: Sidecars) -> None:
    """Verify what now lies on the disk, before anybody is told that it exists."""
    report = verify_package(data, sidecars, keys.signers())
    faults = [issue for issue in report.issues if issue.code not in _NOT_YET]
    if faults:
        raise SelfCheckFailed(f"The package does not verify: {faults[0].message}")
