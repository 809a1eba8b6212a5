"""Whether a condition can hold at all, and whether earlier conditions leave it anything.

Looks at comparisons of one value with constants, such as `orders < 5` or `last(purchase) > ago(30d)`. Between two
neighbouring constants nothing changes, so it is enough to try the constants and points between and beyond them. What
it does not understand it takes to be possible: it never calls a reachable stage unreachable.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from stream.core.events import NEVER_MS
from stream.rules.tree import And, Arithmetic, Compare, Fact, FirstSeen, Leaf, Literal, Node, Now, Type
from stream.rules.walk import constant_ms, shape

OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
"""`!=` is left out: it holds for null too, which is no point on a line."""

MOST_TRIED = 1_000_000
"""Points times bounds; a tenth of a second. Stages that would take longer are taken to be possible: people's have a
few dozen."""

_TURNED = {"==": "==", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
_COUNTED = frozenset({"count", "distinct", "active_days"})


@dataclass(frozen=True, slots=True)
class Bound:
    """`value op constant`. Instants are ms from now, `never` is minus infinity."""

    value: Node
    key: Any
    op: str
    constant: float

    def holds(self, point: float) -> bool:
        return OPERATORS[self.op](point, self.constant)


def opened(node: Node) -> Node:
    """The node without the fact around it."""
    while isinstance(node, Fact):
        node = node.value
    return node


@dataclass(frozen=True, slots=True)
class Reason:
    """Why nobody can get to a stage, and what to do about it."""

    why: str
    hint: str | None = None


def unreachable(condition: Node, covers: Mapping[str, list[Bound]]) -> Reason | None:
    """Why nobody can get here after earlier stages (their `exact_bounds`, by name); None when somebody may."""
    if contradicts_itself(condition):
        return Reason("its condition can never hold")
    for key, own in _by_value(_parts(condition)).items():
        others = {name: bounds for name, bounds in covers.items() if bounds[0].key == key}
        constants = [bound.constant for bounds in [own, *others.values()] for bound in bounds]
        if len(constants) ** 2 > MOST_TRIED:
            continue
        points = _points(own[0].value, constants)
        mine = [point for point in points if _hold(own, point)]
        if others and all(_hold_any(others.values(), point) for point in mine):
            return _taken(points, mine, others)
    return None


def _hold(bounds: Sequence[Bound], point: float) -> bool:
    return all(bound.holds(point) for bound in bounds)


def _hold_any(alternatives: Iterable[list[Bound]], point: float) -> bool:
    return any(_hold(bounds, point) for bounds in alternatives)


def _taken(points: list[float], mine: list[float], covers: Mapping[str, list[Bound]]) -> Reason:
    """Names the stage that takes all of mine. The two may change places when each has points that no other takes."""
    for name, bounds in covers.items():
        if all(_hold(bounds, point) for point in mine):
            others = [other for key, other in covers.items() if key != name]
            wider = (point for point in points if _hold(bounds, point) and point not in mine)
            fits = all(any(not _hold_any(others, point) for point in each) for each in (mine, wider))
            hint = f"put this stage before `{name}`: the narrower first" if fits else None
            return Reason(f"`{name}` takes all of these already", hint)
    return Reason("the stages before it take all of these already")


def exact_bounds(condition: Node) -> list[Bound] | None:
    """The bounds of a condition that is nothing but bounds of one value."""
    parts = _parts(condition)
    bounds = [bound for part in parts if (bound := _bound(part)) is not None]
    same = len({bound.key for bound in bounds}) == 1
    return bounds if same and len(bounds) == len(parts) else None


def contradicts_itself(condition: Node) -> bool:
    """`orders > 3 and orders < 2`"""
    return any(
        not any(all(bound.holds(point) for bound in bounds) for point in _points(bounds[0].value, _constants(bounds)))
        for bounds in _by_value(_parts(condition)).values()
    )


def always_holds(condition: Node) -> bool:
    """`orders >= 0`: true for every customer there can be."""
    bound = _bound(opened(condition))
    if bound is None or not isinstance(bound.value, Leaf) or bound.value.type is Type.ANY:
        return False
    if bound.value.type is Type.NUMBER and bound.value.word not in _COUNTED:
        return False
    return all(bound.holds(point) for point in _points(bound.value, [bound.constant]))


def offset_ms(node: Node) -> float | None:
    """A constant instant as ms from now: ago(30d), now, never. None for all else."""
    node = opened(node)
    match node:
        case Now():
            return 0.0
        case Literal(type=Type.INSTANT):
            return -math.inf if node.value == NEVER_MS else None
        case Arithmetic(op="+" | "-", type=Type.INSTANT):
            base, shift = offset_ms(node.left), constant_ms(node.right)
            if base is None or shift is None:
                return None
            return base + shift if node.op == "+" else base - shift
    return None


def _parts(condition: Node) -> list[Node]:
    condition = opened(condition)
    if isinstance(condition, And):
        return [part for child in condition.parts for part in _parts(child)]
    return [condition]


def _by_value(parts: Sequence[Node]) -> dict[Any, list[Bound]]:
    grouped: dict[Any, list[Bound]] = {}
    for part in parts:
        if (bound := _bound(part)) is not None:
            grouped.setdefault(bound.key, []).append(bound)
    return grouped


def _bound(node: Node) -> Bound | None:
    if not isinstance(node, Compare) or node.op not in OPERATORS:
        return None
    left, right = opened(node.left), opened(node.right)
    for value, other, op in ((left, right, node.op), (right, left, _TURNED[node.op])):
        constant = _constant(value, other)
        if constant is not None:
            return Bound(value, shape(value), op, constant)
    return None


def _constant(value: Node, other: Node) -> float | None:
    """`other` as a number, when it is one that `value` may be measured with."""
    if isinstance(value, Literal) or value.type is not other.type:
        return None
    if value.type is Type.INSTANT:
        return offset_ms(other) if isinstance(value, Leaf | FirstSeen) else None
    if value.type in (Type.NUMBER, Type.DURATION) and isinstance(other, Literal):
        return float(other.value)
    return None


def _constants(bounds: Sequence[Bound]) -> list[float]:
    return [bound.constant for bound in bounds]


def _points(value: Node, constants: Sequence[float]) -> list[float]:
    """Points of the value's range: every constant, and at least one between each two and beyond the outermost."""
    finite = sorted({constant for constant in constants if math.isfinite(constant)}) or [0.0]
    if value.type is Type.INSTANT:  # of an event that happened, or never did
        near = {constant + step for constant in finite for step in (-1, 0, 1)}
        return [-math.inf, *sorted(point for point in near | {0.0} if point <= 0)]
    if isinstance(value, Leaf) and value.word in _COUNTED:
        near = {math.floor(constant) + step for constant in finite for step in (-1, 0, 1, 2)}
        return [float(point) for point in sorted(near | {0}) if point >= 0]
    between = [(left + right) / 2 for left, right in pairwise(finite)]
    return [finite[0] - 1, *finite, *between, finite[-1] + 1]
