"""Named points of the commit cycle at which a fault test can end the process, as kill -9 would.

Off unless SEGMENTER_CRASH_AT is set: `after-produce` (the first time) or `after-produce:7` (the seventh time).
"""

from __future__ import annotations

import os
import signal

from stream.engine.transaction import CrashPoint
from stream.errors import ConfigError

POINTS = (
    "before-produce",
    "after-produce",
    "before-commit",
    "after-commit",
    "before-store",
    "after-store",
)


def crash_point_from(setting: str) -> CrashPoint:
    """`setting` is the variable's text, empty for none. Raises ConfigError for a point that does not exist."""
    if not setting:
        return lambda _point: None
    wanted, _, count = setting.partition(":")
    if wanted not in POINTS or (count and not count.isdigit()):
        raise ConfigError(
            f"SEGMENTER_CRASH_AT: found {setting!r}; expected POINT or POINT:COUNT, POINT one of {POINTS}"
        )
    left = int(count or 1)

    def crash(point: str) -> None:
        nonlocal left
        if point == wanted:
            left -= 1
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)

    return crash
