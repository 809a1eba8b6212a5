"""Names of one test's own topics and groups, so that tests share a broker and never meet."""

from __future__ import annotations

import uuid

from tests.kafka.kit import Topic, admin_of, create_topics


class Topics:
    """`prefix` is unique to the test; `name("orders")` is a topic's or group's full name."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.prefix = f"t{uuid.uuid4().hex[:10]}-"

    def name(self, short: str) -> str:
        return f"{self.prefix}{short}"

    def create(self, short: str, partitions: int = 4, **config: str) -> str:
        """Create a topic; options with `_` for `.`: `cleanup_policy="compact"`. Returns its full name."""
        settings = {option.replace("_", "."): value for option, value in config.items()}
        create_topics(admin_of(self.address), [Topic(self.name(short), partitions, settings)])
        return self.name(short)
