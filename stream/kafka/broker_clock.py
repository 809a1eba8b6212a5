"""How far the wall clock is ahead of the broker's, by the append times of records.

A record was appended between when it was sent, or its transaction was begun, and when its acknowledgement came. Both
are taken from the monotonic clock, and the wall clock is held against it at every reading: one that steps, be it in the
midst of a commit, shows at once and not with the next record. A process that stands still between two readings is no
difference of clocks: the wall clock, too, is read between two readings of the monotonic one.
"""

from __future__ import annotations

import time
from collections.abc import Callable

TRUNCATED_MS = 1
"""The difference of two times cut to whole ms is less than this off."""


def monotonic_ms() -> int:
    return time.monotonic_ns() // 1_000_000


class BrokerClock:
    """All times in ms; `monotonic` of one process. Tells nothing before the first append time."""

    def __init__(self, monotonic: Callable[[], int] = monotonic_ms) -> None:
        self._monotonic = monotonic
        self._bounds: tuple[int, int] | None = None  # between them lies the broker's clock less the monotonic one

    def appended(self, append_ms: int, sent_ms: int) -> None:
        """The broker's clock told `append_ms` at some instant between `sent_ms` of the monotonic clock and now."""
        least_ms = append_ms - self._monotonic() - TRUNCATED_MS
        most_ms = append_ms - sent_ms + TRUNCATED_MS
        if self._bounds is not None:
            both = max(least_ms, self._bounds[0]), min(most_ms, self._bounds[1])
            if both[0] <= both[1]:
                least_ms, most_ms = both  # a slow commit makes the answer no vaguer
        self._bounds = least_ms, most_ms

    def ahead_ms(self, wall: Callable[[], int]) -> int | None:
        """By how much the wall clock is ahead now, at least; below 0 it is behind."""
        if self._bounds is None:
            return None
        least_ms, most_ms = self._bounds
        before_ms = self._monotonic()
        wall_ms = wall()
        after_ms = self._monotonic()
        ahead_ms = wall_ms - after_ms - TRUNCATED_MS - most_ms
        behind_ms = least_ms - (wall_ms - before_ms + TRUNCATED_MS)
        return max(ahead_ms, 0) or -max(behind_ms, 0)
