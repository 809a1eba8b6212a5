"""Partitions that the group believes we have, and that our consumer knows nothing of.

Seen once, after connections were reset again and again: the coordinator said `[0, 1]`, the consumer's last assignment
was empty, and it kept its membership, so nobody else got them. A worker that joins anew gets them, so this one ends.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from stream.kafka.source import SourceFailed

LOOK_EVERY_S = 10.0
STRAYED_S = 30.0
"""Longer than an assignment is under way: while partitions are being let go of, it waits for a commit at most."""


class Strays:
    """`given` asks the group (None: can't be said now), `held` the consumer; `fatal` ends the worker."""

    def __init__(
        self,
        given: Callable[[], frozenset[int] | None],
        held: Callable[[], frozenset[int]],
        fatal: Callable[[BaseException], object],
    ) -> None:
        self._given = given
        self._held = held
        self._fatal = fatal
        self._since_s: dict[int, float] = {}
        self._asking = ThreadPoolExecutor(1, thread_name_prefix="strays")

    async def run(self) -> None:
        """Look every few seconds, for as long as the worker lives."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                await asyncio.sleep(LOOK_EVERY_S)
                strayed = self.strayed(await loop.run_in_executor(self._asking, self._given), time.monotonic())
                if strayed:
                    self._fatal(
                        SourceFailed(
                            f"the group says that this worker has partitions {strayed}, for {STRAYED_S:.0f} s now, and "
                            "its consumer was never given them: nobody reads them. It ends, so that it joins anew when "
                            "it is started again"
                        )
                    )
        finally:
            self._asking.shutdown(wait=False, cancel_futures=True)

    def strayed(self, given: frozenset[int] | None, now_s: float) -> list[int]:
        """Those that every answer named, and the consumer never had, for STRAYED_S."""
        missing = frozenset() if given is None else given - self._held()
        self._since_s = {partition: self._since_s.get(partition, now_s) for partition in missing}
        return sorted(partition for partition, since_s in self._since_s.items() if now_s - since_s >= STRAYED_S)
