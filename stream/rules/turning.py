"""When a comparison of values that slide with the clock turns, found by looking: for shapes without a closed form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from stream.core.events import FOREVER_MS

HORIZON_MS = 100 * 366 * 86_400_000
"""How far ahead is looked: a hundred years, as long as a duration may be (`literals.MAX_DURATION_MS`)."""

Sign = Callable[[list[Any], int], int | None]


def search(sign: Sign, cells: list[Any], now_ms: int, limit_ms: int) -> int:
    """The first instant after `now_ms` and before `limit_ms` at which `sign` differs; FOREVER_MS if there is none.

    Up to `limit_ms` no window gains or loses an event, so each side is linear in time (then rounded), their order
    changes in one direction only, and halving finds the millisecond: 42 looks.
    """
    present = sign(cells, now_ms)
    low, high = now_ms, min(limit_ms - 1, now_ms + HORIZON_MS)
    if present is None or high <= low or sign(cells, high) == present:
        return FOREVER_MS
    while high - low > 1:
        middle = (low + high) // 2
        if sign(cells, middle) == present:
            low = middle
        else:
            high = middle
    return high
