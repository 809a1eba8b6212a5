"""The one place that asks the machine for the time."""

from __future__ import annotations

import time


def now_ms() -> int:
    """Milliseconds UTC since 1970."""
    return time.time_ns() // 1_000_000
