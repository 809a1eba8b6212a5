"""How far back definitions look at a customer's events."""

from __future__ import annotations

from collections.abc import Iterator

from stream.rules.canonical import by_name, conditions_of
from stream.rules.tree import Compare, Definitions, FirstSeen, Leaf, Literal, Node, Silent, Type
from stream.rules.walk import descendants


def longest_lookback_ms(definitions: Definitions) -> int:
    """The longest window, silence, or age of an event that some condition asks for, in ms; 0: none asks for any.

    Words without a window ask for everything there ever was: no input can be known to hold that, so they don't count.
    """
    found = (
        length_ms
        for definition in by_name(definitions).values()
        for condition in conditions_of(definition)
        for node in descendants(condition)
        for length_ms in _lengths_ms(node)
    )
    return max(found, default=0)


def _lengths_ms(node: Node) -> Iterator[int]:
    if isinstance(node, Leaf) and node.window_ms is not None:
        yield node.window_ms + node.before_ms
    elif isinstance(node, Silent):
        yield node.duration_ms
    elif isinstance(node, Compare):
        below = list(descendants(node))
        if any(isinstance(each, Leaf | FirstSeen) for each in below):  # not the age of a trait's date
            yield from (each.value for each in below if isinstance(each, Literal) and each.type is Type.DURATION)
