"""Warnings: what is legal and probably not meant. Most are about absence: `never`, `null`, nothing in a window."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from stream.errors import Place, Problem
from stream.rules.absence import Customer, Others
from stream.rules.canonical import by_name
from stream.rules.history import KINDS
from stream.rules.reach import always_holds, contradicts_itself, offset_ms, opened
from stream.rules.tree import (
    And,
    Call,
    Case,
    Compare,
    Definitions,
    DimensionDefinition,
    Fact,
    Leaf,
    Literal,
    Node,
    Not,
    Or,
    Property,
    SegmentDefinition,
    Selector,
    Silent,
    Trait,
    Type,
)
from stream.rules.walk import descendants

_WORDS = ("true", "false", "null")
_TURNED = {"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
_NEGATED = {"==": "!=", "!=": "==", "<": ">=", "<=": ">", ">": "<=", ">=": "<"}


def warnings(definitions: Definitions) -> list[Problem]:
    """All warnings, in the order of the file."""
    found: list[Problem] = []
    if not definitions.dimensions and not definitions.segments:
        place = Place(definitions.source[0][0] if definitions.source else "-", 1, 1)
        found.append(Problem(place, "there is no dimension and no segment: nothing will ever change"))
    others = by_name(definitions)
    for dimension in definitions.dimensions:
        found.extend(_of_dimension(dimension, others))
    for segment in definitions.segments:
        found.extend(_of_segment(segment, others))
    for case in definitions.cases:
        found.extend(_of_case(definitions, case))
    for node in _all_nodes(definitions):
        found.extend(_of_names(definitions, node))
    unique = dict.fromkeys(found)
    return sorted(unique, key=lambda problem: (problem.place.file, problem.place.line, problem.place.column))


def _of_case(definitions: Definitions, case: Case) -> Iterator[Problem]:
    """What a case says and nobody looks at."""
    if not case.expect:
        yield Problem(case.place, "the case expects nothing", None, "a row of `expect`")
    last_ms = max((row.at_ms for row in case.expect), default=0)
    declared = {"identify": definitions.traits, "group": definitions.group}
    for step in case.given:
        if case.expect and step.at_ms > last_ms:
            hint = "add a row of `expect` at that instant or later"
            yield Problem(step.place, "this happens after the last row of `expect`: nobody looks at it", hint=hint)
        data = step.event.get("traits", step.event.get("properties")) or {}
        for name, value in data.items():
            if isinstance(value, str) and value not in _WORDS and value.lower() in _WORDS:
                message = f"`{name}` is the text {value!r} here: it is written in small letters otherwise"
                yield Problem(step.place, message, value, value.lower())
            if "." in name and name in declared.get(step.event["type"], {}):
                message = f"a call has no key `{name}`: the declaration names the path to it"
                nested = "{" + name.replace(".", ": {") + ": ..." + "}" * (name.count(".") + 1)
                yield Problem(step.place, message, name, nested)


def _all_nodes(definitions: Definitions) -> Iterator[Node]:
    stages = (stage.condition for dimension in definitions.dimensions for stage in dimension.stages)
    carried = (value for segment in definitions.segments for _, value in segment.carried)
    values = (fact.value for fact in definitions.facts)
    for node in (*stages, *values, *(segment.when for segment in definitions.segments), *carried):
        if node is not None:
            yield from descendants(node)


def _of_names(definitions: Definitions, node: Node) -> Iterator[Problem]:
    """The file's own names for events, where something else has the same name."""
    events = definitions.events
    if isinstance(node, Leaf | Silent):
        for name in dict.fromkeys(match.name for match in node.selector.matches if match.name is not None):
            own = [match.name for match in events.get(name, ())]
            if name in events and name not in own:
                hint = f"write {name} without quotes; behind a name of `events:` stands what senders call it"
                yield Problem(
                    node.place, f'"{name}" counts events that are called so, not your `{name}`', name, None, hint
                )
            elif name in KINDS and name not in events:
                hint = f"write {name} without quotes, in the expression itself"
                yield Problem(node.place, f'"{name}" counts track calls that are called so', name, None, hint)
            elif name != name.strip() or " where " in name:
                hint = "{event: ..., where: '...'} narrows an event" if " where " in name else "take the blanks away"
                yield Problem(node.place, "an event that is called so is rare", f'"{name}"', None, hint)
    elif isinstance(node, Property) and _is_said_of_an_event(node, events):
        hint = f"write {'.'.join(node.path[1:])}, or properties.{node.text} if it is meant"
        message = f"here `{node.path[0]}` is a property of the event, not the event: a bare name is one"
        yield Problem(node.place, message, node.text, None, hint)


