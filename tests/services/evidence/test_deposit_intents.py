"""What a process left in the vault that died before its record: recorded, explained, or a fault."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import DatabaseError

from audit.events import Actor, EventType
from audit.services import trail
from evidence.models import Artifact, Deposit, DepositIntent
from evidence.services import artifact_recording, artifacts
from evidence.services.vault import depositing, strangers
from evidence.services.vault.auditing import VaultAudit, audit_vault
from evidence.services.vault.base import of_bytes
from evidence.services.vault.local import LocalVault
from evidence.services.vault.opening import vault_of
from sealing.results import Verdict
from tests.api.artifacts import RAW, keep
from tests.factories import World
from tests.services.evidence import deposits, helpers, vaults
from tests.services.evidence.deposits import FILES, FOLDER, NAME

pytestmark = pytest.mark.django_db
SYSTEM = Actor.system("tests")


@pytest.fixture(autouse=True)
def later(monkeypatch: pytest.MonkeyPatch, world: World, local_vault: Path) -> None:
    """It is a day later, and there is something else in the vault."""
    deposits.put("local", folder=FOLDER.replace("2025-01-31", "2025-01-30"))
    monkeypatch.setattr(strangers, "_NEW", timedelta())
    monkeypatch.setattr(artifact_recording, "_LEFT", timedelta())


def audit() -> VaultAudit:
    return audit_vault(actor=SYSTEM)


def lost(world: World, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> DepositIntent:
    """An artefact whose process died when the bytes were locked."""

    def die(*args: object, **options: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(artifact_recording, "record", die)
        with pytest.raises(KeyboardInterrupt):
            keep(world, **changes)
    return DepositIntent.objects.get()


def folder_of(intent: DepositIntent) -> Path:
    return Path(vault_of("local").path(intent.folder))


def test_an_artefact_is_recorded_in_the_name_of_its_sender(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    intent = lost(world, monkeypatch, note="Signed off")
    assert not Artifact.objects.exists()
    found = audit()
    assert (found.verdict, found.notices) == (Verdict.VALID, [])
    assert found.repaired == [f"{intent.folder}: recorded"]
    kept = Artifact.objects.get()
    assert (kept.account, kept.title, kept.note) == (world.user("olivia"), "Groups", "Signed off")
    assert kept.deposit.folder == intent.folder
    (event,) = helpers.events_of(EventType.EVIDENCE_ARTIFACT_RECEIVED, str(kept.pk))
    assert event["actor"]["id"] == world.actor("olivia").id
    assert "by the audit of the vault" in event["data"]["note"]
    with artifacts.read(actor=world.actor("olivia"), artifact_id=kept.pk).file as file:
        assert file.read() == RAW
    assert not DepositIntent.objects.exists()
    assert (audit().repaired, audit().verdict) == ([], Verdict.VALID)


def test_one_that_may_still_be_on_its_way_is_left_alone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(artifact_recording, "_LEFT", timedelta(hours=1))
    lost(world, monkeypatch)
    found = audit()
    assert (found.verdict, Artifact.objects.count()) == (Verdict.VALID, 0)
    assert [item.code for item in found.notices] == ["vault_deposit_unfinished"]


def test_two_who_record_the_same_record_it_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The audit was faster than a sender that was only slow."""
    given = artifact_recording.record

    def slow(artifact: Artifact, *args: Any, **options: Any) -> Artifact:
        monkeypatch.setattr(artifact_recording, "record", given)
        assert audit().repaired
        return given(artifact, *args, **options)

    monkeypatch.setattr(artifact_recording, "record", slow)
    assert keep(world) == Artifact.objects.get()
    assert len(helpers.events_of(EventType.EVIDENCE_ARTIFACT_RECEIVED)) == 1


def test_one_that_cannot_be_recorded_is_a_notice(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    intent = lost(world, monkeypatch)
    before = trail.record

    def fail(kind: EventType, **options: Any) -> None:
        if kind is EventType.EVIDENCE_ARTIFACT_RECEIVED:
            raise DatabaseError("gone")
        before(kind, **options)

    monkeypatch.setattr(trail, "record", fail)
    found = audit()
    assert (found.verdict, Artifact.objects.count()) == (Verdict.VALID, 0)
    (notice,) = found.notices
    assert (notice.code, notice.where) == ("vault_deposit_unfinished", intent.folder)


def test_what_was_changed_meanwhile_is_a_fault(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    intent = lost(world, monkeypatch)
    folder = folder_of(intent)
    vaults.loosen(folder)
    (folder / "groups.csv").write_bytes(b"forged")
    vaults.close(folder)
    found = audit()
    assert dict(found.counts) == {"vault_deposit_unrecorded": 1}
    assert not Artifact.objects.exists()


def test_without_an_intent_it_is_a_fault(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    lost(world, monkeypatch).delete()
    assert dict(audit().counts) == {"vault_deposit_unrecorded": 1}


def test_an_intent_that_came_to_nothing_is_forgotten(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*args: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(LocalVault, "commit", die)
        with pytest.raises(KeyboardInterrupt):
            keep(world)
    assert DepositIntent.objects.exists()
    found = audit()
    assert (found.verdict, found.notices, found.repaired) == (Verdict.VALID, [], [])
    assert not DepositIntent.objects.exists()


# --- packets ----------------------------------------------------------------------------------


def failed_packet() -> None:
    """A packet that was locked, and of which the record was never stored."""
    sources = [of_bytes(name, raw) for name, raw in FILES.items()]
    depositing.commit(depositing.stage(deposits.plan("local"), sources))


def test_a_packet_that_failed_is_named(world: World) -> None:
    failed_packet()
    for _ in range(2):
        found = audit()
        assert (found.verdict, found.deposits) == (Verdict.VALID, Deposit.objects.count())
        (notice,) = found.notices
        assert (notice.code, notice.where) == ("vault_deposit_unfinished", FOLDER)
        assert f"The packet {NAME}" in notice.message
    deposits.put("local")
    assert (audit().notices, DepositIntent.objects.count()) == ([], 0)


def test_a_file_more_in_its_folder_is_a_fault(world: World, local_vault: Path) -> None:
    failed_packet()
    folder = local_vault / FOLDER
    vaults.loosen(folder)
    (folder / "more.txt").write_bytes(b"x")
    vaults.close(folder)
    assert dict(audit().counts) == {"vault_deposit_unrecorded": 1}
