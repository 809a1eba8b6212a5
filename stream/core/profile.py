"""A customer's state: who they are, what they are in, what their definitions must remember, when to ask again.

Answers change in `core.transition` alone, and where definitions change in `core.migration`. What stands per definition
is in the order of the program's definitions.
"""

from __future__ import annotations

import sys
from array import array
from typing import Any

from stream.core.events import FOREVER_MS, NEVER_MS

Born = tuple[int, int]  # input partition and offset of the record that began this life


class Standings:
    """How long each present answer has stood, and which change brought it.

    since_ms    per definition: when the present answer took effect
    nth         per definition: how many changes so far
    changed_by  per definition: sequence of the newest change (0: none)
    by_clock    per definition: 1 when the newest change was brought by the clock
    """

    __slots__ = ("by_clock", "changed_by", "nth", "since_ms")

    BYTES_EACH = 8 + 4 + 4 + 1

    def __init__(self, since_ms: array[int], nth: array[int], changed_by: array[int], by_clock: bytearray) -> None:
        self.since_ms = since_ms
        self.nth = nth
        self.changed_by = changed_by
        self.by_clock = by_clock

    @classmethod
    def unpack(cls, packed: bytes) -> Standings:
        """What `pack` wrote."""
        definitions = len(packed) // cls.BYTES_EACH
        nth_at = 8 * definitions
        changed_by_at = nth_at + 4 * definitions
        by_clock_at = changed_by_at + 4 * definitions
        return cls(
            _from_little_endian("q", packed[:nth_at]),
            _from_little_endian("I", packed[nth_at:changed_by_at]),
            _from_little_endian("I", packed[changed_by_at:by_clock_at]),
            bytearray(packed[by_clock_at:]),
        )

    def pack(self) -> bytes:
        """All since_ms as signed 64 bit, nth and changed_by as unsigned 32 bit, little-endian; by_clock as bytes."""
        return b"".join(
            (
                _little_endian(self.since_ms),
                _little_endian(self.nth),
                _little_endian(self.changed_by),
                self.by_clock,
            )
        )


class Profile:
    """One life of one customer id. Instants are ms UTC; `NEVER_MS`/`FOREVER_MS` stand for never.

    now_ms        latest judged instant: a customer's own time never goes back
    sequence      of the newest change
    answers       per definition; -1 = not judged yet
    standings     since when and by which change they stand; packed until asked for, since few events change an answer
    control       per definition: held out of the present membership (None: no control group, or outside)
    marks         fingerprints of recent message ids, oldest first; `mark_times` their event times (`core.memory`)
    forgotten_ms  newest event time among message ids already forgotten
    cells         what the program keeps
    wake_ms       next instant at which an answer may change by itself
    indexed_ms    instant of this customer's entry in the wake index, never later than wake_ms
    revision      of the definitions by which answers and cells are to be read
    parked_ms     earliest instant of a change that a hold keeps back (NEVER_MS: none)
    warming       definition -> instant until which it is undecided, since what it needs was not kept before; None: none
    """

    __slots__ = (
        "answers", "born", "cells", "control", "customer_id", "forgotten_ms", "indexed_ms", "mark_times", "marks",
        "now_ms", "packed_standings", "parked_ms", "revision", "sequence", "unpacked_standings", "wake_ms", "warming",
    )  # fmt: skip

    def __init__(self, customer_id: str, born: Born, definitions: int, cells: list[Any]) -> None:
        self.customer_id = customer_id
        self.born = born
        self.now_ms = NEVER_MS
        self.sequence = 0
        self.answers: tuple[int, ...] = (-1,) * definitions
        self.packed_standings = bytes(Standings.BYTES_EACH * definitions)
        self.unpacked_standings: Standings | None = None
        self.control: list[bool | None] = [None] * definitions
        self.marks = b""
        self.mark_times = b""
        self.forgotten_ms = NEVER_MS
        self.cells = cells
        self.wake_ms = FOREVER_MS
        self.indexed_ms = FOREVER_MS
        self.revision = 1
        self.parked_ms = NEVER_MS
        self.warming: dict[int, int] | None = None

    @property
    def standings(self) -> Standings:
        """To read; whoever changes an answer changes them too."""
        if self.unpacked_standings is None:
            self.unpacked_standings = Standings.unpack(self.packed_standings)
        return self.unpacked_standings

    def pack_standings(self) -> bytes:
        """As they are now."""
        if self.unpacked_standings is not None:
            self.packed_standings = self.unpacked_standings.pack()
        return self.packed_standings


def _little_endian(numbers: array[int]) -> bytes:
    return numbers.tobytes() if sys.byteorder == "little" else _swapped(numbers).tobytes()


def _swapped(numbers: array[int]) -> array[int]:
    numbers = numbers[:]
    numbers.byteswap()
    return numbers


_from_little_endian: Any = array if sys.byteorder == "little" else lambda kind, data: _swapped(array(kind, data))
