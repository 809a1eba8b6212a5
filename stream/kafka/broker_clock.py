"""How far the wall clock is ahead of the broker's, by the append times of records.

A record was appended between when it was sent, or its transaction was begun, and when its acknowledgement came. Both
are taken from the monotonic clock, and the wall clock is held against it at every reading: one that steps, be it in the
midst of a commit, shows at once and not with the next record.
"""

from __future__ import annotations

import time


def monotonic_ms() -> int:
    return time.monotonic_ns() // 1_000_000


class BrokerClock:
    """All times in ms; `monotonic_ms` of one process. Tells nothing before the first append time."""

    def __init__(self) -> None:
        self._bounds: tuple[int, int] | None = None  # between them lies the broker's clock less the monotonic one

    def appended(self, append_ms: int, sent_ms: int, acknowledged_ms: int) -> None:
        """The broker's clock told `append_ms` at some instant between those two of the monotonic clock."""
        least_ms, most_ms = append_ms - acknowledged_ms, append_ms - sent_ms
        if self._bounds is not None:
            both = max(least_ms, self._bounds[0]), min(most_ms, self._bounds[1])
            if both[0] <= both[1]:
                least_ms, most_ms = both  # a slow commit makes the answer no vaguer
        self._bounds = least_ms, most_ms

    def ahead_ms(self, wall_ms: int, monotonic_ms: int) -> int | None:
        """By how much a wall clock that reads `wall_ms` is ahead, at least; below 0 it is behind."""
        if self._bounds is None:
            return None
        least_ms, most_ms = self._bounds
        found_ms = wall_ms - monotonic_ms
        return found_ms - min(max(found_ms, least_ms), most_ms)
