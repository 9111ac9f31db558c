"""What was left aside goes, if nobody needs it any more."""

from __future__ import annotations

import os
import time
import uuid
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings as current

from audit.events import Actor
from reports.models import Packet
from reports.services import outcomes, sweeping, writing
from sealing.errors import Unavailable
from tests.factories import World
from tests.services.reports import plans
from tests.services.reports.packing import JANUARY


def aside(name: str, *, age: timedelta = timedelta()) -> Path:
    """A folder aside with a file in it."""
    folder = Path(current.EVIDENCE_PACKAGE_DIR) / writing.MAKING / name
    folder.mkdir(parents=True)
    (folder / "file").write_bytes(b"x")
    moment = time.time() - age.total_seconds()
    os.utime(folder, (moment, moment))
    return folder


@pytest.fixture
def packet(world: World) -> Packet:
    return plans.plan("clinic-001", JANUARY.start, JANUARY.end)


def test_what_is_being_made_or_failed_is_left_to_its_run(packet: Packet) -> None:
    folder = aside(str(packet.pk), age=timedelta(days=9))
    assert sweeping.sweep() == 0
    assert folder.is_dir()
    error = Unavailable("gone")
    outcomes.record_failure(actor=Actor.system("tests"), packet=packet, error=error)
    assert not folder.exists(), "the failure took it away itself"


@pytest.mark.parametrize(
    ("name", "days", "goes"),
    [
        ("strange", 0, False),
        ("strange", 2, True),
        (str(uuid.UUID(int=1)), 0, False),
        (str(uuid.UUID(int=1)), 2, True),
        (f"{uuid.UUID(int=1)}.countersigned", 2, True),
    ],
)
def test_what_nobody_knows_of_goes_after_a_day(
    world: World, name: str, days: int, goes: bool
) -> None:
    folder = aside(name, age=timedelta(days=days))
    assert sweeping.sweep() == int(goes)
    assert folder.exists() is not goes


@pytest.mark.parametrize(("days", "goes"), [(0, False), (2, True)])
def test_what_was_signed_and_never_recorded_goes_after_a_day(
    packet: Packet, days: int, goes: bool
) -> None:
    """Whoever signs may be about to record it."""
    folder = aside(f"{packet.pk}.countersigned", age=timedelta(days=days))
    assert sweeping.sweep() == int(goes)
    assert folder.exists() is not goes


def test_nothing_is_aside(world: World) -> None:
    assert sweeping.sweep() == 0
