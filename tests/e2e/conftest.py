"""One installation for all tests here: database, web server, worker, outside services."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from django.db import connections
from pytest_django import DjangoDbBlocker

from tests import databases
from tests.e2e.installation import Installation, end, environment_of, serving
from tests.servers.external import ExternalServer
from tests.servers.tsa import Authority
from tests.services.evidence.vaults import loosen


@pytest.fixture(scope="package")
def installation(
    world_database: str,
    tmp_path_factory: pytest.TempPathFactory,
    django_db_blocker: DjangoDbBlocker,
) -> Iterator[Installation]:
    """What an operator has who follows the runbook."""
    folder = tmp_path_factory.mktemp("installation")
    name, before = f"e2e_{uuid.uuid4().hex[:12]}", connections["default"].settings_dict["NAME"]
    with ExitStack() as stack, django_db_blocker.unblock():
        connections.close_all()
        urls = databases.create(name, template=world_database)
        stack.callback(databases.point_at, before)
        stack.callback(databases.drop, name)
        stack.callback(connections.close_all)
        databases.point_at(name)
        external = stack.enter_context(ExternalServer(folder / "external").serving())
        authority = stack.enter_context(Authority(folder / "authority").serving())
        environment = environment_of(folder, urls.application, external, authority)
        stack.callback(loosen, folder / "vault")
        url = stack.enter_context(serving(folder, environment))
        made = Installation(folder, url, environment, external, authority)
        stack.callback(lambda: end(made.worker))
        yield made


@pytest.fixture(autouse=True)
def as_it_should_be(installation: Installation, settings: Any) -> Iterator[None]:
    """A worker, and nothing wrong outside; passwords are hashed here as the servers do."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.ScryptPasswordHasher"]
    if installation.worker is None:
        installation.start_worker()
    yield
    installation.external.heal()
