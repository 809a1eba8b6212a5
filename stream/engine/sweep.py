"""A migration's sweep: customers whom nothing touches are carried over to changed definitions, so many a second."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from stream.engine.failures import WakeFailed
from stream.engine.task import PartitionTask

SWEEP_CHUNK = 250
"""Customers visited at a time: some 15 ms under the lock."""

SWEEP_WITHIN_MS = 10_000
"""A partition whose clock is farther behind has other things to do."""


class Sweeper:
    """Over the partitions that are `live`. `failed` is told under the lock."""

    def __init__(
        self,
        live: Callable[[], list[PartitionTask]],
        lock: asyncio.Lock,
        failed: Callable[[PartitionTask, WakeFailed], None],
    ) -> None:
        self._live = live
        self._lock = lock
        self._failed = failed

    async def go_on(self, now_ms: int, customers: float) -> None:
        """Visit so many, partition by partition; records and commits come between."""
        budget = max(1, int(customers))
        chunk = min(SWEEP_CHUNK, budget)
        while budget > 0:
            sweeping = [task for task in self._live() if task.can_sweep and self._runs(task, now_ms)]
            for task in sweeping:
                if budget <= 0:
                    return
                async with self._lock:
                    if task in self._live():
                        self._sweep(task, min(chunk, budget))
                budget -= chunk
            if not sweeping:
                return
            await asyncio.sleep(0)

    def _runs(self, task: PartitionTask, now_ms: int) -> bool:
        return now_ms - task.partition.clock_ms <= SWEEP_WITHIN_MS

    def _sweep(self, task: PartitionTask, chunk: int) -> None:
        try:
            task.sweep(chunk)
        except WakeFailed as failure:
            self._failed(task, failure)
