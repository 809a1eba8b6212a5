"""Expressions as Python source. Every value and condition is one expression of helpers from `values`.

`Expressions` writes what is common to a `where` over one event and to a condition over a customer; subclasses say how
the leaves are read.
"""

from __future__ import annotations

from typing import Any

from stream.rules import values
from stream.rules.patterns import bare
from stream.rules.source import Constants
from stream.rules.tree import (
    And,
    Arithmetic,
    Call,
    Compare,
    Contains,
    InSegment,
    ListOf,
    Literal,
    Node,
    Not,
    Or,
    Property,
    Silent,
    Type,
)

HELPERS: dict[str, Any] = {
    name: getattr(values, name)
    for name in (
        "at", "equal", "unequal", "less", "at_most", "more", "at_least", "contained", "contains", "starts_with",
        "lower", "inside", "add_numbers", "subtract_numbers", "multiply_numbers", "divide_numbers", "add_times",
        "subtract_times", "stretch", "shrink", "number", "sign", "amounts", "keys", "scalar",
    )
}  # fmt: skip

COMPARISONS = {
    "==": "equal",
    "!=": "unequal",
    "<": "less",
    "<=": "at_most",
    ">": "more",
    ">=": "at_least",
}

_TIMES = frozenset({Type.INSTANT, Type.DURATION})
_NUMBERS = frozenset({Type.NUMBER, Type.ANY})
_NUMBER_ARITHMETIC = {"+": "add_numbers", "-": "subtract_numbers", "*": "multiply_numbers", "/": "divide_numbers"}


def is_condition(node: Node) -> bool:
    """Whether a node is a truth by itself (else it is a value, true only when it is the boolean true)."""
    node = bare(node)
    if isinstance(node, Call):
        return node.function in ("contains", "starts_with")
    return isinstance(node, Compare | Contains | And | Or | Not | InSegment | Silent)


class Expressions:
    """Source of values and conditions."""

    def __init__(self, constants: Constants) -> None:
        self.constants = constants

    def read(self, node: Node) -> str:
        """Source of a leaf's value."""
        raise NotImplementedError

    def value(self, node: Node) -> str:
        """Source of a value; null is None."""
        node = bare(node)
        if is_condition(node):
            return self.condition(node)
        if isinstance(node, Literal):
            return self._literal(node.value)
        if isinstance(node, ListOf):
            return self._list(node)
        if isinstance(node, Arithmetic):
            return self._arithmetic(node)
        if isinstance(node, Call):
            if node.function == "if":
                condition, one, other = node.arguments
                return f"({self.value(one)} if {self.condition(condition)} else {self.value(other)})"
            return f"{node.function}({self.value(node.arguments[0])})"
        return self.read(node)

    def condition(self, node: Node) -> str:
        """Source of a truth: bool, never None."""
        node = bare(node)
        if isinstance(node, And | Or):
            word = " and " if isinstance(node, And) else " or "
            return f"({word.join(self.condition(part) for part in node.parts)})"
        if isinstance(node, Not):
            return f"(not {self.condition(node.part)})"
        if isinstance(node, Compare):
            return f"{COMPARISONS[node.op]}({self.value(node.left)}, {self.value(node.right)})"
        if isinstance(node, Contains):
            return self._contains(node)
        if isinstance(node, Call) and node.function in ("contains", "starts_with"):
            text, part = node.arguments
            return f"{node.function}({self.value(text)}, {self.value(part)})"
        return f"({self.value(node)} is True)"

    def _literal(self, value: Any) -> str:
        source = self.constants.literal(value)
        return f"({source})" if source.startswith("-") else source

    def _list(self, node: ListOf) -> str:
        items = [bare(item) for item in node.items]
        if all(isinstance(item, Literal) for item in items):
            return self.constants.name([item.value for item in items if isinstance(item, Literal)])
        return f"[{', '.join(self.value(item) for item in items)}]"

    def _contains(self, node: Contains) -> str:
        source = f"contained({self.value(node.item)}, {self.value(node.collection)})"
        return f"(not {source})" if node.negated else source

    def _arithmetic(self, node: Arithmetic) -> str:
        left, right = node.left.type, node.right.type
        sources = self.value(node.left), self.value(node.right)
        if node.op in ("+", "-") and left in _TIMES and right in _TIMES:
            return f"{'add_times' if node.op == '+' else 'subtract_times'}({sources[0]}, {sources[1]})"
        if node.op == "*" and left is Type.DURATION and right in _NUMBERS:
            return f"stretch({sources[0]}, {sources[1]})"
        if node.op == "*" and right is Type.DURATION and left in _NUMBERS:
            return f"stretch({sources[1]}, {sources[0]})"
        if node.op == "/" and left is Type.DURATION and right in _NUMBERS:
            return f"shrink({sources[0]}, {sources[1]})"
        both = left in _NUMBERS and right in _NUMBERS
        if both or (node.op == "/" and left is right is Type.DURATION):
            return f"{_NUMBER_ARITHMETIC[node.op]}({sources[0]}, {sources[1]})"
        return "None"  # a number with an instant, a text with anything: null whatever the values are


class EventExpressions(Expressions):
    """Expressions over the event at hand: `p` its properties, `e` the event, `t` its instant."""

    def read(self, node: Node) -> str:
        assert isinstance(node, Property), f"{type(node).__name__} within where"
        if node.root == "timestamp":
            return "t"
        if node.root == "context":
            return f"at(e.context, {self.constants.name(node.path)})"
        if len(node.path) == 1:
            return f"p.get({self.constants.name(node.path[0])})"
        return f"at(p, {self.constants.name(node.path)})"
