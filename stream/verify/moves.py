"""What moved a partition beside its records, in the order in which it happened: steps of the clock, holds and releases,
and the chunks of a migration's sweep."""

from __future__ import annotations

from collections import deque
from typing import Any, NamedTuple

from stream.codec.journal import JournalRecord


class Move(NamedTuple):
    """`kind`: step, hold or sweep; `told`: as the journal has it."""

    offset: int
    kind: str
    told: list[Any]


def in_order(journal: JournalRecord) -> deque[Move]:
    """A hold tells how many steps were before it. A sweep goes on at a step of its own offset and clock, or behind the
    steps of a commit before, and never after something was held or released."""
    holds, sweeps = deque(journal.holds), deque(journal.sweeps)
    moves: deque[Move] = deque()

    def swept(before: tuple[int, int] | None) -> None:
        while sweeps and (before is None or (sweeps[0][0], sweeps[0][1]) < before):
            moves.append(Move(sweeps[0][0], "sweep", sweeps.popleft()))

    def held(until_step: int | None) -> None:
        while holds and (until_step is None or holds[0][1] <= until_step):
            swept(None)
            moves.append(Move(holds[0][0], "hold", holds.popleft()))

    for count, step in enumerate(journal.steps):
        held(count)
        swept((step[0], step[1]))
        moves.append(Move(step[0], "step", step))
    held(None)
    swept(None)
    return moves
