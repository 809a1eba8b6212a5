"""A customer's state: who they are, what they are in, what their definitions must remember, when to ask again.

Only `core.transition` changes a profile. Parallel lists stand in the order of the program's definitions.
"""

from __future__ import annotations

from array import array
from typing import Any

from stream.core.events import FOREVER_MS, NEVER_MS

Born = tuple[int, int]  # input partition and offset of the record that began this life


class Profile:
    """One life of one customer id. Instants are ms UTC; `NEVER_MS`/`FOREVER_MS` stand for never.

    now_ms        latest judged instant: a customer's own time never goes back
    sequence      of the newest change
    answers       per definition; -1 = not judged yet
    since_ms      per definition: when the present answer took effect
    nth           per definition: how many changes so far
    changed_by    per definition: sequence of the newest change (0: none)
    by_clock      per definition: 1 when the newest change was brought by the clock
    control       per definition: held out of the present membership (None: no control group, or outside)
    message_ids   hashes (signed 64 bit) of recent message ids, oldest first; `message_times` their event times
    forgotten_ms  newest event time among message ids already forgotten
    cells         what the program keeps
    wake_ms       next instant at which an answer may change by itself
    indexed_ms    instant of this customer's entry in the wake index, never later than wake_ms
    """

    __slots__ = (
        "answers", "born", "by_clock", "cells", "changed_by", "control", "customer_id", "forgotten_ms", "indexed_ms",
        "message_ids", "message_times", "now_ms", "nth", "sequence", "since_ms", "wake_ms",
    )  # fmt: skip

    def __init__(self, customer_id: str, born: Born, definitions: int, cells: list[Any]) -> None:
        self.customer_id = customer_id
        self.born = born
        self.now_ms = NEVER_MS
        self.sequence = 0
        self.answers: tuple[int, ...] = (-1,) * definitions
        # Arrays, because the codec writes and reads them as they lie in memory.
        self.since_ms: array[int] = array("q", bytes(8 * definitions))
        self.nth: array[int] = array("I", bytes(4 * definitions))
        self.changed_by: array[int] = array("I", bytes(4 * definitions))
        self.by_clock = bytearray(definitions)
        self.control: list[bool | None] = [None] * definitions
        self.message_ids: array[int] = array("q")
        self.message_times: array[int] = array("q")
        self.forgotten_ms = NEVER_MS
        self.cells = cells
        self.wake_ms = FOREVER_MS
        self.indexed_ms = FOREVER_MS
