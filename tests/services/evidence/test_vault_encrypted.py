"""Encrypted copies: nothing of the package in clear, and out again only with the right key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from audit.events import Actor, EventType
from evidence.formats.vault import KmsEnvelope
from evidence.models import Package
from evidence.services.errors import PackageNotFound
from evidence.services.vault import fetching, reading
from evidence.services.vault.auditing import VaultAudit, audit_vault
from evidence.services.vault.errors import NotInVault, VaultDiffers
from sealing.encrypted import EncryptedRefused, encrypted_size
from sealing.errors import StrongroomError
from sealing.files import AlreadyExists
from sealing.results import Verdict
from sealing.wrapping.base import WrappingKeyMissing
from tests.factories import World
from tests.services.evidence import helpers, vaults
from tests.services.evidence.helpers import export

pytestmark = pytest.mark.django_db
OTHER_KEY = bytes(range(1, 33))


@pytest.fixture(params=["local", "s3"])
def mode(request: pytest.FixtureRequest, settings: Any) -> str:
    """Each kind of vault, with copies encrypted under the installation's own key."""
    settings.EVIDENCE_VAULT_ENCRYPTION = "local"
    request.getfixturevalue(f"{request.param}_vault")
    return str(request.param)


@pytest.fixture
def package(world: World, settings: Any, local_vault: Path) -> Package:
    """A package whose copy in a local vault is encrypted."""
    settings.EVIDENCE_VAULT_ENCRYPTION = "local"
    helpers.some_events()
    made: Package = export(world, vault_mode="local")
    return made


def audit() -> VaultAudit:
    return audit_vault(actor=Actor.system("tests"))


def changed(package: Package, suffix: str, change: Any) -> None:
    """Changes a file in the vault as root could, and protects it again."""
    folder = vaults.folder(package)
    vaults.loosen(folder)
    path = folder / f"{package.bundle_id}{suffix}"
    path.write_bytes(change(bytearray(path.read_bytes())))
    vaults.close(folder)


def flipped(place: int) -> Any:
    def change(raw: bytearray) -> bytearray:
        raw[place] ^= 1
        return raw

    return change


def test_the_encrypted_copy_stands_in_the_zip_s_stead(world: World, mode: str) -> None:
    helpers.some_events()
    package = export(world, vault_mode=mode)
    copy = package.vault_copy
    assert (copy.package_name, copy.encryption) == (f"{package.bundle_id}.zip.enc", "local")
    assert ".zip" not in vaults.names(package)
    plain, stored = helpers.file(package).read_bytes(), vaults.read(package, ".zip.enc")
    assert len(stored) == encrypted_size(len(plain))
    assert b"audit_events.jsonl" in plain
    assert b"audit_events.jsonl" not in stored
    envelope = KmsEnvelope.parse(vaults.read(package, ".kms-envelope.json"))
    assert envelope.wrapped_key is not None
    assert b"".join(reading.plaintext(package)) == plain
    found = audit()
    assert (found.verdict, found.findings) == (Verdict.VALID, [])


def test_each_package_has_a_key_of_its_own(world: World, package: Package) -> None:
    other = export(world, vault_mode="local")
    envelopes = [
        KmsEnvelope.parse(vaults.read(each, ".kms-envelope.json")) for each in (package, other)
    ]
    assert envelopes[0].wrapped_key != envelopes[1].wrapped_key
    changed(package, ".zip.enc", lambda raw: vaults.read(other, ".zip.enc"))
    with pytest.raises(EncryptedRefused):
        list(reading.plaintext(package))


@pytest.mark.parametrize("place", [0, 7, 40, -1], ids=["magic", "first", "within", "tag"])
def test_a_flipped_bit_is_refused(package: Package, place: int) -> None:
    changed(package, ".zip.enc", flipped(place))
    with pytest.raises(EncryptedRefused):
        list(reading.plaintext(package))
    found = audit()
    assert found.verdict is Verdict.INVALID
    assert set(found.counts) == {"vault_file_changed", "encrypted_refused"}


def test_a_cut_copy_is_refused(package: Package) -> None:
    changed(package, ".zip.enc", lambda raw: raw[:-20])
    with pytest.raises(EncryptedRefused):
        list(reading.plaintext(package))
    assert audit().verdict is Verdict.INVALID


