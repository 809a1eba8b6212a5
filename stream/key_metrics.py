"""What `/metrics` tells of the input's keys: whether all producers put a customer into the same partition."""

from __future__ import annotations

from typing import Any

from stream.codec.partitioners import PARTITIONERS, partitioner_of

SAMPLE_EVERY_MS = 1_000
"""One key a second of each partition: hashing it takes some 5 us, which no event may cost."""


class KeyMetrics:
    """`family`: the counter, by partitioner. `partitions`: of the input."""

    def __init__(self, partitions: int, family: Any) -> None:
        self._partitions = partitions
        self._sampled = {name: family.labels(name) for name in PARTITIONERS}
        self._last_ms: dict[int, int] = {}

    def sample(self, partition: int, read_ms: int, key: bytes | None) -> None:
        if key is None or self._partitions < 2 or read_ms - self._last_ms.get(partition, 0) < SAMPLE_EVERY_MS:
            return
        self._last_ms[partition] = read_ms
        found = partitioner_of(key, partition, self._partitions)
        if found is not None:
            self._sampled[found].inc()
