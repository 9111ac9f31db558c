"""The settings of the stream: what they may say, and what nobody can switch off."""

from __future__ import annotations

from typing import Any

import pytest

from audit.services import kafka
from audit.services.kafka import KafkaRefused


@pytest.mark.parametrize("topic", ["", ".", "..", "a b", "x" * 250, "ü"], ids=range(6))
def test_names_that_no_topic_has(topic: str) -> None:
    with pytest.raises(KafkaRefused):
        kafka.check_topic(topic)


@pytest.mark.parametrize(
    "options",
    ["acks=1", "enable.idempotence = false", "nonsense", "no.such.option=1", "linger.ms=many"],
)
def test_options_that_are_refused(settings: Any, options: str) -> None:
    settings.KAFKA_OPTIONS = options
    with pytest.raises(KafkaRefused):
        kafka.Producer("topic")


def test_options_are_lines(settings: Any) -> None:
    settings.KAFKA_OPTIONS = "# how\n\nsecurity.protocol = SASL_SSL\nsasl.password=a=b\n"
    assert kafka._options() == {"security.protocol": "SASL_SSL", "sasl.password": "a=b"}


def test_no_options(settings: Any) -> None:
    settings.KAFKA_OPTIONS = ""
    assert kafka._options() == {}
