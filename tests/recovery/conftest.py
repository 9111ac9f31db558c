"""An installation with an archived log, and other databases to restore it into."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connections

from audit.services import cutting, keys
from sealing.keys import signers_document
from tests import databases
from tests.factories import World
from tests.servers.moto import (  # noqa: F401 - fixtures
    aws_environment,
    locked_bucket,
    moto_server,
)


@pytest.fixture(autouse=True)
def small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cutting, "SEGMENT_EVENTS", 20)


@pytest.fixture
def signers_file(committed_world: World, tmp_path: Path) -> Path:
    """The keys of the installation, kept elsewhere than its archive."""
    path = tmp_path / "signers.json"
    path.write_bytes(signers_document(keys.signers()))
    return path


@pytest.fixture
def new_database(
    template_database: str, committed_world: World
) -> Iterator[Callable[[], databases.DatabaseUrls]]:
    """Makes empty migrated databases, and points Django at the one made last."""
    before = connections["default"].settings_dict["NAME"]
    made: list[str] = []

    def make() -> databases.DatabaseUrls:
        name = f"restored_{uuid.uuid4().hex[:12]}"
        connections.close_all()
        urls = databases.create(name, template=template_database)
        made.append(name)
        databases.point_at(name)
        return urls

    yield make
    connections.close_all()
    databases.point_at(before)
    for name in made:
        databases.drop(name)


@pytest.fixture
def replica(tmp_path: Path, settings: Any) -> Callable[[], Path]:
    """Copies the archive to another place, which is not the archive that is written to."""

    def make() -> Path:
        return Path(shutil.copytree(settings.AUDIT_STORAGE_PATH, tmp_path / "replica"))

    return make
