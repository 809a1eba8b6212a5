"""Definitions' documents to the checked tree. All that is wrong is collected; nothing is raised before the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from stream.rules import fields
from stream.rules.cases_file import read_cases
from stream.rules.declarations import check_size, declare
from stream.rules.document import Mapping
from stream.rules.expressions import Syntax
from stream.rules.order import AUDIENCE, Reference, evaluation_order, references
from stream.rules.scopes import customer_checker
from stream.rules.sections import Sections, read_sections
from stream.rules.segments import SegmentText, build_segment, read_segment
from stream.rules.stages import DimensionText, build_dimension, read_dimension
from stream.rules.tree import (
    Definitions,
    DimensionDefinition,
    FactDefinition,
    Node,
    SegmentDefinition,
    TraitDeclaration,
)
from stream.rules.walk import Sizes
from stream.rules.world import World


def check(world: World, documents: Sequence[Mapping], source: tuple[tuple[str, str], ...]) -> Definitions:
    """The definitions of all documents together; only of use when `world.problems` stays empty."""
    sections = declare(world, read_sections(world, documents))
    texts = _read(world, sections)
    order, circular = _order(world, texts)
    built = _build(world, texts, [name for name in order if name not in circular])
    definitions = [*texts.dimensions, *texts.segments]
    return Definitions(
        name=sections.name,
        revision=sections.revision,
        zone=sections.zone_name,
        accepts_too_old=sections.accepts_too_old,
        traits=_whole(world.traits),
        group=_whole(world.group or {}),
        facts=tuple(built.facts[name] for name in texts.facts if name in built.facts),
        dimensions=tuple(built.dimensions[name] for name in texts.dimensions if name in built.dimensions),
        segments=tuple(built.segments[name] for name in texts.segments if name in built.segments),
        evaluation=tuple(name for name in order if name in definitions),
        events={name: matches for name, matches in world.events.items() if matches is not None},
        cases=read_cases(world, sections.cases),
        source=source,
    )


@dataclass(slots=True)
class _Texts:
    """Untyped trees of everything that may be referred to. A fact that is no expression is None."""

    audience: Syntax | None
    facts: dict[str, Syntax | None]
    dimensions: dict[str, DimensionText]
    segments: dict[str, SegmentText]


@dataclass(slots=True)
class _Built:
    facts: dict[str, FactDefinition] = field(default_factory=dict)
    dimensions: dict[str, DimensionDefinition] = field(default_factory=dict)
    segments: dict[str, SegmentDefinition] = field(default_factory=dict)


def _read(world: World, sections: Sections) -> _Texts:
    audience = fields.expression(world, sections.audience, "`audience`")
    facts = {entry.key.value: fields.expression(world, entry.value, "a fact") for entry in sections.facts}
    dimensions = {entry.key.value: read_dimension(world, entry) for entry in sections.dimensions}
    segments = {entry.key.value: read_segment(world, entry) for entry in sections.segments}
    return _Texts(audience, facts, dimensions, segments)


def _order(world: World, texts: _Texts) -> tuple[list[str], set[str]]:
    """The order of evaluation, and the names that stand in a circle."""
    graph: dict[str, list[Reference]] = {
        name: list(references([syntax] if syntax is not None else [])) for name, syntax in texts.facts.items()
    }
    if texts.audience is not None:
        graph[AUDIENCE] = list(references([texts.audience]))
    for name, dimension in texts.dimensions.items():
        graph[name] = list(references(dimension.conditions()))
    for name, segment in texts.segments.items():
        graph[name] = list(references([segment.when] if segment.when is not None else []))
        if texts.audience is not None and not segment.for_everyone:
            graph[name].insert(0, Reference(AUDIENCE, segment.key.place))
    order, cycles = evaluation_order(graph)
    circular: set[str] = set()
    for cycle in cycles:
        circular.update(cycle.names)
        hint = "a segment the audience rests on must say `audience: everyone`" if AUDIENCE in cycle.names else None
        message = "these definitions refer to each other in a circle"
        world.report(cycle.place, message, " -> ".join(cycle.names), hint=hint)
    return order, circular


def _build(world: World, texts: _Texts, order: list[str]) -> _Built:
    built, sizes = _Built(), Sizes()
    checker = customer_checker(world)
    audience: Node | None = None
    for name in order:
        if name in texts.facts:
            syntax = texts.facts[name]
            node = None if syntax is None else checker.value(syntax)
            if syntax is not None and node is not None and check_size(world, sizes, node):
                world.facts[name] = node
                built.facts[name] = FactDefinition(name, node, syntax.place)
        elif name == AUDIENCE and texts.audience is not None:
            audience = checker.condition(texts.audience)
            if audience is not None and not check_size(world, sizes, audience):
                audience = None
        elif name in texts.dimensions:
            dimension = build_dimension(world, sizes, texts.dimensions[name])
            if dimension is not None:
                built.dimensions[name] = dimension
    for name, text in texts.segments.items():
        if name in order:
            segment = build_segment(world, sizes, text, None if text.for_everyone else audience)
            if segment is not None:
                built.segments[name] = segment
    return built


def _whole(declared: dict[str, TraitDeclaration | None]) -> dict[str, TraitDeclaration]:
    return {name: declaration for name, declaration in declared.items() if declaration is not None}
