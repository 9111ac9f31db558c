"""A cluster for the tests of the relay, and a topic for each."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from tests.servers import kafka
from tests.servers.kafka import Cluster

_numbers = itertools.count()


@pytest.fixture(scope="module")
def brokers() -> Iterator[Cluster]:
    """Three brokers."""
    with kafka.cluster() as running:
        yield running


@pytest.fixture
def cluster(brokers: Cluster, settings: Any) -> Iterator[Cluster]:
    """The cluster that the settings name, with a topic of the test's own."""
    settings.KAFKA_BOOTSTRAP_SERVERS = brokers.bootstrap_servers
    settings.KAFKA_TOPIC = f"strongroom.audit.{next(_numbers)}"
    brokers.create_topic(settings.KAFKA_TOPIC)
    yield brokers
    brokers.forgive()
    brokers.bring_up()
