"""Which processes came of which, and which have ended: a worker of several has them below it."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

STATE, PARENT = 0, 1
"""Of the fields of /proc/PID/stat that stand behind the name."""
ENDED = "Z"


def descendants(pid: int) -> list[int]:
    """The ids of a process's children, and of theirs, that are there; in the order in which they were started."""
    children: dict[int, list[int]] = defaultdict(list)
    for stat in Path("/proc").glob("[0-9]*/stat"):
        fields = _fields(stat)
        if fields:
            children[int(fields[PARENT])].append(int(stat.parent.name))
    found, waiting = [], [pid]
    while waiting:
        below = sorted(children[waiting.pop(0)])
        found += below
        waiting += below
    return found


def have_ended(pids: list[int]) -> bool:
    """Of orphans some are still shown: process 1 takes note when it likes."""
    return all(_fields(Path(f"/proc/{pid}/stat"))[:1] in ([], [ENDED]) for pid in pids)


def _fields(stat: Path) -> list[str]:
    """None of a process that is not there."""
    try:
        return stat.read_text("utf-8", "replace").rpartition(")")[2].split()
    except OSError:
        return []
