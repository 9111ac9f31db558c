"""Artefacts as the service keeps them: which of them a packet names, and what leaves no trace."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import DatabaseError, transaction

from audit.events import Actor, EventType
from audit.services import trail
from evidence.models import Artifact, Deposit
from evidence.services import artifacts, submissions
from evidence.services.errors import RequestRefused
from evidence.services.vault import depositing
from evidence.services.vault.errors import VaultUnavailable
from evidence.services.vault.local import LocalVault
from sealing.errors import NotFound
from tests.api.artifacts import RAW, keep
from tests.factories import World
from tests.services.evidence import helpers

pytestmark = pytest.mark.django_db
START, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)
TICK = timedelta(microseconds=1)


def named(client_id: str | None = "clinic-001", **changes: Any) -> list[Artifact]:
    given = {"framework": "SOC2", "start": START, "end": END} | changes
    return list(artifacts.of_period(client_id=client_id, **given))


@pytest.mark.parametrize("mode", ["local", "s3"])
def test_each_vault_keeps_them(world: World, mode: str, request: pytest.FixtureRequest) -> None:
    request.getfixturevalue(f"{mode}_vault")
    artifact = keep(world)
    assert artifact.deposit.mode == mode
    assert depositing.read(artifact.deposit, artifact.file_name) == RAW
    found = artifacts.read(actor=world.actor("audrey"), artifact_id=artifact.pk)
    with found.file:
        assert found.file.read() == RAW


@pytest.mark.parametrize(
    ("start", "end", "is_named"),
    [
        (START, END, True),
        (START - timedelta(days=365), END + timedelta(days=365), True),
        (START + timedelta(days=3), START + timedelta(days=4), True),
        (END - TICK, END + timedelta(days=1), True),
        (END, END + timedelta(days=1), False),
        (START - timedelta(days=1), START, False),
        (START - timedelta(days=1), START + TICK, True),
    ],
)
def test_periods_that_meet(
    world: World, local_vault: Path, start: datetime, end: datetime, is_named: bool
) -> None:
    keep(world, period_start=start, period_end=end)
    assert bool(named()) is is_named


def test_whose_they_are(world: World, local_vault: Path) -> None:
    one = keep(world)
    installation = keep(world, client_id=None)
    other = keep(world, username="alice", client_id="clinic-002")
    assert named() == [one]
    assert named("clinic-002") == [other]
    assert named(None) == [one, installation, other]
    assert named(framework="HIPAA") == []
    assert named(None, before=installation.created_at) == [one]


def test_a_vault_that_fails_leaves_no_trace(
    world: World, local_vault: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object) -> None:
        raise VaultUnavailable("The vault is full.")

    with monkeypatch.context() as patched:
        patched.setattr(LocalVault, "commit", fail)
        with pytest.raises(VaultUnavailable):
            keep(world)
    assert not Artifact.objects.exists() and not Deposit.objects.exists()
    assert list((local_vault / ".staging").iterdir()) == []
    assert not helpers.events_of(EventType.EVIDENCE_ARTIFACT_RECEIVED)


def test_without_its_event_there_is_no_row(
    world: World, local_vault: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object, **options: object) -> None:
        raise DatabaseError("gone")

    with monkeypatch.context() as patched:
        patched.setattr(trail, "record", fail)
        with pytest.raises(DatabaseError):
            keep(world)
    assert not Artifact.objects.exists() and not Deposit.objects.exists()


def test_a_download_that_is_not_recorded_does_not_leave(
    world: World, local_vault: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    artifact = keep(world)

    def fail(*args: object, **options: object) -> None:
        raise DatabaseError("gone")

    monkeypatch.setattr(trail, "record", fail)
    with pytest.raises(DatabaseError):
        artifacts.read(actor=world.actor("audrey"), artifact_id=artifact.pk)


def test_a_part_of_strongroom_hands_in_nothing(world: World, local_vault: Path) -> None:
    with pytest.raises(NotFound):
        artifacts.keep(
            actor=Actor.system("tests"),
            submission=artifacts.Submission(
                "clinic-001", "SOC2", "CC6.1", START, END, "t", "", "", "a", "", b"x"
            ),
        )


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"period_end": START}, "period_end"),
        ({"period_end": START + timedelta(days=3 * 366 + 1)}, "period_end"),
        ({"title": " \n "}, "title"),
        ({"origin": "two\nlines"}, "origin"),
        ({"content": b""}, "file"),
        ({"framework": "ISO"}, "framework"),
        ({"control_id": "cc6.1"}, "control"),
    ],
)
def test_what_is_refused_names_its_field(
    world: World, local_vault: Path, change: dict[str, Any], field: str
) -> None:
    with pytest.raises(RequestRefused) as refused:
        keep(world, **change)
    assert refused.value.field == field
    assert not local_vault.exists()


def test_a_file_on_disk_is_kept_as_it_is(world: World, local_vault: Path, tmp_path: Path) -> None:
    path = tmp_path / "upload"
    path.write_bytes(RAW * 100_000)
    artifact = keep(world, content=path)
    assert artifact.size_bytes == len(RAW) * 100_000
    assert b"".join(depositing.blocks(artifact.deposit, artifact.file_name)) == RAW * 100_000
    assert path.exists()


def test_records_of_artefacts_stay(world: World, local_vault: Path) -> None:
    artifact = keep(world)
    for change in ({"title": "Other"}, {"sha256": "sha256:" + "0" * 64}):
        with pytest.raises(DatabaseError), transaction.atomic():
            Artifact.objects.filter(pk=artifact.pk).update(**change)
    with pytest.raises(DatabaseError), transaction.atomic():
        Artifact.objects.filter(pk=artifact.pk).delete()


def test_another_clients_is_not_there(world: World, local_vault: Path) -> None:
    artifact = keep(world)
    for read in (artifacts.by_id, artifacts.read):
        with pytest.raises(NotFound):
            read(actor=world.actor("ben"), artifact_id=artifact.pk)


def test_a_period_that_has_not_begun_is_refused(world: World, local_vault: Path) -> None:
    begins = datetime.now(UTC) + timedelta(minutes=5)
    with pytest.raises(RequestRefused) as refused:
        keep(world, period_start=begins, period_end=begins + timedelta(days=1))
    assert refused.value.field == "period_start"
    with pytest.raises(RequestRefused) as refused:
        keep(world, period_start=START, period_end=START + timedelta(days=3 * 366, seconds=1))
    assert refused.value.field == "period_end"
    now = datetime.now(UTC)
    assert keep(world, period_start=now, period_end=now + timedelta(days=30))


def test_an_account_hands_in_so_many_a_day(
    world: World, local_vault: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submissions, "MAX_PER_DAY", 2)
    keep(world), keep(world)
    with pytest.raises(submissions.TooManyArtifacts) as refused:
        keep(world)
    assert 86_300 < refused.value.wait < 86_500
    assert keep(world, "svc-clinic-001")  # each account by itself
    tomorrow = datetime.now(UTC) + timedelta(days=1, minutes=1)
    monkeypatch.setattr(submissions.clock, "host_clock", lambda: tomorrow)
    assert keep(world)
