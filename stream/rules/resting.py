"""Which definitions rest on which events: for holds, and for noticing that an event has gone quiet."""

from __future__ import annotations

from collections.abc import Iterator

from stream.rules.canonical import by_name, closure, conditions_of
from stream.rules.tree import Definitions, Leaf, Node, Selector, Silent
from stream.rules.walk import descendants

TRACK = "track"
INSTANTS = frozenset({"first", "last"})


def resting_on(definitions: Definitions, event: str) -> tuple[int, ...]:
    """Indices of the definitions, in the program's order, with a condition over track events of this name; those that
    name such a definition, and those that count events of any name, among them."""
    return tuple(
        index
        for index, name in enumerate(by_name(definitions))
        if any(_takes(selector, event) for selector in _selectors(definitions, name))
    )


def absence_events(definitions: Definitions) -> tuple[str, ...]:
    """Names of track events, sorted, that a condition asks for within a window, as the last or first, or as silent:
    that none comes turns it sooner or later."""
    selectors = (
        each.selector
        for definition in by_name(definitions).values()
        for condition in conditions_of(definition)
        for each in descendants(condition)
        if isinstance(each, Silent)
        or (isinstance(each, Leaf) and (each.window_ms is not None or (each.word in INSTANTS and each.prop is None)))
    )
    names = {match.name for selector in selectors for match in selector.matches if TRACK in match.kinds}
    return tuple(sorted(name for name in names if name is not None))


def _takes(selector: Selector, event: str) -> bool:
    return any(TRACK in match.kinds and match.name in (None, event) for match in selector.matches)


def _selectors(definitions: Definitions, name: str) -> Iterator[Selector]:
    known = by_name(definitions)
    for each in closure(definitions, {name}):
        for condition in conditions_of(known[each]):
            yield from selectors_of(condition)


def selectors_of(node: Node) -> Iterator[Selector]:
    """The selectors in an expression, facts opened."""
    for each in descendants(node):
        if isinstance(each, Leaf | Silent):
            yield each.selector
