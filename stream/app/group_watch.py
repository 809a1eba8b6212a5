"""A group that is at odds with its consumers, for long: what the coordinator says is held against what we have.

Seen after connections were reset again and again: the coordinator said `[0, 1]`, the consumer's last assignment was
empty, and it kept its membership, so nobody else got them (`Strays`). Seen after a broker had been frozen: a consumer
that had lost its partitions did not join again (`Outside`). A worker that is started anew joins, so this one ends.

Seen when a member was killed between letting go of a partition that another should have and joining once more, and was
back before its session ended: a static member gets what it has now, and no round follows, so nobody reads the partition
until somebody joins or leaves (`Orphans`). So somebody does.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import structlog

from stream.kafka.membership import GroupView
from stream.kafka.source import SourceFailed

LOOK_EVERY_S = 10.0
STRAYED_S = 30.0
"""Longer than an assignment is under way: while partitions are being let go of, it waits for a commit at most."""

OUTSIDE_S = 60.0
"""Longer than joining takes: a few seconds, or as long as another member's commit holds the group up."""

ORPHANED_S = 30.0
"""Longer than the two rounds of an orderly change take; each member in order waits as long again, so one acts first."""

log = structlog.get_logger()


class Strays:
    """Partitions that the group has given us, and the consumer never had."""

    def __init__(self) -> None:
        self._since_s: dict[int, float] = {}

    def judge(self, group: GroupView | None, held: frozenset[int], now_s: float) -> list[int]:
        """Those of which every answer for STRAYED_S said so. `group` None: it can't be said now, and the time begins
        anew."""
        ours = group.ours if group is not None else None
        missing = frozenset() if ours is None else ours - held
        self._since_s = {partition: self._since_s.get(partition, now_s) for partition in missing}
        return sorted(partition for partition, since_s in self._since_s.items() if now_s - since_s >= STRAYED_S)


class Outside:
    """A worker whose group does not know it, and whose consumer has nothing either."""

    def __init__(self) -> None:
        self._since_s: float | None = None

    def judge(self, group: GroupView | None, held: frozenset[int], now_s: float) -> bool:
        """Whether every answer for OUTSIDE_S said so. A consumer that still has partitions is not outside: it will
        hear of it by itself, and lose them."""
        if group is None or group.ours is not None or held:
            self._since_s = None
            return False
        if self._since_s is None:
            self._since_s = now_s
        return now_s - self._since_s >= OUTSIDE_S


class Orphans:
    """Partitions that the group, though it is at rest, has given to nobody."""

    def __init__(self, partition_count: int) -> None:
        self._partition_count = partition_count
        self._since_s: float | None = None

    def judge(self, group: GroupView | None, now_s: float) -> list[int]:
        """What has no owner now, if every answer named some for so long that it is on us to do something."""
        unowned = frozenset() if group is None or group.ours is None else group.unowned(self._partition_count)
        if group is None or not unowned:
            self._since_s = None
            return []
        if self._since_s is None:
            self._since_s = now_s
        return sorted(unowned) if now_s - self._since_s >= ORPHANED_S * (1 + group.rank) else []


class GroupWatch:
    """`ask` asks the group (None: can't be said now), `nudge` makes it share its partitions out anew: both block.
    `held` is what the consumer has; `fatal` ends the worker."""

    def __init__(
        self,
        ask: Callable[[], GroupView | None],
        nudge: Callable[[], None],
        held: Callable[[], frozenset[int]],
        fatal: Callable[[BaseException], object],
        partition_count: int,
    ) -> None:
        self._ask = ask
        self._nudge = nudge
        self._held = held
        self._fatal = fatal
        self._partition_count = partition_count
        self._asking = ThreadPoolExecutor(1, thread_name_prefix="group")
        self._begin_anew()

    async def run(self) -> None:
        """Look every few seconds, for as long as the worker lives."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                await asyncio.sleep(LOOK_EVERY_S)
                group = await loop.run_in_executor(self._asking, self._ask)
                orphaned = self.look(group, time.monotonic())
                if orphaned:
                    log.warning("group_nudged", partitions=orphaned, seconds=ORPHANED_S)
                    await loop.run_in_executor(self._asking, self._nudge)
                    self._begin_anew()  # the nudge took a while, in which nobody looked
        finally:
            self._asking.shutdown(wait=False, cancel_futures=True)

    def look(self, group: GroupView | None, now_s: float) -> list[int]:
        """End the worker if it must join anew; else the partitions for which the group needs a nudge. `now_s`: of any
        clock that never goes back."""
        held = self._held()
        strayed = self._strays.judge(group, held, now_s)
        if strayed:
            self._fatal(
                SourceFailed(
                    f"the group says that this worker has partitions {strayed}, for {STRAYED_S:.0f} s now, and "
                    "its consumer was never given them: nobody reads them. It ends, so that it joins anew when "
                    "it is started again"
                )
            )
        if self._outside.judge(group, held, now_s):
            self._fatal(
                SourceFailed(
                    f"this worker has no partitions and its group has not known it for {OUTSIDE_S:.0f} s, "
                    "though brokers answer: its consumer does not join. It ends, so that it joins when it "
                    "is started again"
                )
            )
        return self._orphans.judge(group, now_s)

    def _begin_anew(self) -> None:
        self._strays, self._outside, self._orphans = Strays(), Outside(), Orphans(self._partition_count)
