"""What conditions ask of a customer's past: which cell, how far back, how many. Kept beside `needs`, which says what is
kept for all of them together: an ask tells whether what another revision kept is enough for this one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from stream.core.events import FOREVER_MS
from stream.core.program import Ask
from stream.rules.needs import FIRST_SEEN, Key, last_key, leaf_key
from stream.rules.patterns import newest_levels
from stream.rules.tree import Arithmetic, Call, Compare, Fact, FirstSeen, Leaf, Literal, Node, Now, Silent, Type
from stream.rules.walk import children, constant_ms, is_constant


def asks_of(conditions: Iterable[Node], zone: str) -> tuple[Ask, ...]:
    """What these conditions ask, the same once. Traits are asked of the latest value alone: no past.

    An event's instant that is compared with a duration (`last(x) > ago(30d)`) is asked as far back as that duration;
    words without a window, and instants compared with something else, for ever. `now - last(x) > 30d` asks both, as
    `last(x) < ago(30d) and last(x) != never` does: it holds of what was long ago, but not of what never was.
    """
    found: dict[Ask, None] = {}
    for condition in conditions:
        found.update(dict.fromkeys(_asked(condition, FOREVER_MS, zone)))
    return tuple(found)


def cell_key(key: Key, zone: str) -> str:
    """A cell's key as text. Days are those of a zone: of another zone they are other days."""
    parts = (*key, zone) if key[0] in ("days", "day_log") else key
    return "\0".join(parts)


def _asked(node: Node, reach_ms: int, zone: str) -> Iterator[Ask]:
    """`reach_ms`: how far back an instant is looked at here."""

    def ask(key: Key, reach_ms: int, keep: int | None = None) -> Ask:
        return Ask(cell_key(key, zone), reach_ms, keep, node.text, str(node.place))

    if isinstance(node, Fact):
        yield from _asked(node.value, reach_ms, zone)
        return
    newest = newest_levels(node)
    if newest is not None:
        leaf, levels = newest
        yield ask(leaf_key(leaf), _reach(leaf), max((1, *levels.levels)) + 1)
    elif isinstance(node, Leaf):
        instant = node.word in ("first", "last") and node.prop is None
        yield ask(leaf_key(node), reach_ms if instant else _reach(node))
    elif isinstance(node, Silent):
        yield ask(last_key(node.selector), node.duration_ms)
        yield ask(FIRST_SEEN, node.duration_ms)
    elif isinstance(node, FirstSeen):
        yield ask(FIRST_SEEN, reach_ms)
    elif isinstance(node, Compare):
        reach_ms = _reach_of(node)
        for child in children(node):
            yield from _asked(child, reach_ms, zone)
        if reach_ms < FOREVER_MS:
            for instant_of in _told_from_never(node):
                yield from _asked(instant_of, FOREVER_MS, zone)
    elif not isinstance(node, Literal):
        for child in children(node):
            yield from _asked(child, reach_ms, zone)


def _reach_of(node: Compare) -> int:
    """How far back a comparison looks at the one instant that it compares with now: as far as its durations add up to.
    For ever, when instants of several events are compared with each other, or with what is known only of the customer
    (a trait, a duration that is reckoned)."""
    operands = list(_operands(node))
    instants = sum(isinstance(each, Leaf | FirstSeen) for each in operands)
    nows = sum(isinstance(each, Now) for each in operands)
    durations = (constant_ms(each) for each in operands if each.type is Type.DURATION and is_constant(each))
    lengths = [abs(length_ms) for length_ms in durations if length_ms is not None]
    if instants != 1 or not nows or not lengths or instants + nows + len(lengths) != len(operands):
        return FOREVER_MS
    return sum(lengths)


def _told_from_never(node: Compare) -> Iterator[Leaf]:
    """Of a comparison with now: the events' instants of which it makes a difference whether they are long ago or never
    were. One that is reckoned with is null if it never was, so that no order holds; one that stands alone is then
    earlier than all, as if it were long ago. `first_seen` always was."""
    holds_long_ago = {1: ("<", "<="), -1: (">", ">=")}
    for side, sign in ((node.left, 1), (node.right, -1)):
        yield from (leaf for leaf, turn in _reckoned(side, sign) if node.op in holds_long_ago[turn])


def _reckoned(node: Node, sign: int, alone: bool = True) -> Iterator[tuple[Leaf, int]]:
    """Words to which something is added, or that are added to something, with the sign in which they count."""
    match node:
        case Fact():
            yield from _reckoned(node.value, sign, alone)
        case Arithmetic(op="+" | "-"):
            yield from _reckoned(node.left, sign, False)
            yield from _reckoned(node.right, sign if node.op == "+" else -sign, False)
        case Call(function="if"):
            for branch in node.arguments[1:]:
                yield from _reckoned(branch, sign, alone)
        case Leaf() if not alone:
            yield node, sign


def _operands(node: Node) -> Iterator[Node]:
    """What is added, subtracted and compared; of an `if` all it may be."""
    match node:
        case Fact():
            yield from _operands(node.value)
        case Compare() | Arithmetic(op="+" | "-"):
            yield from _operands(node.left)
            yield from _operands(node.right)
        case Call(function="if"):
            for branch in node.arguments[1:]:
                yield from _operands(branch)
        case _:
            yield node


def _reach(leaf: Leaf) -> int:
    return FOREVER_MS if leaf.window_ms is None else leaf.window_ms + leaf.before_ms
