"""Which processes came of which: a worker of several has them below it."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

PARENT = 1
"""Of the fields of /proc/PID/stat that stand behind the name."""


def descendants(pid: int) -> list[int]:
    """The ids of a process's children, and of theirs, that are there; in the order in which they were started."""
    children: dict[int, list[int]] = defaultdict(list)
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text("utf-8", "replace").rpartition(")")[2].split()
        except OSError:
            continue  # it has just ended
        children[int(fields[PARENT])].append(int(stat.parent.name))
    found, waiting = [], [pid]
    while waiting:
        below = sorted(children[waiting.pop(0)])
        found += below
        waiting += below
    return found
