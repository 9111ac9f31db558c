"""Vaults of the tests: a folder, or a bucket with Object Lock."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from evidence.models import Package
from evidence.services.vault import closing
from evidence.services.vault.base import Vault
from evidence.services.vault.opening import vault_of
from sealing import immutable
from sealing.immutable import Flag, Setting
from tests.servers.buckets import Bucket


def expose(path: Path, flag: Flag) -> None:
    """Takes a flag off, as only root can (`chattr`); the product has no code that does."""
    if not immutable.is_protected(path, flag):
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        flags = immutable._read(descriptor) & ~immutable._BITS[flag]
        fcntl.ioctl(descriptor, immutable._SET_FLAGS, immutable._packed(flags))
    finally:
        os.close(descriptor)


@pytest.fixture
def flags(tmp_path: Path) -> None:
    """Skips a test, or fails it in CI, where flags against changes can't be set."""
    path = tmp_path / "probe"
    path.write_bytes(b"")
    setting = immutable.protect(path, Flag.IMMUTABLE)
    if setting is Setting.SET:
        expose(path, Flag.IMMUTABLE)
        return
    reason = f"needs chattr +i in {tmp_path.anchor}: {setting}"
    if os.environ.get("STRONGROOM_REQUIRE") == "all":
        pytest.fail(reason)
    pytest.skip(reason)


def loosen(root: Path) -> None:
    """Takes every protection off, as only root can, so that a test's folder can be removed."""
    for above, _, names in os.walk(root):
        expose(Path(above), Flag.APPEND_ONLY)
        Path(above).chmod(0o755)
        for name in names:
            if not (Path(above) / name).is_symlink():
                expose(Path(above) / name, Flag.IMMUTABLE)


def close(folder: Path) -> None:
    """Protects a folder again as the vault would, whatever lies in it now."""
    if folder.exists():
        for path in folder.iterdir():
            closing.close_file(path, with_flag=True)
        closing.close_folder(folder, with_flag=True)


@pytest.fixture
def local_vault(settings: Any, tmp_path: Path) -> Iterator[Path]:
    """The root of a vault in a folder; afterwards it can be removed again."""
    root = tmp_path / "vault"
    settings.COMPLIANCE_EVIDENCE_VAULT_DIR = str(root)
    settings.EVIDENCE_VAULT_IMMUTABLE = True
    yield root
    if root.exists():
        loosen(root)


@pytest.fixture
def s3_vault(settings: Any, locked_bucket: Bucket) -> Bucket:
    """A bucket that is the vault."""
    configure(settings, locked_bucket)
    return locked_bucket


def configure(settings: Any, bucket: Bucket, *, endpoint_url: str | None = None) -> None:
    """Points the settings of the vault at a bucket, as an operator would."""
    settings.EVIDENCE_VAULT_S3_BUCKET = bucket.name
    settings.AUDIT_S3_REGION = "us-east-1"
    settings.AUDIT_S3_ENDPOINT_URL = endpoint_url or bucket.endpoint_url
    settings.AUDIT_S3_FORCE_PATH_STYLE = True


def vault(package: Package) -> Vault:
    """The vault in which a package lies."""
    return vault_of(package.vault_copy.mode)


def folder(package: Package) -> Path:
    """The folder of a package in a local vault."""
    return Path(vault(package).path(package.vault_copy.folder))


def names(package: Package) -> list[str]:
    """What lies beside the package, without its id in front."""
    return sorted(
        entry.name.removeprefix(package.bundle_id)
        for entry in vault(package).entries(package.vault_copy.folder)
    )


def read(package: Package, suffix: str) -> bytes:
    """A file of a package in its vault, by the end of its name."""
    row = package.vault_objects.get(name=f"{package.bundle_id}{suffix}")
    return vault(package).read(package.vault_copy.folder, row.name, row.version_id)
