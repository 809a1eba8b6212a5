"""Named points of the commit cycle at which a fault test can end the process, as kill -9 would, or freeze it.

Off unless SEGMENTER_CRASH_AT is set: `after-produce` (the first time), `after-produce:7` (the seventh time) or
`after-produce:7:freeze` (SIGSTOP: it goes on when somebody sends SIGCONT).
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
    wanted, _, rest = setting.partition(":")
    count, _, how = rest.partition(":")
    if wanted not in POINTS or (count and not count.isdigit()) or how not in ("", "freeze"):
        raise ConfigError(
            f"SEGMENTER_CRASH_AT: found {setting!r}; expected POINT, POINT:COUNT or POINT:COUNT:freeze, POINT one of "
            f"{POINTS}"
        )
    left = int(count or 1)
    fault = signal.SIGSTOP if how else signal.SIGKILL

    def crash(point: str) -> None:
        nonlocal left
        if point == wanted:
            left -= 1
            if not left:
                os.kill(os.getpid(), fault)

    return crash
