"""The watch: what the metrics tell of a worker that the engine can't, since it may be the one that stands still.

It asks the broker on a timer of its own, by handles of its own, and never takes the engine's lock: lag, open
transactions and headroom stay true while a commit hangs. What it can't ask stays as it was, and
`ends_asked_timestamp_seconds` and `watch_completed_timestamp_seconds` tell since when.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import structlog

from stream.core.holds import PARKED_AT_MS
from stream.engine.engine import Engine
from stream.engine.interfaces import Transactions
from stream.engine.task import REJECTS, PartitionTask
from stream.errors import SegmenterError
from stream.kafka.watch import Ends, KafkaWatch
from stream.metrics import HORIZONS, Metrics

LOOK_EVERY_S = 5.0
SLOW_EVERY_LOOKS = 6
"""The first unread record's timestamp and the input's settings: every 30 s."""
COUNT_EVERY_LOOKS = 12
"""Wakes to come are counted every minute: a million of them take a second or two."""
STANDS_AFTER_MS = 5_000
WAKES_AT_ONCE = 2_000
REST_S = 0.002
"""Between so many wakes: reading them holds the interpreter for about 2 ms."""

log = structlog.get_logger()


class Watch:
    """One for a worker. `topics`: whole names of the input and of the changes; `clock` is the worker's own."""

    def __init__(
        self,
        engine: Engine,
        kafka: KafkaWatch,
        transactions: Transactions,
        metrics: Metrics,
        topics: tuple[str, str],
        data_dir: Path,
        clock: Callable[[], int],
    ) -> None:
        self._engine = engine
        self._kafka = kafka
        self._transactions = transactions
        self._metrics = metrics
        self._input, self._changes = topics
        self._data_dir = data_dir
        self._clock = clock
        self._held: dict[tuple[str, int], tuple[int, float]] = {}  # stable end -> seen held back since (monotonic)
        self._retention_ms: int | None = None
        self._asking = ThreadPoolExecutor(1, thread_name_prefix="watch")
        self._failing = False

    async def run(self) -> None:
        """Look every few seconds, for as long as the worker lives."""
        looks = 0
        self._metrics.watch_completed(self._clock())  # so far there was nothing to ask
        try:
            while True:
                looks += await self._try(looks)
                await asyncio.sleep(LOOK_EVERY_S)
        finally:
            self._asking.shutdown(wait=False, cancel_futures=True)

    async def _try(self, looks: int) -> bool:
        try:
            seen = await self.look(slowly=looks % SLOW_EVERY_LOOKS == 0, count=looks % COUNT_EVERY_LOOKS == 0)
            self._failing = False
            return seen
        except (SegmenterError, OSError) as error:
            if not self._failing:
                log.warning("watch_failed", error=str(error))
            self._failing = True
            return False

    async def look(self, *, slowly: bool, count: bool) -> bool:
        """Once. `slowly`: also what is asked rarely; `count`: also the wakes to come. False: no partition is live."""
        usage = shutil.disk_usage(self._data_dir)
        self._metrics.disk(usage.free, usage.total)
        ahead_ms = self._transactions.ahead_ms()
        if ahead_ms is not None:
            self._metrics.skew(ahead_ms / 1000)
        live = [task for task in self._engine.tasks.values() if task is not None and task.epoch]
        self._tell_standing(live, {})  # also when the broker does not answer
        asked_ms = self._clock()
        if not live:
            self._metrics.watch_completed(asked_ms)
            return False
        numbers = [task.number for task in live]
        ends = await self._ask(self._kafka.ends, self._input, numbers)
        self._metrics.ends_asked(asked_ms)
        self._tell_standing(live, ends)
        self._tell_held(self._input, ends)
        self._tell_held(self._changes, await self._ask(self._kafka.ends, self._changes, numbers))
        if slowly:
            await self._look_slowly(live, ends)
        if count:
            await self._count_wakes(live)
        self._metrics.watch_completed(asked_ms)
        return True

    async def _look_slowly(self, live: list[PartitionTask], ends: dict[int, Ends]) -> None:
        self._retention_ms = await self._ask(self._kafka.retention_ms)
        self._metrics.retention(None if self._retention_ms is None else self._retention_ms / 1000)
        for task in live:
            seconds = None
            if self._retention_ms is not None and ends[task.number].end > task.partition.next_offset:
                stamp_ms = await self._ask(self._kafka.stamp_ms, task.number, task.partition.next_offset)
                if stamp_ms is not None:
                    seconds = (stamp_ms + self._retention_ms - self._clock()) / 1000
            self._metrics.headroom(task.number, seconds)

    async def _count_wakes(self, live: list[PartitionTask]) -> None:
        now_ms = self._clock()
        for task in live:
            try:
                self._metrics.wakes_due(task.number, await self._ask(count_wakes, task, now_ms))
                self._metrics.held_customers(task.number, await self._ask(count_held, task))
            except Exception:
                if self._engine.tasks.get(task.number) is task:
                    raise
                # The partition was taken away, and its store closed, while we read.

    def _tell_standing(self, live: list[PartitionTask], ends: dict[int, Ends]) -> None:
        now_ms = self._clock()
        for task in live:
            seen = ends.get(task.number)
            if seen is not None:
                self._metrics.lag(task.number, max(0, seen.end - task.partition.next_offset))
            self._metrics.standing(task.number, self._why_it_stands(task, seen, now_ms))

    def _why_it_stands(self, task: PartitionTask, seen: Ends | None, now_ms: int) -> str | None:
        """One of `CLOCK_REASONS`; None: the clock is at most STANDS_AFTER_MS behind."""
        if task.partition.clock_ms >= now_ms - STANDS_AFTER_MS:
            return None
        if task.wake_failed:
            return "core-failed"
        if self._engine.blocked_reason is not None:
            return self._engine.blocked_reason
        unread = task.lag if seen is None else seen.end - task.partition.next_offset
        if seen is not None and task.partition.next_offset >= seen.stable and self._held_s(self._input, task.number):
            return "open-transaction"
        if unread and task.stopped:
            return REJECTS
        if unread:
            return "unread-records"
        return "unknown" if self._engine.commit_started_s is None else "commit-waiting"

    def _tell_held(self, topic: str, ends: dict[int, Ends]) -> None:
        now_s = time.monotonic()
        for number, seen in ends.items():
            stable, since_s = self._held.get((topic, number), (-1, now_s))
            if seen.stable >= seen.end:
                self._held.pop((topic, number), None)
                since_s = now_s
            elif seen.stable != stable:
                since_s = now_s
                self._held[topic, number] = (seen.stable, now_s)
            self._metrics.open_transaction(topic, number, now_s - since_s)

    def held_back_s(self, partition: int) -> float:
        """How long an open transaction has held back this partition of the input; 0: none does."""
        return self._held_s(self._input, partition)

    def _held_s(self, topic: str, number: int) -> float:
        """How long the stable end has stood before the end."""
        held = self._held.get((topic, number))
        return 0.0 if held is None else time.monotonic() - held[1]

    async def _ask(self, question: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._asking, question, *arguments)


