"""Shapes of comparisons that are answered more cheaply than by computing both sides.

`needs` asks which shape a comparison has to know what must be kept, `generate_judge` to write its code: they must
agree, so both ask here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from stream.core.events import NEVER_MS
from stream.core.windows import NEWEST_MAX
from stream.rules.tree import Arithmetic, Compare, Fact, FirstSeen, Leaf, Literal, Node, Now, Type
from stream.rules.walk import moves_with_now

FLIPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}
TIMES = frozenset({Type.INSTANT, Type.DURATION})
COUNTING = frozenset({"count", "distinct", "active_days"})


def bare(node: Node) -> Node:
    """The node without the fact around it."""
    while isinstance(node, Fact):
        node = node.value
    return node


@dataclass(frozen=True, slots=True)
class Band:
    """low <= value < high, for whole values; None: open. `negated`: outside of it. `empty`: holds for nothing."""

    low: int | None
    high: int | None
    negated: bool = False
    empty: bool = False

    @property
    def levels(self) -> list[int]:
        return [level for level in (self.low, self.high) if level is not None]


def band(op: str, constant: int | float, scale: int) -> Band:
    """The whole values (in 1/scale) that compare so with a constant."""
    exact = Decimal(repr(constant)) * scale
    floor, ceiling = math.floor(exact), math.ceil(exact)
    if op == ">=":
        return Band(ceiling, None)
    if op == ">":
        return Band(floor + 1, None)
    if op == "<":
        return Band(None, ceiling)
    if op == "<=":
        return Band(None, floor + 1)
    return Band(floor, floor + 1, negated=op == "!=", empty=floor != ceiling)


@dataclass(frozen=True, slots=True)
class Against:
    """A word over history compared with a constant number."""

    leaf: Leaf
    op: str
    constant: int | float


def against_number(node: Compare) -> Against | None:
    """leaf op number, also when written the other way round."""
    left, right, op = bare(node.left), bare(node.right), node.op
    if isinstance(left, Literal):
        left, right, op = right, left, FLIPPED[op]
    if not (isinstance(left, Leaf) and isinstance(right, Literal) and right.type is Type.NUMBER):
        return None
    return Against(left, op, right.value)


def newest_levels(node: Node) -> tuple[Leaf, Band] | None:
    """A count of what is newest against whole numbers: the k newest instants answer it."""
    against = against_number(node) if isinstance(node, Compare) else None
    if against is None or against.leaf.word not in COUNTING or against.leaf.before_ms:
        return None
    if against.leaf.word == "count" and against.leaf.window_ms is None:
        return None
    found = band(against.op, against.constant, 1)
    return (against.leaf, found) if all(level <= NEWEST_MAX for level in found.levels) else None


def is_event_instant(node: Node) -> bool:
    """An instant that may be `never` but not null: last(sel), first(sel), first_seen."""
    node = bare(node)
    return isinstance(node, FirstSeen) or (isinstance(node, Leaf) and node.type is Type.INSTANT and node.prop is None)


@dataclass(frozen=True, slots=True)
class Line:
    """slope * now + constant + the terms (each +1 or -1 times a value that does not move with now)."""

    slope: int
    constant: int
    terms: tuple[tuple[int, Node], ...]


def line(node: Node) -> Line | None:
    """An instant or duration as a line in now; None when now is multiplied, divided or chosen by `if`."""
    node = bare(node)
    if isinstance(node, Now):
        return Line(1, 0, ())
    if isinstance(node, Literal):
        known: Any = node.value
        if node.type in (Type.INSTANT, Type.DURATION) and known != NEVER_MS:
            return Line(0, known, ())
        return Line(0, 0, ((1, node),))
    if isinstance(node, Arithmetic) and node.op in ("+", "-") and {node.left.type, node.right.type} <= TIMES:
        left, right = line(node.left), line(node.right)
        if left is None or right is None:
            return None
        turn = 1 if node.op == "+" else -1
        terms = left.terms + tuple((turn * times, each) for times, each in right.terms)
        return Line(left.slope + turn * right.slope, left.constant + turn * right.constant, terms)
    return None if moves_with_now(node) else Line(0, 0, ((1, node),))
