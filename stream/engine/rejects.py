"""Notices that most of what a partition brings can't be used: then it is better not to read on."""

from __future__ import annotations

from collections import deque

WINDOW_MS = 300_000
SLICE_MS = 10_000
LEAST_RECORDS = 1_000
"""Fewer are no measure: one producer's mistake, soon over."""


class RejectWatch:
    """The last five minutes of one partition, as it was read. `ratio` 0: never too many."""

    def __init__(self, ratio: float) -> None:
        self._ratio = ratio
        self._slices: deque[list[int]] = deque()  # [number of the slice, received, rejected]
        self.received = 0
        self.rejected = 0

    def too_many(self, now_ms: int, received: int, rejected: int) -> bool:
        """Count one batch, read at `now_ms`. Whether more than the ratio were rejected."""
        if not self._ratio:
            return False
        number = now_ms // SLICE_MS
        if not self._slices or self._slices[-1][0] != number:
            self._slices.append([number, 0, 0])
        self._slices[-1][1] += received
        self._slices[-1][2] += rejected
        self.received += received
        self.rejected += rejected
        while self._slices[0][0] <= number - WINDOW_MS // SLICE_MS:
            _, old_received, old_rejected = self._slices.popleft()
            self.received -= old_received
            self.rejected -= old_rejected
        return self.received >= LEAST_RECORDS and self.rejected > self._ratio * self.received

    def reset(self) -> None:
        self._slices.clear()
        self.received = self.rejected = 0
