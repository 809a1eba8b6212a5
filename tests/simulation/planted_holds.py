"""Bugs to plant in what is held (`tests/simulation/planted.py` says how)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pytest import MonkeyPatch

from stream.core import partition as partition_module
from stream.core.holds import Hold, Mode, Parked, hold_of
from stream.core.partition import Partition
from stream.core.transition import Wake, advance
from tests.simulation.planted import planted


@planted("held-wake-fires", "a wake tells what is held")
def _(patch: MonkeyPatch) -> None:
    held = Partition._advance_held

    def mutated(self: Partition, profile: Any, stimulus: Any) -> Any:
        if type(stimulus) is Wake:
            return advance(profile, stimulus, self.program).changes
        return held(self, profile, stimulus)

    patch.setattr(Partition, "_advance_held", mutated)


@planted("parked-forgotten", "a release does not look at those of whom something was kept back")
def _(patch: MonkeyPatch) -> None:
    patch.setattr(Parked, "rewind", lambda self: None)


@planted("held-segment-slips", "an event's own doing is told of a segment that is held wholly")
def _(patch: MonkeyPatch) -> None:
    def by_time_alone(program: Any, holds: Any) -> Any:
        hold = hold_of(program, holds)
        return hold and replace(hold, modes=tuple(min(mode, Mode.BY_TIME) for mode in hold.modes))

    patch.setattr(partition_module, "hold_of", by_time_alone)


@planted("silence-let-through", "a page view lets through what time alone brought about while it was held")
def _(patch: MonkeyPatch) -> None:
    keep_back = Hold.keep_back

    def mutated(self: Hold, profile: Any, judged: Any, by_time: Any, now_ms: int, program: Any) -> Any:
        return judged if by_time is not None else keep_back(self, profile, judged, by_time, now_ms, program)

    patch.setattr(Hold, "keep_back", mutated)
