"""Fixtures of every test: databases, folders, and the world of people that they act in."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connections
from pytest_django import DjangoDbBlocker

from tests import databases
from tests.factories import World
from tests.servers.faulty import faulty_s3  # noqa: F401
from tests.servers.moto import (  # noqa: F401
    aws_environment,
    locked_bucket,
    moto_server,
    s3_options,
    unlocked_bucket,
)
from tests.servers.rados import rados_bucket, rados_server  # noqa: F401


@pytest.fixture(scope="session")
def template_database(django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """The name of the migrated template of this run."""
    with django_db_blocker.unblock(), databases.migrated_template() as name:
        yield name


@pytest.fixture(scope="session")
def django_db_setup(template_database: str, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """pytest-django's hook: the database in which ordinary tests roll back."""
    name = f"rollback_{uuid.uuid4().hex[:12]}"
    with django_db_blocker.unblock():
        connections.close_all()
        databases.create(name, template=template_database)
        databases.point_at(name)
        from tests.factories import prepare_world

        prepare_world()
        connections.close_all()
    yield
    with django_db_blocker.unblock():
        connections.close_all()
        databases.drop(name)


@pytest.fixture(scope="session")
def world_database(
    template_database: str, django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[str]:
    """The name of a template that holds the world, made once and copied for each test."""
    name = f"world_{uuid.uuid4().hex[:12]}"
    before = connections["default"].settings_dict["NAME"]
    with django_db_blocker.unblock():
        connections.close_all()
        databases.create(name, template=template_database)
        databases.point_at(name)
        from tests.factories import prepare_world

        prepare_world()
        connections.close_all()
        databases.point_at(before)
    yield name
    databases.drop(name)


@pytest.fixture
def committed_db(
    request: pytest.FixtureRequest,
    template_database: str,
    django_db_setup: None,
    django_db_blocker: DjangoDbBlocker,
) -> Iterator[databases.CommittedDatabase]:
    """A database of this test's own in which commits are real: for threads and processes."""
    name = f"committed_{uuid.uuid4().hex[:12]}"
    before = connections["default"].settings_dict["NAME"]
    template = template_database
    if "committed_world" in request.fixturenames:
        template = request.getfixturevalue("world_database")
    with django_db_blocker.unblock():
        connections.close_all()
        urls = databases.create(name, template=template)
        databases.point_at(name)
        try:
            yield databases.CommittedDatabase(urls)
        finally:
            connections.close_all()
            databases.drop(name)
            databases.point_at(before)


@pytest.fixture(autouse=True)
def own_folders(settings: Any, tmp_path: Path) -> None:
    """Every test writes below its own temporary folder, and throttles start from nothing."""
    settings.DATA_DIR = tmp_path / "data"
    settings.EVIDENCE_PACKAGE_DIR = tmp_path / "packages"
    settings.AUDIT_SIGNER_STATE = tmp_path / "signer-state.json"
    settings.AUDIT_STORAGE_PATH = tmp_path / "archive"
    settings.COMPLIANCE_EVIDENCE_VAULT_DIR = ""
    # What is immutable can't be cleared away; `local_vault` turns it on and takes it off again.
    settings.EVIDENCE_VAULT_IMMUTABLE = False
    settings.EVIDENCE_PACKAGE_DIR.mkdir()
    cache.clear()


@pytest.fixture(autouse=True)
def no_waiting_for_checkpoints(monkeypatch: pytest.MonkeyPatch) -> None:
    """Checkpoints are signed as soon as they are asked for (one test has the interval back)."""
    from audit.services import checkpoints

    monkeypatch.setattr(checkpoints, "MIN_INTERVAL", timedelta())


@pytest.fixture(autouse=True)
def exports_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits for an export or a packet carries it out meanwhile, where no worker does."""
    from evidence.services import exporting
    from reports.services import packets
    from tests.carrying import carry_out

    for doors in (exporting, packets):
        monkeypatch.setattr(doors, "execute", carry_out)
        monkeypatch.setattr(doors, "wait_for", lambda run, seconds: carry_out(run.pk))


@pytest.fixture
def world(db: None) -> World:
    """People, clients and keys (see tests/factories.py), in a test that rolls back."""
    return World.load()


@pytest.fixture
def committed_world(committed_db: databases.CommittedDatabase) -> World:
    """The same people, clients and keys in a database in which commits are real."""
    return World.load()