def _is_said_of_an_event(node: Property, events: Collection[str]) -> bool:
    """`purchase.revenue` within `where`."""
    first = node.path[0] if len(node.path) > 1 else ""
    return node.root == "properties" and first in events and node.text.startswith(first)


@dataclass(frozen=True, slots=True)
class _Where:
    """A condition with the question whether a customer can get in: an answer of False means surely not."""

    condition: Node
    admits: Callable[[Customer], bool | None]
    windowed_counts: bool
    others: Others

    def keeps_out_unknown(self, trait: Trait) -> bool:
        """Whether those of whom the trait was never told can't get in."""
        return self.admits(Customer(others=self.others, unknown=(trait.source, trait.path))) is False

    def keeps_out(self, *selectors: Selector) -> bool:
        """Whether those without such events can't get in, or only after a while that the author thought of."""
        if self.admits(Customer(selectors, others=self.others)) is False:
            return True
        return Customer(selectors, True, self.others).answer(self.condition) is False


def _of_dimension(dimension: DimensionDefinition, others: Others) -> Iterator[Problem]:
    earlier: list[Node] = []
    for stage in dimension.stages:
        if stage.condition is None:
            continue
        before = tuple(earlier)

        def admits(customer: Customer, own: Node = stage.condition, before: tuple[Node, ...] = before) -> bool | None:
            return False if any(customer.answer(node) is True for node in before) else customer.answer(own)

        # In a dimension `count(x, w) == 0` is a stage of its own among the others, and meant.
        yield from _of_condition(_Where(stage.condition, admits, False, others))
        earlier.append(stage.condition)
    yield from _forgotten_null(dimension)


def _of_segment(segment: SegmentDefinition, others: Others) -> Iterator[Problem]:
    when = segment.when
    yield from _of_condition(_Where(when, lambda customer: customer.answer(when), True, others))
    answer = Customer(others=others).answer(when)
    if answer is False or contradicts_itself(when):
        yield Problem(segment.place, f"`{segment.name}` can hold nobody", when.text[:80])
    elif answer is True or always_holds(when):
        yield Problem(segment.place, f"`{segment.name}` holds everybody", when.text[:80])


def _of_condition(where: _Where) -> Iterator[Problem]:
    yield from _negated(where, where.condition, True)
    for compare, op, positive in _comparisons(where.condition, True):
        effective = op if positive else _NEGATED[op]
        yield from _fail_open(where, compare, effective)
        for left, right, turned in (
            (compare.left, compare.right, effective),
            (compare.right, compare.left, _TURNED[effective]),
        ):
            yield from _absence(where, compare, opened(left), right, turned)
        yield from _two_instants(where, compare, effective)


def _comparisons(node: Node, positive: bool) -> Iterator[tuple[Compare, str, bool]]:
    """Comparisons with the sign in which they count: `not` turns it."""
    match node:
        case Compare():
            yield node, node.op, positive
        case And() | Or():
            for part in node.parts:
                yield from _comparisons(part, positive)
        case Not():
            yield from _comparisons(node.part, not positive)
        case Fact():
            yield from _comparisons(node.value, positive)
        case Call(function="if"):
            for branch in node.arguments[1:]:
                yield from _comparisons(branch, positive)


def _absence(where: _Where, compare: Compare, left: Node, right: Node, op: str) -> Iterator[Problem]:
    """`last(x) <= ago(d)` and `count(x, w) == 0` hold for those who never did x."""
    if not isinstance(left, Leaf) or left.prop is not None:
        return
    events = left.selector.text
    if left.type is Type.INSTANT and op in ("<", "<=") and _is_past(right):
        if where.keeps_out(left.selector):
            return
        guard = f"{left.text} != never" if left.text != "last_seen" else "last_seen != never"
        hint = f"add `and {guard}`"
        if left.word == "last":
            hint = f"silent({events}, {_duration_text(right)}) counts from the first sight on; or {hint}"
        message = "this also holds for customers without any such event: `never` is earlier than all"
        yield Problem(compare.place, message, compare.text[:80], None, hint)
    elif where.windowed_counts and left.word == "count" and left.window_ms is not None and _is_none(op, right):
        if where.keeps_out(left.selector):
            return
        hint = f'silent({events}, ...) says "hasn\'t for so long"; or add `and count({events}) >= 1`'
        message = "this also holds for customers who were only just seen for the first time"
        yield Problem(compare.place, message, compare.text[:80], None, hint)


