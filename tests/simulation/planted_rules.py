"""Bugs to plant in what is compiled of definitions (`tests/simulation/planted.py` says how)."""

from __future__ import annotations

from pytest import MonkeyPatch

from stream.rules.generate_judge import FunctionWriter
from tests.oracle import test_against_core
from tests.simulation.planted import planted


@planted(
    "rests-through-another", "after an event a definition that rests on it through another one is not judged",
    law=test_against_core.test_what_rests_on_an_event_through_another_definition_is_judged_after_it,
)  # fmt: skip
def _(patch: MonkeyPatch) -> None:
    reads = FunctionWriter._reads
    patch.setattr(FunctionWriter, "_reads", lambda self, name: set() if name == "known" else reads(self, name))
