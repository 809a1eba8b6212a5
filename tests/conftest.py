"""The order of a run: what needs nothing first, then the embedded broker, then Apache Kafka."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("busy machine", deadline=None)  # tests share the processor with others, and with a simulation
settings.load_profile("busy machine")


@pytest.hookimpl(trylast=True)  # after the folders have marked their tests
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: [item.get_closest_marker(name) is not None for name in ("kafka", "embedded")])


def pytest_configure() -> None:
    """A file that was compiled (setup.py) runs instead of its source: then it must be as new."""
    stream = Path(__file__).parents[1] / "stream"
    sources = {path: path.with_name(path.name.split(".")[0] + ".py") for path in stream.rglob("*.so")}
    stale = [
        path.name
        for path, source in sources.items()
        if not source.exists() or path.stat().st_mtime < source.stat().st_mtime
    ]
    if stale:
        raise pytest.UsageError(f"older than their source: {', '.join(stale)}. Run `make compiled` or `make pure`.")
