"""The embedded broker for tests: the package's own, which `segmenter demo` starts too."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from stream.app.embedded_broker import EmbeddedBroker


@contextmanager
def embedded_broker() -> Iterator[str]:
    """The address of a broker that lives as long as the block, with nothing on it."""
    with EmbeddedBroker() as broker:
        yield broker.bootstrap
