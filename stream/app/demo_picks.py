"""A few changes a second out of the many of a busy shop, so that they can be read, and so that the rare ones show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from typing import Any

TOLD_DIMENSION = "lifecycle"


class Picks:
    """`offer` every change, `take` what to show now. Time is told, in seconds of any clock that only rises.

    Told are segments entered and left, and stages that silence brought: those of `lifecycle`, or of all `dimensions`
    where there is none. What waits is the newest change of each kind; the kind that was shown least often comes first.
    """

    def __init__(self, dimensions: Collection[str], per_second: float) -> None:
        self._dimensions = {TOLD_DIMENSION} if TOLD_DIMENSION in dimensions else set(dimensions)
        self._pause_s = 1 / per_second
        self._next_s = 0.0
        self._shown: Counter[str] = Counter()
        self._waiting: dict[str, dict[str, Any]] = {}

    def offer(self, change: dict[str, Any]) -> None:
        by_silence = change.get("cause", {}).get("kind") == "clock"
        if "segment" in change or (by_silence and change.get("dimension") in self._dimensions):
            self._waiting[headline(change)] = change

    def take(self, now_s: float) -> list[dict[str, Any]]:
        """The next change to show, or none yet."""
        if now_s < self._next_s or not self._waiting:
            return []
        self._next_s = now_s + self._pause_s
        kind = min(self._waiting, key=lambda waiting: self._shown[waiting])
        self._shown[kind] += 1
        return [self._waiting.pop(kind)]


def headline(change: dict[str, Any]) -> str:
    """`win-back entered` or `lifecycle active -> inactive`."""
    if "segment" in change:
        held = " (held out)" if change.get("control") else ""
        return f"{change['segment']} {'entered' if change['member'] else 'left'}{held}"
    return f"{change['dimension']} {change['from_stage']} -> {change['to_stage']}"
