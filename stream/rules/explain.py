"""Why an answer is as it is, until when it holds, and what goes with it.

Of the reasons only what decided is named: of an `and` that holds all parts, of one that fails the failing parts; of an
`or` the other way round. A stage is decided by its own condition and by what failed the stages before it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from stream.core.events import FOREVER_MS
from stream.core.program import Cells, Decider, Explanation
from stream.rules.canonical import conditions_of
from stream.rules.generate_conditions import CustomerExpressions
from stream.rules.generate_told import Reasons, shown_values
from stream.rules.needs import Cell, Needs
from stream.rules.tree import DimensionDefinition, Node, SegmentDefinition

MOST_STEPS = 64
"""Breakpoints looked at for a proven flip; a definition with more before its next flip names none."""

Run = Callable[[Cells, int], Any]


class Functions(Protocol):
    """Compiles functions `(cells, now)` of a program."""

    def own(self, name: str) -> Run:
        """(answer of the definition, the instant at which it may differ)"""

    def look(self, nodes: list[Node], finish: Callable[[CustomerExpressions], str]) -> Run:
        """What `finish` writes about expressions."""


class Explainer:
    """Of one definition. `bounded`: the cells that may make it approximate, with their index. The functions are
    compiled when they are first asked for."""

    def __init__(
        self,
        definition: DimensionDefinition | SegmentDefinition,
        needs: Needs,
        bounded: list[tuple[int, Cell]],
        functions: Functions,
    ) -> None:
        self._definition = definition
        self._needs = needs
        self._bounded = bounded
        self._functions = functions
        self._own = functions.own(definition.name)
        self._reasons: dict[int, Run] = {}
        self._carried: Run | None = None
        if isinstance(definition, SegmentDefinition) and definition.carried:
            values = [value for _, value in definition.carried]
            self._carried = functions.look(values, shown_values(definition.carried))

    def explain(self, cells: Cells, now_ms: int) -> Explanation:
        """All of it, for a change."""
        answer, turns_ms = self._own(cells, now_ms)
        reasons = self._reasons.get(answer) or self._reasons_of(answer)
        carried = self._carried
        return Explanation(
            reasons(cells, now_ms),
            None if turns_ms >= FOREVER_MS else self._flip(cells, answer, turns_ms),
            {} if carried is None else carried(cells, now_ms),
            bool(self._bounded) and any(cell.is_full(cells[at]) for at, cell in self._bounded),
        )

    def because(self, cells: Cells, now_ms: int) -> list[Decider]:
        """The reasons alone."""
        answer = self._own(cells, now_ms)[0]
        told: list[Decider] = (self._reasons.get(answer) or self._reasons_of(answer))(cells, now_ms)
        return told

    def valid_until(self, cells: Cells, now_ms: int) -> int | None:
        """The proven instant of the next flip alone; None when none is proven."""
        return self._flip(cells, *self._own(cells, now_ms))

    def _flip(self, cells: Cells, present: int, turns_ms: int) -> int | None:
        own = self._own
        for _ in range(MOST_STEPS):
            if turns_ms >= FOREVER_MS:
                return None
            answer, later_ms = own(cells, turns_ms)
            if answer != present:
                return turns_ms
            turns_ms = later_ms
        return None

    def _reasons_of(self, answer: int) -> Run:
        known = _known(self._definition, answer)
        function = self._functions.look([node for node, _ in known], Reasons(self._needs, known))
        return self._reasons.setdefault(answer, function)


def _known(definition: DimensionDefinition | SegmentDefinition, answer: int) -> list[tuple[Node, bool]]:
    """The conditions behind an answer and their truth: a stage's own condition first, then those of the stages before
    it, which failed."""
    conditions = conditions_of(definition)
    if isinstance(definition, SegmentDefinition):
        return [(condition, bool(answer)) for condition in conditions]
    own = [(condition, True) for condition in conditions[answer : answer + 1]]
    return [*own, *((condition, False) for condition in conditions[:answer])]
