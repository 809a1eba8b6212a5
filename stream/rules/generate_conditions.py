"""Values and conditions of a customer as source: straight lines over the cells `c0`, `c1` ... at the instant `now`.

Whatever may turn by itself lowers `nxt`, the earliest instant after `now` at which something looked at may differ.
Shapes with a closed form (see `patterns`) need no sweep: they name the very millisecond.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from stream.core.events import NEVER_MS
from stream.rules.canonical import canonical
from stream.rules.generate_values import Expressions
from stream.rules.needs import FIRST_SEEN, Needs, last_key, leaf_key, trait_key
from stream.rules.patterns import Against, Band, Line, against_number, band, bare, is_event_instant, line, newest_levels
from stream.rules.source import Lines, Module
from stream.rules.tree import (
    And,
    Arithmetic,
    Call,
    Compare,
    FirstSeen,
    InSegment,
    Leaf,
    Literal,
    Node,
    Now,
    Or,
    Silent,
    StageOf,
    Trait,
    Type,
)
from stream.rules.values import MICRO
from stream.rules.walk import moves_with_now

_TIMES = frozenset({Type.INSTANT, Type.DURATION})
_PLAIN = frozenset({Type.NUMBER, Type.TEXT, Type.BOOLEAN, Type.INSTANT, Type.DURATION})
_SIMPLE = re.compile(r"\w+(\[\d\])?")
_IN_WINDOW = {"count": "count_in", "sum": "sum_in", "avg": "average_in", "min": "smallest_in", "max": "greatest_in"}
_OF_TOTAL = {"sum": "c[0]", "avg": "average(c[0], c[1])", "min": "c[2]", "max": "c[3]"}
_OF_SIGN = {
    "<": "({} == -1)",
    "<=": "({0} == -1 or {0} == 0)",
    ">": "({} == 1)",
    ">=": "({0} == 1 or {0} == 0)",
    "==": "({} == 0)",
    "!=": "({} != 0)",
}
_UNTIL = {  # slope of left - right in now -> operator -> (one millisecond later, negated)
    -1: {">": (0, False), ">=": (1, False), "<": (1, True), "<=": (0, True)},
    1: {">": (1, True), ">=": (0, True), "<": (0, False), "<=": (1, False)},
}

SignOf = Callable[[Node, Node], str]


class CustomerExpressions(Expressions):
    """Expressions over a customer's cells, written into `lines`.

    `answers`: definition -> (its number, its stages). `sign_of` writes a function for `turning.search` and gives its
    name; None where nothing after `now` is asked.
    """

    def __init__(
        self,
        module: Module,
        needs: Needs,
        answers: dict[str, tuple[int, tuple[str, ...]]],
        lines: Lines,
        sign_of: SignOf | None,
    ) -> None:
        super().__init__(module.constants)
        self.lines = lines
        self.cells_read: set[int] = set()
        self._needs = needs
        self._answers = answers
        self._sign_of = sign_of

    # -- values --------------------------------------------------------------------------------------------------------

    def read(self, node: Node) -> str:
        if isinstance(node, Leaf):
            return self._leaf(node)
        if isinstance(node, Trait):
            return f"{self._cell(self._needs.index(trait_key(node)))}[0]"
        if isinstance(node, FirstSeen):
            return self._cell(self._needs.index(FIRST_SEEN))
        if isinstance(node, Now):
            return "now"
        assert isinstance(node, StageOf), f"{type(node).__name__} in a condition"
        number, stages = self._answers[node.dimension]
        return f"{self.constants.name(stages)}[d{number}]"

    def _cell(self, index: int) -> str:
        self.cells_read.add(index)
        return f"c{index}"

    def _leaf(self, leaf: Leaf) -> str:
        cell = self._needs.cells[self._needs.index(leaf_key(leaf))]
        source = self._cell(self._needs.index(leaf_key(leaf)))
        if cell.kind in ("counter", "first", "last"):
            return source
        if cell.kind in ("first_value", "last_value"):
            return f"{source}[2]"
        if cell.kind == "total":
            return f"number({_OF_TOTAL[leaf.word].replace('c[', source + '[')})"
        if leaf.window_ms is None:
            return f"len({source}[0])"

        def write() -> str:
            value, border = self.lines.new("v"), self.lines.new("x")
            self.lines.emit(f"{value}, {border} = {self._windowed(leaf, cell.kind, source)}")
            self._merge(border)
            if cell.kind == "amounts":
                self.lines.emit(f"{value} = number({value})")
            return value

        return self.lines.shared(("leaf", canonical(leaf)), write)

    def _windowed(self, leaf: Leaf, kind: str, source: str) -> str:
        if kind == "newest":
            return f"count_newest({source}, now, {leaf.window_ms})"
        if kind in ("values", "days"):
            return f"count_newest({source}[0], now, {leaf.window_ms})"
        if kind in ("value_log", "day_log"):
            return f"distinct_between({source}, now, {leaf.window_ms}, {leaf.before_ms})"
        return f"{_IN_WINDOW[leaf.word]}({source}, now, {leaf.window_ms}, {leaf.before_ms})"

    def _merge(self, border: str) -> None:
        self.lines.emit(f"if {border} < nxt: nxt = {border}")

    # -- conditions ----------------------------------------------------------------------------------------------------

    def condition(self, node: Node) -> str:
        node = bare(node)
        if isinstance(node, And | Or):
            return self._junction(node)
        if isinstance(node, Compare):
            return self._compare(node)
        if isinstance(node, InSegment):
            return f"(d{self._answers[node.segment][0]} == 1)"
        if isinstance(node, Silent):
            return f"(not {self._silent(node)})"
        return super().condition(node)

    def _junction(self, node: And | Or) -> str:
        """Parts that cost a statement are looked at only when the cheap ones have not decided."""
        word = " and " if isinstance(node, And) else " or "
        if not self.lines.lazy:
            return f"({word.join([self.condition(part) for part in _parts(node)])})"
        cheap: list[str] = []
        costly: list[tuple[list[str], str]] = []
        for part in _parts(node):
            with self.lines.aside() as written:
                source = self.condition(part)
            if written:
                costly.append((written, source))
            else:
                cheap.append(source)
        if not costly:
            return f"({word.join(cheap)})"
        result = self.lines.new("r")
        if cheap:
            self.lines.emit(f"{result} = {word.join(cheap)}")
        else:
            written, source = costly.pop(0)
            self.lines.take([each[4:] for each in written])
            self.lines.emit(f"{result} = {source}")
        for written, source in costly:
            with self.lines.block(f"if {result}:" if isinstance(node, And) else f"if not {result}:"):
                self.lines.take(written)
                self.lines.emit(f"{result} = {source}")
        return result

    def _silent(self, node: Silent) -> str:
        last = self._cell(self._needs.index(last_key(node.selector)))
        seen = self._cell(self._needs.index(FIRST_SEEN))
        source = f"({last} if {last} > {seen} else {seen}) + {node.duration_ms}"
        return self._until(("silent", last, node.duration_ms), lambda: source)

    def _compare(self, node: Compare) -> str:
        newest = newest_levels(node)
        if newest is not None:
            leaf, levels = newest
            return self._band(levels, lambda level: self._at_least_newest(leaf, level))
        against = against_number(node)
        if against is not None and (source := self._against(against)) is not None:
            return source
        left, right = bare(node.left), bare(node.right)
        if isinstance(left, Literal):
            left, right = right, left
        if isinstance(left, StageOf) and isinstance(right, Literal) and node.op in ("==", "!="):
            number, stages = self._answers[left.dimension]
            stage = stages.index(right.value) if right.value in stages else -1
            return f"(d{number} {node.op} {stage})"
        if isinstance(right, Literal) and right.value is None and left.type in _PLAIN:
            if node.op not in ("==", "!="):
                return "False"
            return f"({self.value(left)} {'is' if node.op == '==' else 'is not'} None)"
        if moves_with_now(left) or moves_with_now(right):
            return self._sliding(node)
        return self._steady(node)

    def _steady(self, node: Compare) -> str:
        """Both sides only step: their values compare, and the steps are breakpoints already."""
        kind = node.left.type
        if kind is not node.right.type or kind not in _PLAIN:
            return super().condition(node)
        left, right = self._named(node.left), self._named(node.right)
        guards = [] if node.op in ("==", "!=") else self._guards((node.left, left), (node.right, right))
        return f"({' and '.join([*guards, f'{left} {node.op} {right}'])})"

    def _guards(self, *sides: tuple[Node, str]) -> list[str]:
        return [f"{source} is not None" for node, source in sides if _may_be_null(node)]

    def _named(self, node: Node) -> str:
        source = self.value(node)
        if _SIMPLE.fullmatch(source) or not _may_be_null(node):
            return source
        name = self.lines.new("v")
        self.lines.emit(f"{name} = {source}")
        return name

    # -- words over history against a number ---------------------------------------------------------------------------

    def _band(self, levels: Band, at_least: Callable[[int], str]) -> str:
        if levels.empty:
            return "True" if levels.negated else "False"
        parts = [at_least(levels.low)] if levels.low is not None else []
        if levels.high is not None:
            parts.append(f"not {at_least(levels.high)}")
        inside = " and ".join(part for part in parts if part != "True") or "True"
        if levels.negated:
            return f"(not ({inside}))"
        return inside if _SIMPLE.fullmatch(inside) else f"({inside})"

    def _at_least_newest(self, leaf: Leaf, level: int) -> str:
        """The k newest of a count, of different values or days."""
        if level <= 0:
            return "True"
        index = self._needs.index(leaf_key(leaf))
        times = self._cell(index) + ("" if self._needs.cells[index].kind == "newest" else "[0]")
        if leaf.window_ms is None:
            return f"(len({times}) >= {level})"
        there = times if level == 1 else f"len({times}) >= {level}"
        source = f"{times}[-{level}] + {leaf.window_ms} if {there} else {NEVER_MS}"
        return self._until(("newest", times, leaf.window_ms, level), lambda: source)

    def _against(self, against: Against) -> str | None:
        leaf = against.leaf
        source = self._cell(self._needs.index(leaf_key(leaf)))
        if leaf.word == "count" and leaf.window_ms is None:
            return f"({source} {against.op} {self._literal(against.constant)})"
        if leaf.word != "sum" or leaf.before_ms:
            return None
        levels = band(against.op, against.constant, MICRO)
        if leaf.window_ms is None:
            return self._band(levels, lambda level: f"({source}[0] >= {level})")

        def reaches(level: int) -> str:
            def write() -> str:
                holds, border = self.lines.new("b"), self.lines.new("x")
                self.lines.emit(f"{holds}, {border} = sum_at_least({source}, now, {leaf.window_ms}, {level})")
                self._merge(border)
                return holds

            return self.lines.shared(("sum", source, leaf.window_ms, level), write)

        return self._band(levels, reaches)

    # -- what slides with the clock ------------------------------------------------------------------------------------

    def _until(self, key: tuple[object, ...], source: Callable[[], str]) -> str:
        """A truth that holds before an instant and never again. `source` gives the instant, and may emit what goes
        before it: at the place to which the truth belongs, which may be above the present one."""

        def write() -> str:
            holds, border = self.lines.new("b"), self.lines.new("x")
            self.lines.emit(f"{border} = {source()}")
            self.lines.emit(f"{holds} = now < {border}")
            self.lines.emit(f"if {holds} and {border} < nxt: nxt = {border}")
            return holds

        return self.lines.shared(key, write)

    def _sliding(self, node: Compare) -> str:
        kinds = {node.left.type, node.right.type}
        if kinds <= _TIMES:
            left, right = line(node.left), line(node.right)
            if left is not None and right is not None:
                slope = left.slope - right.slope
                if slope == 0:
                    return super().condition(node)
                if slope in (1, -1):
                    return self._straight(node.op, left, right, slope)
        elif Type.ANY in kinds and kinds & _TIMES:
            return "True" if node.op == "!=" else "False"  # what a property holds is never an instant
        return self._searched(node)

    def _straight(self, op: str, left: Line, right: Line, slope: int) -> str:
        """left - right = slope * now + rest, so it turns where now = -slope * rest."""
        constant = -slope * (left.constant - right.constant)
        sides = [(-slope, left), (slope, right)]
        terms = [(turn * times, node, side) for turn, side in sides for times, node in side.terms]
        may_be_unknown = any(_unknown(node, side, "_") for _, node, side in terms)
        key = tuple(sorted(f"{times}{canonical(node)}" for times, node, _ in terms)), may_be_unknown

        def named() -> tuple[str, list[str]]:
            """The terms added up, and what tells that one of them makes its side null. Emits names for them here."""
            sources = [self._named(node) for _, node, _ in terms]
            unknown = [found for (_, node, side), each in zip(terms, sources) if (found := _unknown(node, side, each))]
            total = " ".join(f"{'+' if times > 0 else '-'} {each}" for (times, _, _), each in zip(terms, sources))
            return total, unknown

        def until(later: int) -> str:
            rest = constant + later

            def source() -> str:
                total, unknown = named()
                border = f"{total} {'-' if rest < 0 else '+'} {abs(rest)}".strip().removeprefix("+ ")
                return f"{NEVER_MS} if {' or '.join(unknown)} else {border}" if unknown else border

            return self._until(("until", *key, rest), source)

        if op in ("==", "!="):
            same = f"({until(1)} and not {until(0)})"
            return same if op == "==" else f"(not {same})"
        later, negated = _UNTIL[slope][op]
        holds = until(later)
        if not negated:
            return holds
        unknown = named()[1] if may_be_unknown else []
        return f"(not {' and not '.join([holds, *(f'({each})' for each in unknown)])})"

    def _searched(self, node: Compare) -> str:
        def write() -> str:
            name = self.lines.new("s")
            self.lines.emit(f"{name} = sign({self.value(node.left)}, {self.value(node.right)})")
            if self._sign_of is not None:
                border = self.lines.new("x")
                self.lines.emit(f"{border} = search({self._sign_of(node.left, node.right)}, cells, now, nxt)")
                self._merge(border)
            return name

        key = ("sign", canonical(node.left), canonical(node.right))
        return _OF_SIGN[node.op].format(self.lines.shared(key, write))


def _parts(node: And | Or) -> Iterator[Node]:
    """The parts, those of parts of the same kind among them."""
    for part in map(bare, node.parts):
        if isinstance(part, type(node)):
            yield from _parts(part)
        else:
            yield part


def _may_be_null(node: Node) -> bool:
    node = bare(node)
    if isinstance(node, Literal):
        return node.value is None
    if isinstance(node, Leaf):
        return node.word in ("avg", "min", "max") or (node.prop is not None and node.word in ("first", "last"))
    return isinstance(node, Trait | Arithmetic | Call)


def _unknown(node: Node, side: Line, source: str) -> str | None:
    """Source that tells a term which makes its whole side null, or a side that is null; None when it can't be."""
    alone = len(side.terms) == 1 and side.constant == 0 and side.slope == 0
    if is_event_instant(node):
        return None if alone and side.terms[0][0] == 1 else f"{source} == {NEVER_MS}"
    if isinstance(bare(node), Literal):
        return None if alone or bare(node).value != NEVER_MS else "True"  # type: ignore[attr-defined]
    if not _may_be_null(node):
        return None
    return f"{source} is None" if alone else f"{source} is None or {source} == {NEVER_MS}"
