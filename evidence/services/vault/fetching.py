"""Takes a package or an artefact out of its vault, for whoever may download it: a copy."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

from django.db import transaction

from access.roles import Action
from audit.events import Actor, EventType
from audit.services import trail
from evidence.formats import names
from evidence.models import Artifact, Package
from evidence.services import artifacts, locating
from evidence.services.errors import PackageUnfinished
from evidence.services.vault import reading
from sealing.files import write_new

_BLOCK = 1 << 20


def fetch(*, actor: Actor, bundle_id: str, target: Path) -> Package:
    """Writes the package, as it was exported, to a new file.

    The file appears when all of it was read, decrypted and compared, and when that it leaves is
    recorded; what fails before leaves nothing.

    Raises:
        NotFound, Forbidden: as for downloads. NotInVault. AlreadyExists: there is such a file.
        VaultUnavailable, VaultDiffers, and what unwrapping the key raises.
    """
    trail.ensure_enabled()
    package = locating.by_bundle_id(actor=actor, bundle_id=bundle_id, action=Action.DOWNLOAD)
    if not package.is_complete:
        raise PackageUnfinished("The package was not written to its end.")
    write_new(target, _recorded(actor, package), mode=0o600)
    return package


def fetch_artifact(*, actor: Actor, name: str, target: Path) -> Artifact:
    """Writes an artefact, as it was handed in, to a new file.

    Args:
        name: of its folder in the vault, ``artifact_<id>``.

    Raises:
        NotFound, Forbidden: as for downloads. AlreadyExists: there is such a file.
        VaultUnavailable, VaultDiffers.
    """
    artifact_id = uuid.UUID(name.removeprefix(names.ARTIFACT_PREFIX))
    artifact = artifacts.by_id(actor=actor, artifact_id=artifact_id, action=Action.DOWNLOAD)
    found = artifacts.read(actor=actor, artifact_id=artifact_id)
    with found.file:
        write_new(target, iter(lambda: found.file.read(_BLOCK), b""), mode=0o600)
    return artifact


def _recorded(actor: Actor, package: Package) -> Iterator[bytes]:
    yield from reading.plaintext(package)
    with transaction.atomic():
        trail.record(
            EventType.EVIDENCE_PACKAGE_DOWNLOADED,
            actor=actor,
            client=package.client,
            obj=("package", package.bundle_id),
            data={
                "file": f"{package.bundle_id}{names.PACKAGE_SUFFIX}",
                "sha256": package.package_sha256,
                "size_bytes": package.size_bytes,
                "from": "vault",
            },
        )
