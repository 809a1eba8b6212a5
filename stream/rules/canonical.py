"""A checked tree as canonical text: what it means, not how or where it was written.

Two nodes with the same canonical text have the same value for every customer at every instant. Facts are opened, places
and spelling left out. Hashes of definitions are taken over it.
"""

from __future__ import annotations

from dataclasses import fields
from enum import Enum
from hashlib import blake2b
from typing import Any

from stream.rules.tree import (
    Definitions,
    DimensionDefinition,
    Fact,
    InSegment,
    Literal,
    Node,
    SegmentDefinition,
    Selector,
    StageOf,
    Trait,
    Type,
)
from stream.rules.walk import descendants

_UNSAID = frozenset({"place", "text", "description", "action"})
_UNSAID_OF_NODE = _UNSAID | {"type"}  # follows from the rest
_UNSAID_OF_FILE = _UNSAID | {"cases", "source", "revision", "events"}


def canonical(value: Any) -> str:
    """The canonical text of a node, selector, definition, or of a plain value in one."""
    if isinstance(value, Fact):
        return canonical(value.value)
    if isinstance(value, Literal):
        return f"Literal({value.type.value},{value.value!r})"
    if isinstance(value, Enum):
        return repr(value.value)
    if isinstance(value, tuple):
        return f"[{','.join(canonical(each) for each in value)}]"
    if isinstance(value, frozenset):
        return f"{{{','.join(sorted(canonical(each) for each in value))}}}"
    if isinstance(value, dict):
        return f"{{{','.join(f'{key!r}:{canonical(value[key])}' for key in sorted(value))}}}"
    if hasattr(value, "__dataclass_fields__"):
        unsaid = _UNSAID
        if isinstance(value, Node):
            unsaid = _UNSAID_OF_NODE
        elif isinstance(value, Definitions):
            unsaid = _UNSAID_OF_FILE
        said = (canonical(getattr(value, each.name)) for each in fields(value) if each.name not in unsaid)
        return f"{type(value).__name__}({','.join(said)})"
    return repr(value)


def digest(*parts: str) -> str:
    """12 hex digits over some texts."""
    return blake2b("\0".join(parts).encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()


def definitions_hash(definitions: Definitions) -> str:
    """The hash of all that can bear on an answer or a change; comments, descriptions, cases and the
    revision don't count."""
    return digest(canonical(definitions))


def referred(nodes: list[Node]) -> set[str]:
    """Names of the dimensions and segments that these expressions name themselves."""
    found: set[str] = set()
    for node in nodes:
        for each in descendants(node):
            if isinstance(each, StageOf):
                found.add(each.dimension)
            elif isinstance(each, InSegment):
                found.add(each.segment)
    return found


def conditions_of(definition: DimensionDefinition | SegmentDefinition) -> list[Node]:
    """The conditions that decide a definition's answer, in order."""
    if isinstance(definition, SegmentDefinition):
        return [definition.when]
    return [stage.condition for stage in definition.stages if stage.condition is not None]


def by_name(definitions: Definitions) -> dict[str, DimensionDefinition | SegmentDefinition]:
    """Dimensions and segments by name."""
    found: dict[str, DimensionDefinition | SegmentDefinition] = {each.name: each for each in definitions.dimensions}
    found.update({each.name: each for each in definitions.segments})
    return found


def closure(definitions: Definitions, names: set[str]) -> list[str]:
    """These definitions and all they depend on, each after what it refers to."""
    known = by_name(definitions)
    needed: set[str] = set()
    waiting = sorted(names)
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.add(name)
            waiting.extend(referred(conditions_of(known[name])))
    return [name for name in definitions.evaluation if name in needed]


def part_hash(definitions: Definitions, name: str) -> str:
    """The hash of one definition with all it depends on."""
    known = by_name(definitions)
    texts = [canonical(known[each]) for each in closure(definitions, {name})]
    declared = [canonical(definitions.traits), canonical(definitions.group), definitions.zone]
    return digest(*declared, *texts)


def declared_type(definitions: Definitions, trait: Trait) -> Type:
    """The type to which a trait is converted; ANY for a group trait without declaration."""
    declared = definitions.traits if trait.source == "traits" else definitions.group
    return declared[trait.name].type if trait.name in declared else Type.ANY


def selector_key(selector: Selector) -> str:
    """The canonical text of a selector; the order of its matches does not count."""
    return "|".join(sorted({canonical(match) for match in selector.matches}))
