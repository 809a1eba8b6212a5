"""The order of a run: what needs nothing first, then the embedded broker, then Apache Kafka."""

from __future__ import annotations

import pytest
from hypothesis import settings

settings.register_profile("busy machine", deadline=None)  # tests share the processor with others, and with a simulation
settings.load_profile("busy machine")


@pytest.hookimpl(trylast=True)  # after the folders have marked their tests
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: [item.get_closest_marker(name) is not None for name in ("kafka", "embedded")])
