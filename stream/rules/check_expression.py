"""The checker of expressions: an untyped tree becomes a checked one, every name resolved, every type known.

Each rule gives the checked node, or None after reporting what is wrong; a None below makes a None above without
another word, so that one mistake gives one message and does not hide its neighbours.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Protocol

from stream.core.events import NEVER_MS
from stream.errors import Place
from stream.rules import literals
from stream.rules.comparisons import check_comparison, check_membership
from stream.rules.expressions import Syntax
from stream.rules.tree import And, Arithmetic, Call, Compare, Contains, ListOf, Literal, Node, Not, Or, Trait, Type
from stream.rules.types import ARITHMETIC, common
from stream.rules.walk import is_constant, moves_with_now
from stream.rules.world import World


class Scope(Protocol):
    """Where an expression stands: over a customer, or inside a `where` over one event."""

    def path(self, syntax: Syntax, beside_text: bool = False) -> Node | None:
        """What a (dotted) name means here. `beside_text`: it is compared with a text, and may be one itself."""

    def is_hyphenated(self, syntax: Syntax) -> bool:
        """Whether `win-back`, a calculation to the grammar, is a name that can't stand here; if so, reports it."""

    def call(self, syntax: Syntax, checker: ExpressionChecker) -> Node | None:
        """A function that is not of plain values."""


