"""Our wall time, held against the broker's."""

from __future__ import annotations

from collections.abc import Callable

SKEW_LIMIT_MS = 2_000
"""Where the two clocks differ by more, no silence is judged, and what must have a date has the broker's."""


class WallClock:
    """`clock` tells our wall time in ms; `ahead_ms` by how much it is ahead of the broker's now (below 0: behind), None
    while nobody knows. Safe to ask from several threads where these are."""

    def __init__(self, clock: Callable[[], int], ahead_ms: Callable[[], int | None]) -> None:
        self._clock = clock
        self._ahead_ms = ahead_ms

    def ask(self) -> tuple[int, int]:
        """(our wall time, by how much that is ahead of the broker's if by too much, else 0)."""
        before_ms = self.too_far_ahead()
        now_ms = self._clock()
        return now_ms, self.too_far_ahead() or before_ms  # it may step between any two lines

    def too_far_ahead(self) -> int:
        ahead_ms = self._ahead_ms()
        return 0 if ahead_ms is None or abs(ahead_ms) <= SKEW_LIMIT_MS else ahead_ms

    def believed_ms(self) -> int:
        """The time to give a date by: ours, or the broker's where ours is wrong."""
        now_ms, ahead_ms = self.ask()
        return now_ms - ahead_ms
