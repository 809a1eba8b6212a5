"""How far back definitions look at a customer's events."""

from __future__ import annotations

from collections.abc import Iterator

from stream.rules.canonical import by_name, conditions_of
from stream.rules.tree import Compare, Definitions, FirstSeen, Leaf, Node, Silent, Type
from stream.rules.walk import children, constant_ms, descendants


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
    elif isinstance(node, Compare) and any(isinstance(each, Leaf | FirstSeen) for each in descendants(node)):
        # Without events it is the age of a trait.
        durations = [*_constants(node.left, Type.DURATION), *_constants(node.right, Type.DURATION)]
        yield sum(durations)
        if node.left.type is Type.NUMBER and durations:  # (now - last(purchase)) / 1d > 90
            numbers = [*_constants(node.left, Type.NUMBER), *_constants(node.right, Type.NUMBER)]
            yield max(durations) * max(numbers, default=0)


def _constants(node: Node, kind: Type) -> Iterator[int]:
    """The sizes of the constants of this type in a side, each as it comes out."""
    size = constant_ms(node)
    if size is not None:
        yield from [abs(size)] if node.type is kind else []
        return
    for each in children(node):
        yield from _constants(each, kind)