@dataclass(frozen=True, slots=True)
class ExpressionChecker:
    """Checks values and conditions within one scope."""

    world: World
    scope: Scope

    def condition(self, syntax: Syntax) -> Node | None:
        """A node that is true or false."""
        node = self.value(syntax)
        if node is None or node.type in (Type.BOOLEAN, Type.ANY):
            return node
        hint = {
            Type.NUMBER: f"compare it: {_short(node)} > 0",
            Type.INSTANT: f"compare it: {_short(node)} > ago(30d)",
            Type.TEXT: f'compare it: {_short(node)} == "..."',
        }.get(node.type)
        asks = not (is_constant(node) or moves_with_now(node))  # else the comparison would always come out the same
        found = node.type.value
        self.world.report(node.place, "a condition must be true or false", found, "a condition", hint if asks else None)
        return None

    def value(self, syntax: Syntax) -> Node | None:
        """A node of any type but a list."""
        if syntax.kind == "list":
            hint = "lists stand after `in`, and as events: count([a, b])"
            self.world.report(syntax.place, "a list can't stand here", syntax.text[:60], "a value", hint)
            return None
        rule = self._RULES.get(syntax.kind)
        assert rule is not None, f"no rule for {syntax.kind}"
        return rule(self, syntax)

    def bad_literal(self, place: Place, error: literals.BadLiteral, found: str) -> None:
        self.world.report(place, error.message, found[:60], hint=error.hint)

    # ------------------------------------------------------------------ literals

    def _literal(self, syntax: Syntax) -> Node | None:
        source = syntax.parts[0] if syntax.parts else syntax
        try:
            kind, value = _LITERALS[syntax.kind](source.value)
        except literals.BadLiteral as error:
            self.bad_literal(syntax.place, error, source.value)
            return None
        return Literal(place=syntax.place, type=kind, text=syntax.text, value=value)

    def _sign(self, syntax: Syntax) -> Node | None:
        sign, operand = syntax.parts
        node = self.value(operand)
        if node is None:
            return None
        if node.type not in (Type.NUMBER, Type.DURATION, Type.ANY):
            self.world.report(syntax.place, "a sign needs a number or a duration", node.type.value)
            return None
        if sign.value == "+":
            return node
        if isinstance(node, Literal):
            return Literal(place=syntax.place, type=node.type, text=syntax.text, value=-node.value)
        minus = Literal(place=syntax.place, type=Type.NUMBER, text="-1", value=-1)
        return Arithmetic(place=syntax.place, type=node.type, text=syntax.text, op="*", left=minus, right=node)

    # ------------------------------------------------------------------ names and functions

    def _path(self, syntax: Syntax) -> Node | None:
        return self.scope.path(syntax)

    def _call(self, syntax: Syntax) -> Node | None:
        rule = self._FUNCTIONS.get(syntax.parts[0].value)
        return rule(self, syntax) if rule is not None else self.scope.call(syntax, self)

    def _arguments(self, syntax: Syntax) -> list[Syntax] | None:
        """The plain arguments of a function of values."""
        plain: list[Syntax] | None = []
        for argument in syntax.parts[1:]:
            if argument.kind != "argument" or len(argument.parts) != 1:
                name = syntax.parts[0].value
                self.world.report(argument.place, f"`{name}` takes plain values", argument.text[:60])
                plain = None
            elif plain is not None:
                plain.append(argument.parts[0])
        return plain

    def arguments(self, syntax: Syntax, usage: str, count: int) -> list[Syntax] | None:
        """Exactly `count` plain arguments, or None after reporting."""
        plain = self._arguments(syntax)
        if plain is None or len(plain) == count:
            return plain
        expected = f"{count} argument{'s' if count > 1 else ''}"
        name = syntax.parts[0].value
        self.world.report(syntax.place, f"`{name}` has {len(plain)} arguments", None, expected, f"as in {usage}")
        return None

    def _text_function(self, syntax: Syntax) -> Node | None:
        from_table = _TEXT_FUNCTIONS[syntax.parts[0].value]
        plain = self.arguments(syntax, from_table.usage, from_table.count)
        if plain is None:
            return None
        nodes = [self._text(argument) for argument in plain]
        whole = [node for node in nodes if node is not None]
        if len(whole) < len(nodes):
            return None
        name = syntax.parts[0].value
        return Call(place=syntax.place, type=from_table.type, text=syntax.text, function=name, arguments=tuple(whole))

    def _text(self, syntax: Syntax) -> Node | None:
        node = self.value(syntax)
        if node is None or node.type in (Type.TEXT, Type.ANY):
            return node
        hint = "`x in traits.list` asks a list" if node.type is Type.LIST else None
        self.world.report(node.place, "this function works on text", node.type.value, "text", hint)
        return None

    def _if(self, syntax: Syntax) -> Node | None:
        plain = self.arguments(syntax, "if(orders >= 3, 20, 0)", 3)
        if plain is None:
            return None
        condition = self.condition(plain[0])
        left, right = self.value(plain[1]), self.value(plain[2])
        if condition is None or left is None or right is None:
            return None
        kind = common(left.type, right.type)
        if kind is None:
            found = f"{left.type.value} and {right.type.value}"
            self.world.report(right.place, "both answers of `if` must be of one type", found)
            return None
        return Call(place=syntax.place, type=kind, text=syntax.text, function="if", arguments=(condition, left, right))

    def _date(self, syntax: Syntax) -> Node | None:
        usage = 'date("2025-11-28")'
        plain = self.arguments(syntax, usage, 1)
        if plain is None:
            return None
        if plain[0].kind != "string":
            self.world.report(plain[0].place, "`date` takes a text", plain[0].text[:60], hint=f"as in {usage}")
            return None
        text = plain[0].parts[0].value
        try:
            value = literals.instant_ms(text, self.world.zone)
        except literals.BadLiteral as error:
            self.bad_literal(plain[0].place, error, text)
            return None
        return Literal(place=syntax.place, type=Type.INSTANT, text=syntax.text, value=value)

    # ------------------------------------------------------------------ operators

    def _operation(self, syntax: Syntax) -> Node | None:
        if self.scope.is_hyphenated(syntax):
            return None
        left, right = self.value(syntax.parts[0]), self.value(syntax.parts[2])
        if left is None or right is None:
            return None
        op = syntax.parts[1].value
        kind = ARITHMETIC.get((op, left.type, right.type))
        place = syntax.parts[1].place
        if kind is None:
            found = f"{left.type.value} {op} {right.type.value}"
            hint = "null makes the whole null" if Type.NULL in (left.type, right.type) else _OPERATION_HINTS.get(op)
            self.world.report(place, "these can't be calculated with each other", found, hint=hint)
            return None
        if op in "*/" and not _linear(op, left, right):
            hint = "`now` may be added, subtracted, and multiplied or divided by a plain number"
            self.world.report(place, "the present instant must enter linearly", syntax.text[:60], hint=hint)
            return None
        if op == "/" and isinstance(right, Literal) and right.value == 0:
            self.world.report(right.place, "division by zero is always null", syntax.text[:60])
            return None
        return Arithmetic(place=syntax.place, type=kind, text=syntax.text, op=op, left=left, right=right)

    def _compare(self, syntax: Syntax) -> Node | None:
        operands: list[Node | None] = []
        for part in syntax.parts[::2]:
            operands.append(self._beside(operands[-1] if operands else None, part))
        operators = syntax.parts[1::2]
        words = [operator.value for operator in operators]
        if len(words) > 1 and not (set(words) <= {"<", "<="} or set(words) <= {">", ">="}):
            hint = "write the parts with `and`"
            message = "a chain of comparisons goes in one direction"
            self.world.report(operators[1].place, message, " ".join(words), "a < b <= c", hint)
            return None
        parts: list[Node] = []
        for left, operator, right in zip(operands, operators, operands[1:], strict=False):
            if left is None or right is None or not check_comparison(self.world, operator, left, right):
                continue
            text = syntax.text if len(words) == 1 else f"{left.text} {operator.value} {right.text}"
            place = syntax.place if len(words) == 1 else left.place
            parts.append(Compare(place=place, type=Type.BOOLEAN, text=text, op=operator.value, left=left, right=right))
        if len(parts) < len(words):
            return None
        if len(parts) == 1:
            return parts[0]
        return And(place=syntax.place, type=Type.BOOLEAN, text=syntax.text, parts=tuple(parts))

    def _in(self, syntax: Syntax) -> Node | None:
        item = self.value(syntax.parts[0])
        is_list = syntax.parts[1].kind == "list"
        collection = self._list(syntax.parts[1], item) if is_list else self.value(syntax.parts[1])
        if item is None or collection is None or not check_membership(self.world, item, collection):
            return None
        negated = syntax.kind == "not_in"
        return Contains(
            place=syntax.place, type=Type.BOOLEAN, text=syntax.text, item=item, collection=collection, negated=negated
        )

    def _beside(self, other: Node | None, syntax: Syntax) -> Node | None:
        """The value that is compared with another."""
        beside_text = isinstance(other, Trait) and other.type in (Type.TEXT, Type.ANY)
        return self.scope.path(syntax, beside_text) if syntax.kind == "path" else self.value(syntax)

    def _list(self, syntax: Syntax, sought: Node | None) -> Node | None:
        items: list[Node] = []
        for part in syntax.parts:
            if part.kind == "step":
                self.world.report(part.place, "a list after `in` has no properties", f".{part.parts[0].text}")
                return None
            node = self._beside(sought, part)
            if node is not None:
                items.append(node)
        if len(items) < len(syntax.parts):
            return None
        return ListOf(place=syntax.place, type=Type.LIST, text=syntax.text, items=tuple(items))

    def _not(self, syntax: Syntax) -> Node | None:
        part = self.condition(syntax.parts[0])
        if part is None:
            return None
        return Not(place=syntax.place, type=Type.BOOLEAN, text=syntax.text, part=part)

    def _connected(self, syntax: Syntax) -> Node | None:
        if (hint := _one_of(syntax)) is not None:
            place, found = syntax.parts[1].place, syntax.parts[1].text[:60]
            self.condition(syntax.parts[0])
            self.world.report(place, "a condition must be true or false", found, "a condition", hint)
            return None
        nodes = [self.condition(part) for part in syntax.parts]
        parts = tuple(node for node in nodes if node is not None)
        if len(parts) < len(nodes):
            return None
        connective = And if syntax.kind == "and_" else Or
        return connective(place=syntax.place, type=Type.BOOLEAN, text=syntax.text, parts=parts)

    _RULES: ClassVar[dict[str, Callable[[ExpressionChecker, Syntax], Node | None]]] = {
        **dict.fromkeys(("number", "percent", "duration", "string", "true", "false", "null", "never"), _literal),
        "sign": _sign,
        "path": _path,
        "text_path": _path,
        "call": _call,
        "operation": _operation,
        "compare": _compare,
        "in_": _in,
        "not_in": _in,
        "not_": _not,
        "and_": _connected,
        "or_": _connected,
    }
    _FUNCTIONS: ClassVar[dict[str, Callable[[ExpressionChecker, Syntax], Node | None]]] = {
        "contains": _text_function,
        "starts_with": _text_function,
        "lower": _text_function,
        "if": _if,
        "date": _date,
    }


