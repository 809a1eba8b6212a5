"""The oracle's evaluator: every word of the language, answered from the whole history by the shortest reading.

It walks the checked tree over the list of a customer's accepted events at one instant. Nothing is kept between two
instants and nothing is clever; no code is shared with the compiler or its windows.

Values: numbers are exact `Fraction`s, texts `str`, booleans `bool`, instants and durations have their own classes,
lists are JSON lists, `null` is None, and `Many` is what a path through a list yields.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from stream.core.events import NEVER_MS, Event
from stream.rules import tree
from stream.rules.tree import Definitions, Node, Type

MICRO = 1_000_000


@dataclass(frozen=True, order=True)
class Instant:
    ms: int


@dataclass(frozen=True, order=True)
class Duration:
    ms: int


@dataclass(frozen=True)
class Many:
    """The values a path through a list leads to."""

    values: tuple[Any, ...]


NEVER = Instant(NEVER_MS)


def in_order(events: Iterable[Event]) -> list[Event]:
    """Event order: (event time, log position)."""
    return sorted(events, key=lambda event: (event.time_ms, event.offset))


class Judgement:
    """All that can be asked of one customer at one instant. `events`: every accepted event, in event order."""

    def __init__(self, definitions: Definitions, events: list[Event], now_ms: int) -> None:
        self.definitions = definitions
        self.events = events
        self.now_ms = now_ms
        self._dimensions = {dimension.name: dimension for dimension in definitions.dimensions}
        self._segments = {segment.name: segment for segment in definitions.segments}
        self._zone = ZoneInfo(definitions.zone)
        self._values: dict[int, Any] = {}

    def answers(self) -> tuple[int, ...]:
        """Per dimension the index of its stage, then per segment 1 (in) or 0 (out)."""
        stages = [self.stage(name) for name in self._dimensions]
        return tuple(stages + [int(self.holds(segment.when)) for segment in self.definitions.segments])

    def stage(self, dimension: str) -> int:
        for index, stage in enumerate(self._dimensions[dimension].stages):
            if stage.condition is None or self.holds(stage.condition):
                return index
        raise AssertionError(f"dimension {dimension} has no last stage")

    def facts(self) -> dict[str, Any]:
        return {fact.name: self.value(fact.value) for fact in self.definitions.facts}

    def holds(self, node: Node) -> bool:
        """Two-valued: anything but true does not hold."""
        return self.value(node) is True

    def value(self, node: Node, event: Event | None = None) -> Any:
        """The value of an expression; `event` is the one at hand within `where` and `sel.prop`."""
        if event is not None:
            return self._evaluate(node, event)
        if id(node) not in self._values:
            self._values[id(node)] = self._evaluate(node, None)
        return self._values[id(node)]

    def _evaluate(self, node: Node, event: Event | None) -> Any:
        def of(part: Node) -> Any:
            return self.value(part, event)

        match node:
            case tree.Literal():
                return _literal(node)
            case tree.ListOf():
                return Many(tuple(of(item) for item in node.items))
            case tree.Property():
                assert event is not None
                return _property(node, event)
            case tree.Trait():
                return self._trait(node)
            case tree.Leaf():
                return self._leaf(node)
            case tree.Silent():
                quiet_since = max(self._edge("last", self._chosen(node.selector)), self._first_seen())
                return quiet_since <= Instant(self.now_ms - node.duration_ms)
            case tree.FirstSeen():
                return self._first_seen()
            case tree.Now():
                return Instant(self.now_ms)
            case tree.Fact():
                return of(node.value)
            case tree.StageOf():
                return self._dimensions[node.dimension].stages[self.stage(node.dimension)].name
            case tree.InSegment():
                return self.holds(self._segments[node.segment].when)
            case tree.Compare():
                return compare(node.op, of(node.left), of(node.right))
            case tree.Contains():
                return _within(of(node.item), of(node.collection)) != node.negated
            case tree.And():
                return all(of(part) is True for part in node.parts)
            case tree.Or():
                return any(of(part) is True for part in node.parts)
            case tree.Not():
                return of(node.part) is not True
            case tree.Arithmetic():
                return arithmetic(node.op, of(node.left), of(node.right))
            case tree.Call():
                return _call(node.function, [of(argument) for argument in node.arguments])
        raise AssertionError(f"unknown node {type(node).__name__}")

    def _first_seen(self) -> Instant:
        return min((Instant(event.time_ms) for event in self.events), default=NEVER)

    def _chosen(self, selector: tree.Selector) -> list[Event]:
        return [event for event in self.events if any(self._matches(match, event) for match in selector.matches)]

    def _matches(self, match: tree.Match, event: Event) -> bool:
        return (
            event.kind in match.kinds
            and (match.name is None or (event.kind == "track" and event.name == match.name))
            and (match.where is None or self.value(match.where, event) is True)
        )

    def _edge(self, word: str, events: list[Event]) -> Instant:
        if not events:
            return NEVER
        return Instant(events[0 if word == "first" else -1].time_ms)

    def _leaf(self, leaf: tree.Leaf) -> Any:
        events = self._chosen(leaf.selector)
        if leaf.window_ms is not None or leaf.before_ms:
            until_ms = self.now_ms - leaf.before_ms
            from_ms = NEVER_MS if leaf.window_ms is None else until_ms - leaf.window_ms
            events = [event for event in events if from_ms < event.time_ms <= until_ms]
        if leaf.word == "count":
            return Fraction(len(events))
        if leaf.word == "active_days":
            return Fraction(len({datetime.fromtimestamp(event.time_ms // 1000, self._zone).date() for event in events}))
        if leaf.word in ("first", "last"):
            if leaf.prop is None:
                return self._edge(leaf.word, events)
            value = _property(leaf.prop, events[0 if leaf.word == "first" else -1]) if events else None
            return None if isinstance(value, Many | list | dict) else value  # a single value is kept, nothing larger
        assert leaf.prop is not None
        values = [value for event in events for value in _flat(_property(leaf.prop, event))]
        if leaf.word == "distinct":
            return Fraction(len({(type(value), value) for value in values if isinstance(value, Fraction | str | bool)}))
        return _summary(leaf.word, [value for value in values if isinstance(value, Fraction)])

    def _trait(self, trait: tree.Trait) -> Any:
        kind = "identify" if trait.source == "traits" else "group"
        declared = self.definitions.traits if trait.source == "traits" else self.definitions.group
        key, *inner = trait.path
        calls = [event for event in self.events if event.kind == kind and key in event.properties]
        raw = _follow(calls[-1].properties[key], inner) if calls else None
        declaration = declared.get(trait.name)
        return _plain(raw) if declaration is None else convert(raw, declaration.type, self._zone)


def _literal(node: tree.Literal) -> Any:
    if node.type is Type.DURATION:
        return Duration(node.value)
    if node.type is Type.INSTANT:
        return Instant(node.value)
    return _plain(node.value)


def _plain(raw: Any) -> Any:
    """A JSON value as a value of the language. Floats are read as their shortest decimal."""
    if isinstance(raw, bool) or raw is None or isinstance(raw, str | list | dict):
        return raw
    return Fraction(repr(raw))


def _follow(raw: Any, path: Iterable[str]) -> Any:
    """Step through objects; None where there is no such key."""
    for key in path:
        raw = raw.get(key) if isinstance(raw, dict) else None
    return raw


def _property(node: tree.Property, event: Event) -> Any:
    if node.root == "timestamp":
        return Instant(event.time_ms)
    values: list[Any] = [event.properties if node.root == "properties" else event.context]
    through_list = False
    for key in node.path:
        if any(isinstance(value, list) for value in values):
            through_list = True
            values = [item for value in values for item in (value if isinstance(value, list) else [value])]
        values = [_follow(value, [key]) for value in values]
    return Many(tuple(_plain(value) for value in values)) if through_list else _plain(values[0])


def _flat(value: Any) -> list[Any]:
    """What a path leads to, for the words that take all: elements of lists one by one."""
    if isinstance(value, Many):
        return [item for inner in value.values for item in _flat(inner)]
    if isinstance(value, list):
        return [item for inner in value for item in _flat(_plain(inner))]
    return [value]


def micros(number: Fraction) -> Fraction:
    """To a millionth, half to even."""
    return Fraction(round(number * MICRO), MICRO)


def _summary(word: str, numbers: list[Fraction]) -> Fraction | None:
    if word == "sum":
        return sum((micros(number) for number in numbers), Fraction(0))
    if not numbers:
        return None
    if word == "avg":
        return micros(sum((micros(number) for number in numbers), Fraction(0)) / len(numbers))
    return min(numbers) if word == "min" else max(numbers)


def _scalars(value: Any) -> list[Any]:
    """The values of which any may satisfy a comparison."""
    return _flat(value) if isinstance(value, Many | list) else [value]


def compare(op: str, left: Any, right: Any) -> bool:
    """Wrong types and null compare false; `!=` is the opposite of `==`."""
    if op == "!=":
        return not compare("==", left, right)
    return any(_compare_scalars(op, a, b) for a in _scalars(left) for b in _scalars(right))


def _compare_scalars(op: str, left: Any, right: Any) -> bool:
    if op == "==":
        return type(left) is type(right) and bool(left == right)
    if type(left) is not type(right) or not isinstance(left, Fraction | str | Instant | Duration):
        return False
    if op == "<":
        return bool(left < right)
    if op == "<=":
        return bool(left <= right)
    if op == ">":
        return bool(left > right)
    assert op == ">="
    return bool(left >= right)


def _within(item: Any, collection: Any) -> bool:
    if not isinstance(collection, Many | list):
        return False
    return compare("==", item, collection)


def arithmetic(op: str, left: Any, right: Any) -> Any:
    """Null when a side is null, never or of a kind the operator does not know, and on division by zero."""
    if left in (None, NEVER) or right in (None, NEVER) or (op == "/" and right in (Fraction(0), Duration(0))):
        return None
    match (left, op, right):
        case (Instant(), "-", Instant()):
            return Duration(left.ms - right.ms)
        case (Instant(), "+" | "-", Duration()):
            return Instant(left.ms + right.ms if op == "+" else left.ms - right.ms)
        case (Duration(), "+", Instant()):
            return Instant(left.ms + right.ms)
        case (Duration(), "+" | "-", Duration()):
            return Duration(left.ms + right.ms if op == "+" else left.ms - right.ms)
        case (Duration(), "*" | "/", Fraction()):
            return Duration(round(left.ms * right if op == "*" else left.ms / right))
        case (Fraction(), "*", Duration()):
            return Duration(round(left * right.ms))
        case (Duration(), "/", Duration()):
            return micros(Fraction(left.ms, right.ms))
        case (Fraction(), _, Fraction()):
            results = {"+": left + right, "-": left - right, "*": left * right}
            return micros(left / right if op == "/" else results[op])
    return None


def _call(function: str, arguments: list[Any]) -> Any:
    if function == "if":
        return arguments[1] if arguments[0] is True else arguments[2]
    if function == "lower":
        return arguments[0].lower() if isinstance(arguments[0], str) else None
    text, part = arguments
    if not isinstance(part, str):
        return False
    texts = [value for value in _scalars(text) if isinstance(value, str)]
    if function == "starts_with":
        return any(value.startswith(part) for value in texts)
    assert function == "contains"
    return any(part in value for value in texts)


def convert(raw: Any, wanted: Type, zone: ZoneInfo) -> Any:
    """A declared trait as its type; None when it can't be read as that."""
    if wanted is Type.NUMBER:
        return _number(raw)
    if wanted is Type.TEXT:
        if isinstance(raw, int | float) and not isinstance(raw, bool):
            return str(raw)
        return raw if isinstance(raw, str) else None
    if wanted is Type.BOOLEAN:
        if isinstance(raw, str):
            return {"true": True, "false": False}.get(raw)
        return raw if isinstance(raw, bool) else None
    if wanted is Type.INSTANT:
        return _date(raw, zone)
    assert wanted is Type.LIST
    return raw if isinstance(raw, list) else None


def _number(raw: Any) -> Fraction | None:
    if isinstance(raw, bool) or not isinstance(raw, int | float | str):
        return None
    try:
        return Fraction(raw if isinstance(raw, str) else repr(raw))
    except ValueError:
        return None


def _date(raw: Any, zone: ZoneInfo) -> Instant | None:
    """A day begins at midnight of the file's zone; a time without a zone is of that zone too."""
    if not isinstance(raw, str):
        return None
    try:
        read = datetime.combine(date.fromisoformat(raw), time()) if len(raw) == 10 else datetime.fromisoformat(raw)
    except ValueError:
        return None
    return Instant(round((read if read.tzinfo else read.replace(tzinfo=zone)).timestamp() * 1000))
