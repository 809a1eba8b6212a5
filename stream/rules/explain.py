"""Why an answer is as it is: the conditions that decided, with the values they looked at.

Only what decided is named: of an `and` that holds all parts, of one that fails the failing parts; of an `or` the other
way round. A stage is decided by its own condition and by what failed the stages before it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
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
Found = list[tuple["Atom", bool, Any]]
Weigh = Callable[[Cells, int], tuple[bool, Found]]
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
    """One condition: `look(cells, now)` gives (holds, the value looked at, of type `type`).

    `keep`: so many instants are kept for a count, so from there on its value reads "or more".
    `said`: the whole path of the file, the line, the text; the same condition is named once.
    `file`: its own name. Where it lies on some machine is not the subscribers' business.
    """

    node: Node
    look: Look
    type: Type
    private: bool
    keep: int | None
    said: tuple[str, int, str] = field(init=False)
    file: str = field(init=False)

    def __post_init__(self) -> None:
        place = self.node.place
        object.__setattr__(self, "said", (place.file, place.line, self.node.text))
        object.__setattr__(self, "file", place.file.rpartition("/")[2])

    def decider(self, holds: bool, value: Any) -> Decider:
        if self.private:
            value = None
        elif self.keep is not None and value >= self.keep:
            value = f"{value} or more"
        else:
            value = shown(list(value) if value.__class__ is list else value, self.type)
        _, line, text = self.said
        return Decider(text, bool(holds), value, self.file, line, self.private)


class Explainer:
    """Reasons of one program's answers. `compile_function` makes a function of expressions, when it is first used."""

    def __init__(self, needs: Needs, compile_function: Compile) -> None:
        self._needs = needs
        self._compile = compile_function
        self._atoms: dict[int, Atom] = {}
        self._weighs: dict[tuple[str, int], list[Weigh]] = {}

    def because(
        self, definition: DimensionDefinition | SegmentDefinition, answer: int, cells: Cells, now_ms: int
    ) -> list[Decider]:
        """The deciding conditions of an answer that the definition has at `now_ms`."""
        key = definition.name, answer
        if key not in self._weighs:
            self._weighs[key] = [self._weigh(each) for each in _in_order(definition, answer)]
        found: dict[tuple[str, int, str], Decider] = {}
        for weigh in self._weighs[key]:
            for atom, holds, value in weigh(cells, now_ms)[1]:
                if atom.said not in found:
                    found[atom.said] = atom.decider(holds, value)
                    if len(found) == MOST_DECIDERS:
                        return list(found.values())
        return list(found.values())

    def holds(self, node: Node, cells: Cells, now_ms: int) -> bool:
        """The truth of one condition."""
        return bool(self._atom(node).look(cells, now_ms)[0])

    def _weigh(self, node: Node) -> Weigh:
        """A function that tells whether a condition holds, and what decided it."""
        node = bare(node)
        if isinstance(node, Not):
            inner = self._weigh(node.part)

            def opposite(cells: Cells, now_ms: int) -> tuple[bool, Found]:
                holds, found = inner(cells, now_ms)
                return not holds, found

            return opposite
        if isinstance(node, And | Or):
            parts = [self._weigh(part) for part in node.parts]
            decisive = isinstance(node, Or)  # one such part decides alone

            def several(cells: Cells, now_ms: int) -> tuple[bool, Found]:
                whole = not decisive
                found: Found = []
                for part in parts:
                    holds, deciding = part(cells, now_ms)
                    if holds is not whole and whole is not decisive:
                        whole, found = decisive, []
                    if holds is whole:
                        found += deciding
                return whole, found

            return several
        atom = self._atom(node)
        look = atom.look

        def single(cells: Cells, now_ms: int) -> tuple[bool, Found]:
            holds, value = look(cells, now_ms)
            return bool(holds), [(atom, holds, value)]

        return single

    def _atom(self, node: Node) -> Atom:
        if id(node) not in self._atoms:
            self._atoms[id(node)] = self._new_atom(node)
        return self._atoms[id(node)]

    def _new_atom(self, node: Node) -> Atom:
        if isinstance(node, Silent):
            return Atom(node, self._silent(node), Type.INSTANT, False, None)
        side = left_side(node)
        look = self._compile([node], lambda to: f"{to.condition(node)}, {to.value(side)}")
        return Atom(node, look, Type.BOOLEAN if side is node else side.type, is_private(node), self._kept(node))

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
        return self._compile([node], lambda to: f"{to.condition(node)}, max({to.value(last)}, {to.value(seen)})")


def _in_order(definition: DimensionDefinition | SegmentDefinition, answer: int) -> list[Node]:
    """A stage's own condition first, then those of the stages before it."""
    conditions = conditions_of(definition)
    if isinstance(definition, SegmentDefinition):
        return conditions
    return [*conditions[answer : answer + 1], *conditions[:answer]]