@dataclass(frozen=True, slots=True)
class _TextFunction:
    count: int
    type: Type
    usage: str


_TEXT_FUNCTIONS = {
    "contains": _TextFunction(2, Type.BOOLEAN, 'contains(traits.city, "burg")'),
    "starts_with": _TextFunction(2, Type.BOOLEAN, 'starts_with(traits.locale, "de")'),
    "lower": _TextFunction(1, Type.TEXT, "lower(traits.country)"),
}

_LITERALS: dict[str, Callable[[str], tuple[Type, object]]] = {
    "number": lambda text: (Type.NUMBER, literals.number(text)),
    "percent": lambda text: (Type.NUMBER, literals.percentage(text)),
    "duration": lambda text: (Type.DURATION, literals.duration_ms(text)),
    "string": lambda text: (Type.TEXT, text),
    "true": lambda _: (Type.BOOLEAN, True),
    "false": lambda _: (Type.BOOLEAN, False),
    "null": lambda _: (Type.NULL, None),
    "never": lambda _: (Type.INSTANT, NEVER_MS),
}

_OPERATION_HINTS = {
    "+": "numbers, durations, or an instant and a duration",
    "-": "numbers, durations, two instants, or an instant and a duration",
    "*": "two numbers, or a duration and a number",
    "/": "numbers, durations, or a duration by a number",
}


def _one_of(syntax: Syntax) -> str | None:
    """A hint when `a == 1 or 2` is written for `a in [1, 2]`, or `a != 1 and 2` for `a not in [1, 2]`."""
    first, *others = syntax.parts
    equal, among = ("==", "in") if syntax.kind == "or_" else ("!=", "not in")
    if first.kind != "compare" or len(first.parts) != 3 or first.parts[1].value != equal:
        return None
    value, _, known = first.parts
    if known.kind not in ("number", "string", "duration") or any(other.kind != known.kind for other in others):
        return None
    return f"write {value.text} {among} [{', '.join(each.text for each in (known, *others))}]"


def _linear(op: str, left: Node, right: Node) -> bool:
    if op == "/" and moves_with_now(right):
        return False
    if moves_with_now(left):
        return is_constant(right)
    return is_constant(left) if moves_with_now(right) else True


def _short(node: Node) -> str:
    return node.text if len(node.text) <= 40 else "..."
