"""Why an answer is as it is: the conditions that decided, with the values they looked at.

Only what decided is named: of an `and` that holds all parts, of one that fails the failing parts; of an `or` the other
way round. A stage is decided by its own condition and by what failed the stages before it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from stream.core.program import Cells, Decider
from stream.rules.canonical import conditions_of
from stream.rules.conversions import shown
from stream.rules.generate_conditions import CustomerExpressions
from stream.rules.generate_values import is_condition
from stream.rules.needs import Needs, leaf_key
from stream.rules.patterns import bare, newest_levels
from stream.rules.tree import (
    And,
    Call,
    Compare,
    Contains,
    DimensionDefinition,
    FirstSeen,
    Leaf,
    ListOf,
    Literal,
    Node,
    Not,
    Or,
    SegmentDefinition,
    Silent,
    Trait,
    Type,
)
from stream.rules.walk import descendants

MOST_DECIDERS = 20
"""Reasons given for one change: more is not read, and a change stays under 8 KiB."""

Look = Callable[[Cells, int], tuple[bool, Any]]
Compile = Callable[[list[Node], Callable[[CustomerExpressions], str]], Callable[[Cells, int], Any]]


def atoms_of(node: Node) -> Iterator[Node]:
    """The conditions that and, or, not and facts put together, in the order of the text."""
    node = bare(node)
    if isinstance(node, And | Or):
        for part in node.parts:
            yield from atoms_of(part)
    elif isinstance(node, Not):
        yield from atoms_of(node.part)
    else:
        yield node


def is_private(node: Node) -> bool:
    """Whether a private trait is read."""
    return any(isinstance(each, Trait) and each.private for each in descendants(node))


def left_side(node: Node) -> Node:
    """The value that a condition looks at."""
    if isinstance(node, Compare):
        sides = [node.left, node.right]
    elif isinstance(node, Contains):
        sides = [node.item, node.collection]
    elif isinstance(node, Call) and is_condition(node):
        sides = list(node.arguments)
    else:
        return node
    return next((each for each in sides if not isinstance(bare(each), Literal | ListOf)), sides[0])


@dataclass(frozen=True, slots=True)
class Atom:
    """One condition: `look(cells, now)` gives (holds, value as it is shown)."""

    node: Node
    look: Look
    private: bool

    def decider(self, holds: bool, value: Any) -> Decider:
        place = self.node.place
        shown_value = None if self.private else value
        return Decider(self.node.text, holds, shown_value, place.file, place.line, self.private)


class Explainer:
    """Reasons of one program's answers. `compile_function` makes a function of expressions, when it is first used."""

    def __init__(self, needs: Needs, compile_function: Compile) -> None:
        self._needs = needs
        self._compile = compile_function
        self._atoms: dict[int, Atom] = {}

    def because(
        self, definition: DimensionDefinition | SegmentDefinition, answer: int, cells: Cells, now_ms: int
    ) -> list[Decider]:
        """The deciding conditions of an answer that the definition has at `now_ms`."""
        conditions = conditions_of(definition)
        if isinstance(definition, SegmentDefinition):
            order = conditions
        else:
            order = [*conditions[answer : answer + 1], *conditions[:answer]]
        found: dict[tuple[str, int, str], Decider] = {}
        for condition in order:
            for decider in self._deciding(condition, cells, now_ms)[1]:
                found.setdefault((decider.file, decider.line, decider.expression), decider)
        return list(found.values())[:MOST_DECIDERS]

    def holds(self, node: Node, cells: Cells, now_ms: int) -> bool:
        """The truth of one condition."""
        return self._atom(node).look(cells, now_ms)[0]

    def _deciding(self, node: Node, cells: Cells, now_ms: int) -> tuple[bool, list[Decider]]:
        node = bare(node)
        if isinstance(node, Not):
            holds, deciders = self._deciding(node.part, cells, now_ms)
            return not holds, deciders
        if isinstance(node, And | Or):
            parts = [self._deciding(part, cells, now_ms) for part in node.parts]
            truths = [holds for holds, _ in parts]
            whole = all(truths) if isinstance(node, And) else any(truths)
            return whole, [decider for holds, deciders in parts if holds == whole for decider in deciders]
        atom = self._atom(node)
        holds, value = atom.look(cells, now_ms)
        return holds, [atom.decider(holds, value)]

    def _atom(self, node: Node) -> Atom:
        if id(node) not in self._atoms:
            self._atoms[id(node)] = Atom(node, self._look(node), is_private(node))
        return self._atoms[id(node)]

    def _look(self, node: Node) -> Look:
        side = left_side(node)
        if isinstance(node, Silent):
            return self._silent(node)
        run = self._compile([node], lambda to: f"{to.condition(node)}, {to.value(side)}")
        keep = self._kept(node)
        kind = Type.BOOLEAN if side is node else side.type

        def look(cells: Cells, now_ms: int) -> tuple[bool, Any]:
            holds, value = run(cells, now_ms)
            if keep is not None and value >= keep:
                return bool(holds), f"{value} or more"
            if value.__class__ is list:
                value = list(value)
            return bool(holds), shown(value, kind)

        return look

    def _kept(self, node: Node) -> int | None:
        """How many instants are kept for a count, when it can't be told how many more there are."""
        newest = newest_levels(node)
        if newest is None:
            return None
        cell = self._needs.cells[self._needs.index(leaf_key(newest[0]))]
        return None if cell.whole_ms else cell.keep

    def _silent(self, node: Silent) -> Look:
        """The value looked at is the instant since when it has been silent."""
        place, text = node.place, node.text
        last = Leaf(
            place=place, type=Type.INSTANT, text=text, word="last", selector=node.selector, prop=None,
            window_ms=None, before_ms=0,
        )  # fmt: skip
        seen = FirstSeen(place=place, type=Type.INSTANT, text=text)
        run = self._compile([node], lambda to: f"{to.condition(node)}, max({to.value(last)}, {to.value(seen)})")

        def look(cells: Cells, now_ms: int) -> tuple[bool, Any]:
            holds, since = run(cells, now_ms)
            return bool(holds), shown(since, Type.INSTANT)

        return look