def _two_instants(where: _Where, compare: Compare, op: str) -> Iterator[Problem]:
    left, right = opened(compare.left), opened(compare.right)
    if op not in (">=", "<=", "==") or not isinstance(left, Leaf) or not isinstance(right, Leaf):
        return
    if left.type is not Type.INSTANT or right.type is not Type.INSTANT:
        return
    if where.keeps_out(left.selector, right.selector):
        return
    hint, said = f"add `and {left.text} != never`", f"never {compare.op} never"
    if compare.op == op:
        hint = f"use `>` or `<`, or {hint}"
    else:  # it stands under `not`
        said = f"not ({said})"
    message = f"`{said}` is true: this also holds when neither ever happened"
    yield Problem(compare.place, message, compare.text[:80], None, hint)


def _fail_open(where: _Where, compare: Compare, op: str) -> Iterator[Problem]:
    """Who said nothing is neither; under `not` a plain `==` is the same trap."""
    if op != "!=":
        return
    for side, other in ((opened(compare.left), compare.right), (opened(compare.right), compare.left)):
        boolean = isinstance(other, Literal) and other.type is Type.BOOLEAN
        if isinstance(side, Trait) and (side.type is Type.BOOLEAN or (side.type is Type.ANY and boolean)):
            if isinstance(other, Literal) and other.value is None:
                continue
            if where.keeps_out_unknown(side):
                continue
            said = other.value if isinstance(other, Literal) else None
            hint = f"without them: add `and {side.text} != null`"
            if boolean and compare.op == op:
                hint = f"without them: {side.text} == {'false' if said is True else 'true'}"
            message = "this also holds for customers of whom nothing is known: null differs from both"
            yield Problem(compare.place, message, compare.text[:80], None, hint)


def _negated(where: _Where, node: Node, positive: bool) -> Iterator[Problem]:
    """`not traits.vip`, said of a trait by itself."""
    match node:
        case And() | Or():
            for part in node.parts:
                yield from _negated(where, part, positive)
        case Not():
            yield from _negated(where, node.part, not positive)
        case Fact():
            yield from _negated(where, node.value, positive)
        case Trait() if not positive and not where.keeps_out_unknown(node):
            message = "this also holds for customers of whom nothing is known: `not null` is true"
            hint = f"without them: add `and {node.text} != null`"
            yield Problem(node.place, message, f"not {node.text}", None, hint)


def _forgotten_null(dimension: DimensionDefinition) -> Iterator[Problem]:
    traits: dict[tuple[str, tuple[str, ...]], Trait] = {}
    named: set[tuple[str, tuple[str, ...]]] = set()
    for stage in dimension.stages:
        for node in descendants(stage.condition) if stage.condition is not None else ():
            if isinstance(node, Trait) and node.type is not Type.BOOLEAN:  # null is no; `not` and `!=` are told above
                traits.setdefault((node.source, node.path), node)
            if isinstance(node, Compare) and node.op in ("==", "!="):
                sides = (opened(node.left), opened(node.right))
                if any(side.type is Type.NULL for side in sides):
                    named.update((side.source, side.path) for side in sides if isinstance(side, Trait))
    for key, trait in traits.items():
        if key not in named:
            last = dimension.stages[-1].name
            message = f"customers without this trait fall to a later stage, to `{last}` if no other holds"
            hint = f"give them a stage of their own, first: `- unknown: {trait.source}.{trait.name} == null`"
            yield Problem(trait.place, message, trait.text, None, hint)


def _is_past(node: Node) -> bool:
    offset = offset_ms(node)
    return offset is not None and offset < 0 and offset != float("-inf")


def _is_none(op: str, right: Node) -> bool:
    right = opened(right)
    if not isinstance(right, Literal) or not isinstance(right.value, int | float):
        return False
    return (op in ("==", "<=") and right.value == 0) or (op == "<" and 0 < right.value <= 1)


def _duration_text(node: Node) -> str:
    text = node.text
    return text[4:-1] if text.startswith("ago(") and text.endswith(")") else "..."
