"""Declarations: the one namespace of names, traits, and events. After this an expression can be checked."""

from __future__ import annotations

import re
from collections.abc import Iterable

from stream.rules import fields
from stream.rules.characters import hidden
from stream.rules.document import Broken, Entry, Listing, Mapping, Scalar, Value
from stream.rules.history import MAX_MATCHES, TRACK
from stream.rules.names import HYPHENATED, IDENTIFIER, MAX_LENGTH, RESERVED, legal_name, suggestion
from stream.rules.scopes import event_checker
from stream.rules.sections import Sections
from stream.rules.tree import Match, Node, TraitDeclaration, Type
from stream.rules.walk import Sizes
from stream.rules.world import World

TRAIT_TYPES = {
    "text": Type.TEXT,
    "number": Type.NUMBER,
    "boolean": Type.BOOLEAN,
    "date": Type.INSTANT,
    "list": Type.LIST,
}
OTHER_TYPES = {
    **dict.fromkeys(("string", "str", "varchar"), "text"),
    **dict.fromkeys(("int", "integer", "float", "double", "decimal"), "number"),
    "bool": "boolean",
    **dict.fromkeys(("datetime", "timestamp", "instant"), "date"),
    **dict.fromkeys(("array", "set"), "list"),
}
"""What other languages call them."""

MAX_NODES = 5_000
"""Size of one expression with its facts opened: everything later walks it."""

MAX_ALL_NODES = 100_000
"""Of all expressions together: a large fact used by a thousand others is walked a thousand times."""

MAX_LEVELS = 120

MAX_DEFINITIONS = 1_000
"""Dimensions and segments. Each is compared with those it rests on, and judged for every event."""

MAX_NAMES = 5_000
"""Of events, of facts, of traits, of group traits."""


def declare(world: World, sections: Sections) -> Sections:
    """Fills the world with all names; gives the sections without the entries whose names can't be used."""
    taken: dict[str, Entry] = {}
    _check_counts(world, sections)
    kinds = (
        ("event", sections.events, IDENTIFIER),
        ("fact", sections.facts, IDENTIFIER),
        ("dimension", sections.dimensions, IDENTIFIER),
        ("segment", sections.segments, HYPHENATED),
    )
    for kind, entries, pattern in kinds:
        entries[:] = [entry for entry in entries if _may_be_named(world, kind, entry, pattern, taken)]
    world.traits = _traits(world, sections.traits, "traits")
    world.group = None if sections.group is None else _traits(world, sections.group, "group")
    world.facts = {entry.key.value: None for entry in sections.facts}
    world.segments = {entry.key.value: entry.key.place for entry in sections.segments}
    world.dimensions = {entry.key.value: tuple(stage_names(entry.value)) for entry in sections.dimensions}
    for entry in sections.events:
        world.events[entry.key.value] = _event(world, entry.value)
    return sections


def _check_counts(world: World, sections: Sections) -> None:
    """Blocks with too many entries are reported and left out."""
    blocks = {
        "events": sections.events, "facts": sections.facts, "traits": sections.traits, "group": sections.group or [],
    }  # fmt: skip
    for block, entries in blocks.items():
        if len(entries) > MAX_NAMES:
            place = entries[MAX_NAMES].key.place
            world.report(place, f"there are too many names in `{block}`", str(len(entries)), f"at most {MAX_NAMES}")
            entries.clear()
    definitions = len(sections.dimensions) + len(sections.segments)
    if definitions > MAX_DEFINITIONS:
        place = [*sections.dimensions, *sections.segments][MAX_DEFINITIONS].key.place
        message = "there are too many dimensions and segments"
        hint = "run several pipelines beside each other on the same input"
        world.report(place, message, str(definitions), f"at most {MAX_DEFINITIONS} together", hint)
        sections.dimensions.clear()
        sections.segments.clear()


def stage_names(value: Value) -> Iterable[str]:
    """The names of a dimension's stages, as far as they can be read."""
    stages = value.get("stages") if isinstance(value, Mapping) else None
    for item in stages.items if isinstance(stages, Listing) else ():
        if isinstance(item, Mapping):
            yield from (entry.key.value for entry in item.entries)


def check_size(world: World, sizes: Sizes, node: Node) -> bool:
    """Whether an expression is small enough with its facts opened; reports when not."""
    nodes, levels = sizes.measure(node)
    sizes.total += nodes
    if sizes.total > MAX_ALL_NODES:
        if sizes.total - nodes <= MAX_ALL_NODES:  # said once
            expected = f"at most {MAX_ALL_NODES} parts"
            message = "up to here all expressions together are too large with their facts opened"
            world.report(node.place, message, f"{sizes.total} parts", expected, "split the file into several pipelines")
        return False
    if nodes <= MAX_NODES and levels <= MAX_LEVELS:
        return True
    found = f"{nodes} parts, {levels} levels"
    expected = f"at most {MAX_NODES} parts and {MAX_LEVELS} levels"
    world.report(node.place, "the expression is too large with its facts opened", found, expected)
    return False