def count_held(task: PartitionTask) -> int:
    """Customers that wait for a release: those parked, and while the whole clock is held those who are due."""
    hold = task.partition.hold
    if hold is None:
        return 0
    until_ms = task.partition.clock_ms - task.settings.grace_ms if hold.whole else PARKED_AT_MS
    count = 0
    for count, _ in enumerate(task.store.due(PARKED_AT_MS, until_ms), 1):
        if count % WAKES_AT_ONCE == 0:
            time.sleep(REST_S)
    return count


def count_wakes(task: PartitionTask, now_ms: int) -> dict[str, int]:
    """How many entries of the stored index are due within each of `HORIZONS` from now on, overdue ones included."""
    counts = dict.fromkeys(HORIZONS, 0)
    limits = sorted((now_ms + within_ms, name) for name, within_ms in HORIZONS.items())
    for read, (due_ms, _) in enumerate(task.store.due(PARKED_AT_MS + 1, limits[-1][0]), 1):
        for limit_ms, name in limits:
            if due_ms <= limit_ms:
                counts[name] += 1
                break
        if read % WAKES_AT_ONCE == 0:
            time.sleep(REST_S)
    total = 0
    for _, name in limits:  # what comes within an hour also comes within a day
        total = counts[name] = total + counts[name]
    return counts
