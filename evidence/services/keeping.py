"""Puts a finished package where it is kept: key envelope, vault, external archive."""

from __future__ import annotations

from dataclasses import dataclass

from audit import failpoints
from evidence.formats import names
from evidence.formats.contents import VaultMode
from evidence.models import Package
from evidence.services import envelopes, outside
from evidence.services.locating import file_of
from evidence.services.outside import Answer
from evidence.services.publishing import Published
from evidence.services.stamping import Stamped
from evidence.services.vault import deposit
from evidence.services.vault.deposit import Committed
from evidence.services.watching import Watch


@dataclass(frozen=True, slots=True)
class Kept:
    """Where a package went.

    Attributes:
        committed: what lies in the vault; None for the vault mode ``none``.
        kms: what came of the external key service.
        worm: what came of the external archive.
    """

    committed: Committed | None
    kms: Answer
    worm: Answer


def keep(package: Package, published: Published, stamped: Stamped, watch: Watch) -> Kept:
    """Wraps, stages, asks outside, and only then gives the copy its final name.

    So an outside service that has to succeed and does not leaves nothing in the vault, and a
    vault that is full is found before anything is archived outside.

    Raises:
        ExternalServiceFailed: one of them failed, and the request wants it to succeed.
        PackageDiffers, PackageFileMissing: what lies on the disk is not what was signed.
        Whatever else the vault raises: nothing lies under a final name then.
    """
    watch.progress(0, step="wrapping the digest")
    enveloped = envelopes.make(package, published.digest)
    failpoints.reach("export-5")
    path = file_of(package.name, names.PACKAGE_SUFFIX)
    if package.vault_mode == VaultMode.NONE:
        worm = outside.archive(
            package, digest=published.digest, size_bytes=published.size_bytes, path=path
        )
        return Kept(None, enveloped.external, worm)
    watch.progress(0, step="copying into the vault")
    staged = deposit.stage(
        package,
        digest=published.digest,
        sidecars=published.sidecars,
        token=stamped.token,
        envelope=enveloped.raw,
        data_key=enveloped.data_key,
    )
    try:
        failpoints.reach("export-6")
        watch.progress(0, step="asking the external archive")
        worm = outside.archive(
            package, digest=published.digest, size_bytes=published.size_bytes, path=path
        )
        failpoints.reach("export-7")
        watch.ensure_held()
        watch.progress(0, step="locking the copy in the vault")
        committed = deposit.commit(staged, external=worm.receipt)
    except BaseException:  # an interruption too: this process may live on for long
        deposit.discard(staged)
        raise
    failpoints.reach("export-8")
    return Kept(committed, enveloped.external, worm)
