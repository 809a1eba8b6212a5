"""Who refers to whom: definitions in an order in which each stands after all it refers to, and the cycles."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from stream.errors import Place
from stream.rules.expressions import Syntax

AUDIENCE = "audience"
"""Stands in the graph like a definition, so that a circle through the audience can be named."""


@dataclass(frozen=True, slots=True)
class Reference:
    name: str
    place: Place


@dataclass(frozen=True, slots=True)
class Cycle:
    """`names` begins and ends with the same name; `place` is the reference that closes the circle."""

    names: tuple[str, ...]
    place: Place


def references(syntaxes: Iterable[Syntax]) -> Iterator[Reference]:
    """Names an expression may refer to: bare names outside `where`, and segments in `in("...")`."""
    waiting = list(syntaxes)[::-1]
    while waiting:
        syntax = waiting.pop()
        if syntax.kind == "where":
            continue
        if syntax.kind == "path" and len(syntax.parts) == 1:
            yield Reference(syntax.parts[0].value, syntax.place)
        if syntax.kind == "call" and syntax.parts[0].value == "in":
            yield from _segments(syntax)
        waiting.extend(reversed(syntax.parts))


def _segments(call: Syntax) -> Iterator[Reference]:
    for argument in call.parts[1:]:
        if argument.parts and argument.parts[0].kind == "string":
            text = argument.parts[0]
            yield Reference(text.parts[0].value, text.place)


def evaluation_order(graph: Mapping[str, list[Reference]]) -> tuple[list[str], list[Cycle]]:
    """All names, each after what it refers to (else in the order of the graph); and every circle found."""
    order: list[str] = []
    cycles: list[Cycle] = []
    done: set[str] = set()
    for start in graph:
        if start in done:
            continue
        path = {start: iter(graph[start])}  # names on the way, in order, with what they still have to visit
        while path:
            name = next(reversed(path))
            reference = next(path[name], None)
            if reference is None:
                del path[name]
                done.add(name)
                order.append(name)
            elif reference.name in path:
                names = list(path)
                circle = names[names.index(reference.name) :]
                cycles.append(Cycle((*circle, reference.name), reference.place))
            elif reference.name in graph and reference.name not in done:
                path[reference.name] = iter(graph[reference.name])
    return order, cycles
