"""Walking a checked tree: what is below a node, how large it is, whether it moves with the clock."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

from stream.rules.tree import (
    And,
    Arithmetic,
    Call,
    Compare,
    Contains,
    Fact,
    Leaf,
    ListOf,
    Literal,
    Match,
    Node,
    Not,
    Now,
    Or,
    Selector,
    Silent,
)

MAX_RESULT = 10**18


def children(node: Node) -> tuple[Node, ...]:
    """The nodes directly below, those of a selector's `where` included."""
    match node:
        case Compare() | Arithmetic():
            return (node.left, node.right)
        case And() | Or():
            return node.parts
        case Not():
            return (node.part,)
        case Fact():
            return (node.value,)
        case Contains():
            return (node.item, node.collection)
        case ListOf():
            return node.items
        case Call():
            return node.arguments
        case Leaf():
            return _conditions(node.selector) + ((node.prop,) if node.prop is not None else ())
        case Silent():
            return _conditions(node.selector)
    return ()


def _conditions(selector: Selector) -> tuple[Node, ...]:
    return tuple(match.where for match in selector.matches if match.where is not None)


def descendants(node: Node) -> Iterator[Node]:
    """The node and all below it, facts opened."""
    waiting = [node]
    while waiting:
        current = waiting.pop()
        yield current
        waiting.extend(reversed(children(current)))


def moves_with_now(node: Node) -> bool:
    """Whether the value itself slides with the clock (a count over a window only steps)."""
    match node:
        case Now():
            return True
        case Arithmetic():
            return moves_with_now(node.left) or moves_with_now(node.right)
        case Fact():
            return moves_with_now(node.value)
        case Call(function="if"):
            return any(moves_with_now(branch) for branch in node.arguments[1:])
    return False


def is_constant(node: Node) -> bool:
    """Whether the value is written in the text: literals and arithmetic of them."""
    match node:
        case Literal():
            return True
        case Arithmetic():
            return is_constant(node.left) and is_constant(node.right)
        case Fact():
            return is_constant(node.value)
    return False


def constant_ms(node: Node) -> int | None:
    """The milliseconds of a constant duration; None when it is not constant, or nothing."""
    value = _constant(node)
    return None if value is None else round(value)


def _constant(node: Node) -> float | None:
    match node:
        case Literal():
            return node.value if isinstance(node.value, int | float) and not isinstance(node.value, bool) else None
        case Fact():
            return _constant(node.value)
        case Arithmetic():
            left, right = _constant(node.left), _constant(node.right)
            return None if left is None or right is None else calculate(node.op, left, right)
    return None


def calculate(op: str, left: float, right: float) -> float | None:
    """left op right; None for division by zero and for what no rule needs: numbers beyond 1e18."""
    if op == "/":
        return left / right if right else None
    result: float = {"+": operator.add, "-": operator.sub, "*": operator.mul}[op](left, right)
    return result if abs(result) <= MAX_RESULT else None


class Sizes:
    """Nodes and levels of expressions with their facts opened; each fact is measured once. `total`: the caller's."""

    def __init__(self) -> None:
        self.total = 0
        self._facts: dict[str, tuple[int, int]] = {}

    def measure(self, node: Node) -> tuple[int, int]:
        """(nodes, levels)"""
        if isinstance(node, Fact):
            if node.name not in self._facts:
                self._facts[node.name] = self._below(node)
            return self._facts[node.name]
        return self._below(node)

    def _below(self, node: Node) -> tuple[int, int]:
        nodes, levels = 1, 0
        for child in children(node):
            below, depth = self.measure(child)
            nodes += below
            levels = max(levels, depth)
        return nodes, levels + 1


def shape(part: Any) -> Any:
    """What a node means, without where and how it was written: equal shapes have equal values. Facts are opened."""
    if isinstance(part, Fact):
        return shape(part.value)
    if isinstance(part, Node | Selector | Match):
        kept = (getattr(part, field.name) for field in fields(part) if field.name not in ("place", "text"))
        return (type(part).__name__, *(shape(value) for value in kept))
    if isinstance(part, tuple):
        return tuple(shape(item) for item in part)
    if isinstance(part, bool):
        return ("bool", part)  # True == 1 in Python, not here
    return part
