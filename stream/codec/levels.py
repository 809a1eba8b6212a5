"""The format level of a partition's state: which release can read what a commit writes.

The level stands in the `v` of each partition's `meta` and journal records, so it is committed and proven with them. A
release reads the newest level and the one before; it writes the level a partition has, and a partition's level only
ever rises: by `segmenter state upgrade`, never by a start. What begins anew begins at the newest.

    1   customers of the first definitions (`codec.snapshot` version 1), `meta` and journal without what came later
    2   further revisions of the definitions with their texts on the state topic, holds, parked and warming customers

At level 1 the worker writes, byte for byte, what the former release does, so that one can go back to it.
"""

from __future__ import annotations

FORMER_LEVEL = 1
NEWEST_LEVEL = 2

UPGRADE = "`segmenter state upgrade`"
"""What raises it, for messages."""

_KEY = "state-format/"


def level_key(level: int) -> str:
    """The key of the control topic's record that asks for this level; it is no hold."""
    return f"{_KEY}{level}"


def level_asked(key: str) -> int | None:
    """The level that a key of the control topic asks for, as far as this release knows levels; None: it is a hold."""
    if not key.startswith(_KEY):
        return None
    asked = key.removeprefix(_KEY)
    return min(int(asked), NEWEST_LEVEL) if asked.isdecimal() else FORMER_LEVEL
