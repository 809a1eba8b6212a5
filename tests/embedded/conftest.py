"""Everything in this folder runs against the embedded broker, one for the whole run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.embedded.broker import embedded_broker
from tests.kafka.fixtures import Topics

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.embedded)


@pytest.fixture(scope="session")
def broker_address() -> Iterator[str]:
    """Address of the embedded broker, shared by the tests of the run."""
    with embedded_broker() as address:
        yield address


@pytest.fixture
def topics(broker_address: str) -> Topics:
    """Topics and groups of this test alone."""
    return Topics(broker_address)
