"""Partitions that the group, though it is at rest, has given to nobody.

A member lets go of a partition that another shall have, and then joins once more, so that the group hands it on. One
that is killed between the two and is back before its session ends gets what it has now, as a static member may, and no
round follows: nobody reads the partition until somebody joins or leaves. So after a while somebody does.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import structlog

from stream.kafka.membership import Unowned

LOOK_EVERY_S = 10.0
ORPHANED_S = 30.0
"""Longer than the two rounds of an orderly change take; each member in order waits as long again, so one acts first."""

log = structlog.get_logger()


class Orphans:
    """`unowned` asks the group (None: can't be said now), `nudge` makes it share its partitions out anew."""

    def __init__(self, unowned: Callable[[], Unowned | None], nudge: Callable[[], None]) -> None:
        self._unowned = unowned
        self._nudge = nudge
        self._since_s: float | None = None
        self._asking = ThreadPoolExecutor(1, thread_name_prefix="orphans")

    async def run(self) -> None:
        """Look every few seconds, for as long as the worker lives."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                await asyncio.sleep(LOOK_EVERY_S)
                unowned = await loop.run_in_executor(self._asking, self._unowned)
                if self.orphaned(unowned, time.monotonic()):
                    assert unowned is not None
                    log.warning("group_nudged", partitions=sorted(unowned.partitions), seconds=ORPHANED_S)
                    await loop.run_in_executor(self._asking, self._nudge)
                    self._since_s = None
        finally:
            self._asking.shutdown(wait=False, cancel_futures=True)

    def orphaned(self, unowned: Unowned | None, now_s: float) -> bool:
        """Whether every answer named some for so long that it is on us to do something."""
        if unowned is None or not unowned.partitions:
            self._since_s = None
            return False
        if self._since_s is None:
            self._since_s = now_s
        return now_s - self._since_s >= ORPHANED_S * (1 + unowned.rank)