def _may_be_named(world: World, kind: str, entry: Entry, pattern: re.Pattern[str], taken: dict[str, Entry]) -> bool:
    name, place = entry.key.value, entry.key.place
    if not pattern.fullmatch(name) or len(name) > MAX_LENGTH:
        allowed = "small letters, digits and _" if pattern is IDENTIFIER else "small letters, digits, - and _"
        hint = hidden(name, blanks=False) or legal_name(name, pattern)
        expected = f"{allowed}, a letter first, at most {MAX_LENGTH} characters"
        world.report(place, f"this name of {_a(kind)} can't be used", name[:80], expected, hint)
        return False
    if name in RESERVED:
        world.report(place, f"this name of {_a(kind)} is a word of the language", name, hint=f"try `my_{name}`")
        return False
    if name in taken:
        first = taken[name].key.place
        message = "events, facts, dimensions and segments share one namespace, and this name is taken"
        world.report(place, message, name, hint=f"first at {first}")
        return False
    taken[name] = entry
    return True


def _a(kind: str) -> str:
    return f"an {kind}" if kind == "event" else f"a {kind}"


def _traits(world: World, entries: list[Entry], block: str) -> dict[str, TraitDeclaration | None]:
    declared: dict[str, TraitDeclaration | None] = {}
    for entry in entries:
        name = entry.key.value
        if not all(name.split(".")):
            world.report(entry.key.place, "a step of this dotted name is empty", name[:80], "such as plan.tier")
        elif name in declared:
            world.report(entry.key.place, f"this name stands twice in `{block}`", name)
        else:
            declared[name] = _trait(world, name, entry.value)
    return declared


def _trait(world: World, name: str, value: Value) -> TraitDeclaration | None:
    if not isinstance(value, Mapping):
        kind = _trait_type(world, value)
        return None if kind is None else TraitDeclaration(name, kind, private=False)
    fields.check_keys(world, value, ("type", "private"), "a trait")
    if value.get("type") is None:
        world.report(value.place, "the trait's type is missing", None, "type: " + " | ".join(TRAIT_TYPES))
        return None
    kind = _trait_type(world, value.get("type"))
    private = value.get("private")
    if private is not None and not (isinstance(private, Scalar) and private.value in ("true", "false")):
        if not isinstance(private, Broken):
            world.report(private.place, "`private` is a yes-or-no question", None, "true or false")
        return None
    is_private = isinstance(private, Scalar) and private.value == "true"
    return None if kind is None else TraitDeclaration(name, kind, is_private)


def _trait_type(world: World, value: Value | None) -> Type | None:
    word = fields.text(world, value, "a trait's type")
    if word is None or word in TRAIT_TYPES:
        return TRAIT_TYPES.get(word or "")
    assert value is not None
    hint = suggestion(word, TRAIT_TYPES, OTHER_TYPES)
    world.report(value.place, "there is no such type of trait", word[:60], "one of " + ", ".join(TRAIT_TYPES), hint)
    return None


def _event(world: World, value: Value | None) -> tuple[Match, ...] | None:
    """A name, {event, where}, or a list of these: their union."""
    if isinstance(value, Mapping):
        return _narrowed_event(world, value)
    items = value.items if isinstance(value, Listing) else [value]
    if isinstance(value, Listing) and not 0 < len(items) <= MAX_MATCHES:
        found = f"{len(items)} names"
        world.report(value.place, "this list of events can't be used", found, f"1 to {MAX_MATCHES} names")
        return None
    matches: list[Match] = []
    whole = True
    for item in items:
        found_matches = _narrowed_event(world, item) if isinstance(item, Mapping) else _named_event(world, item)
        whole = whole and found_matches is not None
        matches.extend(found_matches or ())
    return tuple(dict.fromkeys(matches)) if whole else None


def _named_event(world: World, value: Value | None) -> tuple[Match, ...] | None:
    name = fields.text(world, value, "an event's name")
    return None if name is None else (Match(TRACK, name, None),)


def _narrowed_event(world: World, block: Mapping) -> tuple[Match, ...] | None:
    later = {"unless": "", "by": ""}
    fields.check_keys(world, block, ("event", "where"), "an event", later)
    named = block.get("event")
    if named is None:
        world.report(block.place, "the event's own name is missing", None, "event: Order Completed")
        return None
    matches = None
    if isinstance(named, Mapping):
        world.report(named.place, "an event's name is not what belongs here", "a mapping", "a name or a list of names")
    elif not isinstance(named, Listing) or all(not isinstance(item, Mapping) for item in named.items):
        matches = _event(world, named)
    else:
        world.report(named.place, "a list with conditions stands one level up", "a mapping", "names only")
    if block.get("where") is None:
        return matches
    syntax = fields.expression(world, block.get("where"), "`where`")
    condition = None if syntax is None else event_checker(world).condition(syntax)
    if matches is None or condition is None or not check_size(world, Sizes(), condition):
        return None
    return tuple(Match(match.kinds, match.name, condition) for match in matches)
