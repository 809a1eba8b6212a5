"""What `/metrics` tells of a migration: how many customers are judged by which revision, and what is still warming."""

from __future__ import annotations

from typing import Any

from stream.core.program import Program


class RevisionMetrics:
    """Over this worker's partitions. `families`: the gauges by name."""

    def __init__(self, program: Program, families: dict[str, Any]) -> None:
        self._customers = families["definitions_customers"]
        self._warming = families["segment_warming_until_timestamp_seconds"]
        self._current = program.version
        self._names = [definition.name for definition in program.definitions]
        self._counts: dict[int, dict[int, int]] = {}  # partition -> revision -> customers
        self._until_ms: dict[int, dict[str, int]] = {}  # partition -> definition -> until when
        self._shown: set[str] = set()
        self._show()

    def told(self, partition: int, keys: int, earlier: dict[str, int], warming: dict[str, int]) -> None:
        """How a partition stands after a commit. `earlier`: customers by earlier revision; `warming`: definition ->
        until when (ms) it is, as of its clock."""
        counts = {int(revision): count for revision, count in earlier.items()}
        counts[self._current] = keys - sum(counts.values())
        if counts != self._counts.get(partition) or warming != self._until_ms.get(partition):
            self._counts[partition], self._until_ms[partition] = counts, warming
            self._show()

    def dropped(self, partition: int) -> None:
        self._counts.pop(partition, None)
        self._until_ms.pop(partition, None)
        self._show()

    def _show(self) -> None:
        totals = {str(self._current): 0}
        for counts in self._counts.values():
            for revision, count in counts.items():
                totals[str(revision)] = totals.get(str(revision), 0) + count
        for gone in self._shown - totals.keys():
            self._customers.remove(gone)
        self._shown = set(totals)
        for revision_text, total in totals.items():
            self._customers.labels(revision_text).set(total)
        for name in self._names:
            until_ms = max((warming.get(name, 0) for warming in self._until_ms.values()), default=0)
            self._warming.labels(name).set(until_ms / 1000)
