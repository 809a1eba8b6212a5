"""What a condition says of a customer who never did something: true, false, or it depends.

Takes a customer without the given events; all else about the customer is open. A warning that such a customer slips
into a segment is needed only where the answer is not a plain no.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from stream.rules.reach import OPERATORS, offset_ms, opened
from stream.rules.tree import (
    And,
    Arithmetic,
    Call,
    Compare,
    DimensionDefinition,
    FirstSeen,
    InSegment,
    Leaf,
    Literal,
    Match,
    Node,
    Not,
    Or,
    SegmentDefinition,
    Selector,
    Silent,
    StageOf,
    Trait,
    Type,
)
from stream.rules.walk import calculate, shape

Others = Mapping[str, DimensionDefinition | SegmentDefinition]


class _Open:
    """It depends."""


OPEN = _Open()
DEEPEST = 20
"""Definitions that refer to one another are followed so far: a warning is advice."""

_OF_NOTHING: dict[str, Any] = {"count": 0, "sum": 0, "distinct": 0, "active_days": 0}


@dataclass(frozen=True, slots=True)
class Customer:
    """A customer without events of these selectors (none given: any customer). `just_seen`: for the first time, now.
    `others`: the file's dimensions and segments by name, to which conditions refer. `unknown`: (source, path) of a
    trait that was never told."""

    without: Sequence[Selector] = ()
    just_seen: bool = False
    others: Others = field(default_factory=dict)
    unknown: tuple[str, tuple[str, ...]] | None = None
    _found: dict[str, Any] = field(default_factory=dict)  # of the others, each once
    _asked: list[str] = field(default_factory=list)  # of the others, those on the way

    def answer(self, condition: Node) -> bool | None:
        """Whether the condition holds; None when that depends on what is not known here."""
        condition = opened(condition)
        match condition:
            case And():
                answers = [self.answer(part) for part in condition.parts]
                return False if False in answers else (None if None in answers else True)
            case Or():
                answers = [self.answer(part) for part in condition.parts]
                return True if True in answers else (None if None in answers else False)
            case Not():
                inner = self.answer(condition.part)
                return None if inner is None else not inner
            case Silent():
                return False if self.just_seen else None  # nobody is silent yet
            case Compare():
                return self._compare(condition)
            case InSegment():
                inside: bool | None = self._once(condition.segment, self._membership, None)
                return inside
        value = self._value(condition)
        return None if isinstance(value, _Open) else value is True

    def _compare(self, node: Compare) -> bool | None:
        left, right = self._value(node.left), self._value(node.right)
        if node.op in ("==", "!=") and not isinstance(left, _Open) and not isinstance(right, _Open):
            return bool((left == right) == (node.op == "=="))
        if node.left.type is Type.INSTANT and node.right.type is Type.INSTANT:
            if (left == -math.inf and node.op == "<=") or (right == -math.inf and node.op == ">="):
                return True  # never is not later than anything
            if (left == -math.inf and node.op == ">") or (right == -math.inf and node.op == "<"):
                return False
        if isinstance(left, _Open) or isinstance(right, _Open):
            return None
        if left is None or right is None:
            return False
        return OPERATORS[node.op](left, right) if node.op in OPERATORS else None

    def _value(self, node: Node) -> Any:
        """A plain value; instants as ms from now; OPEN when it depends."""
        node = opened(node)
        match node:
            case Literal() if node.type is not Type.INSTANT:
                return node.value
            case Leaf() if self._lacks(node.selector):
                if node.word in ("first", "last") and node.prop is None:
                    return -math.inf
                return _OF_NOTHING.get(node.word)
            case FirstSeen() if self.just_seen:
                return 0.0
            case StageOf():
                return self._once(node.dimension, self._stage, OPEN)
            case Trait() if (node.source, node.path) == self.unknown:
                return None
            case And() | Or() | Not() | Compare() | Silent() | InSegment():
                answer = self.answer(node)
                return OPEN if answer is None else answer
            case Call(function="if"):
                condition = self.answer(node.arguments[0])
                return OPEN if condition is None else self._value(node.arguments[1 if condition else 2])
            case Arithmetic():
                return self._arithmetic(node)
        offset = offset_ms(node)
        return OPEN if offset is None else offset

    def _once(
        self, name: str, find: Callable[[DimensionDefinition | SegmentDefinition | None], Any], too_deep: Any
    ) -> Any:
        """What one of the others says; `too_deep` behind a long chain of them."""
        if name in self._found:
            return self._found[name]
        if len(self._asked) >= DEEPEST:
            return too_deep
        self._asked.append(name)
        found = self._found[name] = find(self.others.get(name))
        self._asked.pop()
        return found

    def _membership(self, segment: DimensionDefinition | SegmentDefinition | None) -> bool | None:
        return self.answer(segment.when) if isinstance(segment, SegmentDefinition) else None

    def _stage(self, dimension: DimensionDefinition | SegmentDefinition | None) -> Any:
        """The first that holds, if all before it surely don't."""
        for stage in dimension.stages if isinstance(dimension, DimensionDefinition) else ():
            holds = True if stage.condition is None else self.answer(stage.condition)
            if holds is not False:
                return stage.name if holds else OPEN
        return OPEN

    def _arithmetic(self, node: Arithmetic) -> Any:
        if node.type is Type.INSTANT:
            offset = offset_ms(node)
            return OPEN if offset is None else offset
        left, right = self._value(node.left), self._value(node.right)
        if left is None or right is None or left == -math.inf or right == -math.inf:
            return None  # arithmetic with null or never
        if isinstance(left, _Open) or isinstance(right, _Open):
            return OPEN
        if not all(isinstance(value, int | float) for value in (left, right)):
            return OPEN
        result = calculate(node.op, left, right)
        return OPEN if result is None and right != 0 else result

    def _lacks(self, selector: Selector) -> bool:
        """Whether every event of the selector is one the customer does not have."""
        absent = [match for missing in self.without for match in missing.matches]
        return bool(absent) and all(any(_within(match, other) for other in absent) for match in selector.matches)


def _within(match: Match, other: Match) -> bool:
    same_name = other.name is None or match.name == other.name
    same_where = other.where is None or shape(match.where) == shape(other.where)
    return match.kinds <= other.kinds and same_name and same_where