@pytest.mark.parametrize("member", ["wrapped_key", "wrapped_digest", "key_version"])
def test_a_changed_envelope_is_refused(package: Package, member: str) -> None:
    def change(raw: bytearray) -> bytearray:
        place = raw.index(f'"{member}":"'.encode()) + len(member) + 12
        raw[place] = ord("b") if raw[place] == ord("a") else ord("a")
        return raw

    changed(package, ".kms-envelope.json", change)
    found = audit()
    assert found.verdict is Verdict.INVALID
    assert found.counts["vault_file_changed"] == 1
    if member != "wrapped_digest":
        with pytest.raises(StrongroomError):
            list(reading.plaintext(package))


def test_the_former_key_opens_what_it_closed(package: Package, settings: Any) -> None:
    former = settings.KEY_ENCRYPTION_KEY
    settings.KEY_ENCRYPTION_KEY = OTHER_KEY
    with pytest.raises(WrappingKeyMissing):
        list(reading.plaintext(package))
    found = audit()
    assert found.verdict is Verdict.INCONCLUSIVE
    assert set(found.counts) == {"vault_envelope_unchecked", "vault_package_unchecked"}
    settings.KEY_ENCRYPTION_KEYS_FORMER = (former,)
    assert b"".join(reading.plaintext(package)) == helpers.file(package).read_bytes()
    assert audit().verdict is Verdict.VALID


def test_turning_encryption_on_leaves_older_copies_readable(
    world: World, local_vault: Path, settings: Any
) -> None:
    before = export(world, vault_mode="local")
    settings.EVIDENCE_VAULT_ENCRYPTION = "local"
    after = export(world, vault_mode="local")
    assert (before.vault_copy.encryption, after.vault_copy.encryption) == ("", "local")
    for package in (before, after):
        assert b"".join(reading.plaintext(package)) == helpers.file(package).read_bytes()
    assert audit().verdict is Verdict.VALID


# --- taking a package out -----------------------------------------------------------------------


def test_fetching_decrypts_and_is_recorded(world: World, mode: str, tmp_path: Path) -> None:
    helpers.some_events()
    package = export(world, vault_mode=mode)
    target = tmp_path / "out.zip"
    fetching.fetch(actor=world.actor("audrey"), bundle_id=package.bundle_id, target=target)
    assert target.read_bytes() == helpers.file(package).read_bytes()
    assert target.stat().st_mode & 0o777 == 0o600
    (event,) = helpers.events_of(EventType.EVIDENCE_PACKAGE_DOWNLOADED, package.bundle_id)
    assert (event["actor"]["id"], event["data"]["from"]) == ("user:audrey", "vault")
    assert event["data"]["sha256"] == package.package_sha256
    with pytest.raises(AlreadyExists):
        fetching.fetch(actor=world.actor("audrey"), bundle_id=package.bundle_id, target=target)


def test_a_damaged_copy_is_not_fetched(world: World, package: Package, tmp_path: Path) -> None:
    changed(package, ".zip.enc", flipped(-1))
    target = tmp_path / "out.zip"
    with pytest.raises(EncryptedRefused):
        fetching.fetch(actor=world.actor("olivia"), bundle_id=package.bundle_id, target=target)
    assert not target.exists()
    assert not helpers.events_of(EventType.EVIDENCE_PACKAGE_DOWNLOADED)


def test_a_changed_copy_in_clear_is_not_fetched(
    world: World, local_vault: Path, tmp_path: Path
) -> None:
    package = export(world, vault_mode="local")
    changed(package, ".zip", flipped(-1))
    target = tmp_path / "out.zip"
    with pytest.raises(VaultDiffers):
        fetching.fetch(actor=world.actor("olivia"), bundle_id=package.bundle_id, target=target)
    assert not target.exists()


def test_not_everybody_fetches(world: World, package: Package, tmp_path: Path) -> None:
    for name in ("ben", "omar", "nobody", "root"):
        with pytest.raises(PackageNotFound):
            fetching.fetch(
                actor=world.actor(name), bundle_id=package.bundle_id, target=tmp_path / "out.zip"
            )
    assert not (tmp_path / "out.zip").exists()


def test_what_is_in_no_vault_is_not_fetched(world: World, tmp_path: Path) -> None:
    package = export(world, vault_mode="none")
    with pytest.raises(NotInVault):
        fetching.fetch(
            actor=world.actor("olivia"), bundle_id=package.bundle_id, target=tmp_path / "out.zip"
        )
