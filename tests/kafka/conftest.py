"""Everything in this folder runs against Apache Kafka, one broker for the whole run."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kafka.apache import ApacheKafka, KafkaFailed, kafka_jars, missing_programs
from tests.kafka.fixtures import Topics

HERE = Path(__file__).parent
ENOUGH_S = 400
"""For whatever a test waits for, one after the other; each wait has a bound of its own."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.kafka)
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(ENOUGH_S))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Fetch the broker's jars before the first test, whose time limit a slow download would use up."""
    wanted = any(item.path.is_relative_to(HERE) for item in session.items)
    if wanted and not session.config.option.collectonly and not missing_programs():
        with contextlib.suppress(KafkaFailed):  # said again, and shown, by the tests that need them
            kafka_jars()


@pytest.fixture(scope="session")
def needs_kafka() -> None:
    """Skips, or fails where it is required, when the programs that Apache Kafka needs are not there."""
    missing = missing_programs()
    if missing:
        reason = f"Apache Kafka needs java and mvn; not found: {', '.join(missing)}"
        if os.environ.get("TEST_ON_KAFKA") == "required":
            pytest.fail(f"{reason}, though TEST_ON_KAFKA=required", pytrace=False)
        pytest.skip(reason)


@pytest.fixture(scope="session")
def apache_kafka(needs_kafka: None) -> Iterator[ApacheKafka]:
    """A running Apache Kafka, shared by the tests of the run: a test that stops or pauses it must start it again."""
    with ApacheKafka() as kafka:
        yield kafka


@pytest.fixture
def topics(apache_kafka: ApacheKafka) -> Topics:
    """Topics and groups of this test alone."""
    return Topics(apache_kafka.bootstrap)
