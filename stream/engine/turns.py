"""Whose turn it is: the records that have been read, then wakes that wait, then the commit.

Most wakes fire at once, when the clock comes by. In a storm more come due than one commit takes; the others wait, and
each commit is preceded by as many of them as keep the worker busy for `BUSY_S` together with it, since so long no
record is taken in. Which wakes a commit fired stands in the journal; why so many, nobody has to know to do it again.

Records go first, in a storm or not: the lock is fair, so between two commits only a few of the batches that wait for it
would get in, fewer than come (measured with 1,000 events/s beside a storm: after 20 s events waited 12 s).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress

from stream.engine.failures import WakeFailed
from stream.engine.interfaces import Source
from stream.engine.task import PartitionTask

EARLY_COMMIT = 20_000
"""Events and changes pending: a commit of more would hold up everything for long."""

RECORDS_FIRST_S = 0.25
"""So long at most records are taken in before a commit that is due."""

BUSY_S = 0.15
"""A record waits for at most two of these, one before it is taken in and one with its commit, and for the records that
are taken in with it. With 0.25, 1,000 events/s beside a million wakes had a p99 of 1.13 s."""

FIRST_WAKES = 1_000
"""Until it is known what wakes cost here. One that changes something costs some 150 us with its part of the commit."""

LEAST_WAKES = 500
"""Also when records alone keep the worker busy, so that a storm comes to its end."""

MOST_WAKES = 5_000
"""Of those that only are put off, which cost little; the next may be others."""

LARGEST_STEP = 2.0
"""One commit that was slow or quick by chance moves the number by no more than this."""


class Turns:
    """Over the partitions that are `live`, together. `failed` is told under the engine's lock."""

    def __init__(
        self,
        live: Callable[[], list[PartitionTask]],
        source: Source,
        failed: Callable[[PartitionTask, WakeFailed], None],
    ) -> None:
        self._live = live
        self._source = source
        self._failed = failed
        self._taken = asyncio.Event()
        self._taken_records = 0
        self._busy_s = 0.0  # what firing, and making records ahead, took for the commit to come
        self._spent = False  # that commit takes as many wakes as it may, and more wait
        self.wakes = FIRST_WAKES  # of a commit

    # -- records

    def taken(self, records: int) -> None:
        """A batch of so many records was taken in."""
        self._taken_records += records
        self._taken.set()

    @property
    def much_is_pending(self) -> bool:
        """Whether a commit is due for its size alone."""
        return sum(task.pending_work for task in self._live()) >= EARLY_COMMIT

    async def let_records_first(self) -> None:
        """Wait, not under the lock, until what has been read by now is taken in; batches come in their order."""
        read = self._taken_records + self._source.underway
        with suppress(TimeoutError):
            async with asyncio.timeout(RECORDS_FIRST_S):
                while self._taken_records < read and not self.much_is_pending:
                    self._taken.clear()
                    await self._taken.wait()

    # -- wakes

    @property
    def wakes_wait(self) -> bool:
        """Whether some wait for the next commit."""
        return any(task.backlog for task in self._live())

    def share(self) -> None:
        """Divide a commit's wakes evenly: among the partitions where some wait, and for the case that others come to
        need them, among all."""
        live = self._live()
        behind = sum(task.backlog for task in live)
        for task in live:
            task.share_wakes(max(1, self.wakes // (behind if task.backlog else len(live))))

    def fire(self) -> None:
        """Under the lock: what waits, as far as the shares of the commit to come allow."""
        started_s = time.perf_counter()
        self._spent = False
        for task in self._live():
            try:
                self._spent |= task.fire_waiting()
            except WakeFailed as failure:
                self._failed(task, failure)
        self._busy_s += time.perf_counter() - started_s

    def made_ahead(self, seconds: float) -> None:
        """Something of the commit to come was made already, and took so long: a part of what its wakes cost."""
        self._busy_s += seconds

    def committed(self, seconds: float) -> None:
        """A commit took so long. Where it used up its wakes, that tells how many the next may take."""
        if self._spent:
            self.wakes = next_wakes(self.wakes, self._busy_s + seconds)
        self._busy_s, self._spent = 0.0, False
        self.share()


def next_wakes(wakes: int, busy_s: float) -> int:
    """What a commit may take after one of so many wakes that kept the worker busy for so long."""
    factor = BUSY_S / max(busy_s, BUSY_S / LARGEST_STEP)
    return min(MOST_WAKES, max(LEAST_WAKES, round(wakes * max(factor, 1 / LARGEST_STEP))))
