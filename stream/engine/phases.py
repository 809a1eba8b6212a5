"""How long the phases of one commit took, seen by the points it passes."""

from __future__ import annotations

import time

from stream.engine.observer import COMMIT_PHASES

ENDS = ("after-produce", "before-commit", "after-commit", "after-store")
"""The point at which each of `COMMIT_PHASES` ends."""


class PhaseWatch:
    """`started_s` is of `time.perf_counter`."""

    def __init__(self, started_s: float) -> None:
        self._started_s = started_s
        self._reached_s: dict[str, float] = {}

    def reached(self, point: str) -> None:
        self._reached_s[point] = time.perf_counter()

    def since(self, point: str) -> float:
        """Seconds since then; since the start when it was not reached."""
        return time.perf_counter() - self._reached_s.get(point, self._started_s)

    def phases(self) -> dict[str, float]:
        """Seconds by phase. A phase whose end was not seen (a commit whose reply was lost) counts for the next."""
        seconds, before_s = {}, self._started_s
        for phase, point in zip(COMMIT_PHASES, ENDS, strict=True):
            reached_s = self._reached_s.get(point)
            if reached_s is not None:
                seconds[phase] = reached_s - before_s
                before_s = reached_s
        return seconds
