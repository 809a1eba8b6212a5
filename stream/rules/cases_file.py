"""Test cases in a definitions file: what happens to one customer, and what must hold when."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC
from itertools import pairwise
from typing import Any

from stream.errors import Place
from stream.rules import fields
from stream.rules.document import Broken, Listing, Scalar, Value
from stream.rules.document import Mapping as YamlMapping
from stream.rules.literals import BadLiteral, instant_ms
from stream.rules.names import did_you_mean, suggestion
from stream.rules.tree import Case, CaseExpect, CaseGiven
from stream.rules.world import World

DEFAULT_START = "2026-01-01T00:00:00Z"
MAX_CASES = 2_000
MAX_ROWS = 1_000
KEYS = ("name", "description", "start", "given", "expect")
ACTIONS = ("event", "page", "screen", "traits", "group")
GIVEN_KEYS = ("at", *ACTIONS, "with", "context", "id")
OTHER_KEYS = {"time": "at", "track": "event", "identify": "traits", "properties": "with", "messageid": "id"}
EXPECT_KEYS = ("at", "in", "not_in", "entered", "exited", "facts")

_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]{0,17})(\.[0-9]{1,30})?([eE][-+]?[0-9]{1,2})?")
_OTHER_YAML_NUMBER = re.compile(
    r"[-+]?(0[0-7_]+|0x[0-9a-fA-F_]+|0b[01_]+|0o[0-7]+|[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?"
    r"|[0-9][0-9_]*\.?[0-9_]*([eE][-+]?[0-9]+)?|\.[0-9_]+|\.inf)|\.nan",
    re.IGNORECASE,
)


def read_cases(world: World, items: Iterable[Value]) -> tuple[Case, ...]:
    """The cases of all files; what is wrong is reported and left out."""
    cases: list[Case] = []
    seen: dict[str, Place] = {}
    for number, item in enumerate(items, start=1):
        if number > MAX_CASES:
            world.report(item.place, "there are too many cases", None, f"at most {MAX_CASES}")
            break
        case = _case(world, item)
        if case is None:
            continue
        if case.name in seen:
            world.report(
                case.place, "this name of a case stands twice", case.name[:80], hint=f"first at {seen[case.name]}"
            )
        seen.setdefault(case.name, case.place)
        cases.append(case)
    return tuple(cases)


def _case(world: World, item: Value) -> Case | None:
    block = fields.mapping(world, item, "a case")
    if block is None:
        return None
    fields.check_keys(world, block, KEYS, "a case")
    if block.get("name") is None:
        world.report(block.place, "the case has no name", None, "name: what must be so")
    name = fields.text(world, block.get("name"), "`name`")
    start = _start(world, block.get("start"))
    given = [_given(world, row) for row in _rows(world, block, "given", required=False)]
    expect = [_expect(world, row) for row in _rows(world, block, "expect", required=True)]
    expected = [row for row in expect if row is not None]
    for before, row in pairwise(expected):
        if row.at_ms < before.at_ms:
            hint = "`entered` and `exited` speak of the time since the row before"
            world.report(row.place, "the rows of `expect` must go forward in time", hint=hint)
    if name is None or start is None:
        return None
    return Case(name, start, tuple(row for row in given if row is not None), tuple(expected), block.place)


def _rows(world: World, block: YamlMapping, key: str, required: bool) -> list[YamlMapping]:
    value = block.get(key)
    if value is None:
        if required:
            world.report(block.place, f"the case has no `{key}`", None, f"{key}: a list of rows")
        return []
    rows = fields.listing(world, value, f"`{key}`")
    if rows is None:
        return []
    if len(rows.items) > MAX_ROWS:
        world.report(rows.place, f"`{key}` has too many rows", str(len(rows.items)), f"at most {MAX_ROWS}")
        return []
    found = [fields.mapping(world, row, f"a row of `{key}`") for row in rows.items]
    return [row for row in found if row is not None]


def _start(world: World, value: Value | None) -> int | None:
    written = DEFAULT_START if value is None else fields.text(world, value, "`start`")
    if written is None:
        return None
    try:
        return instant_ms(written, world.zone if value is not None else UTC)
    except BadLiteral as error:
        assert value is not None
        world.report(value.place, error.message, written[:60], "an instant", error.hint)
        return None


def _at(world: World, row: YamlMapping) -> int | None:
    if row.get("at") is None:
        world.report(row.place, "the row does not say when", None, "at: 0d")
    return fields.duration(world, row.get("at"), "`at`")


# ---------------------------------------------------------------------- given


def _given(world: World, row: YamlMapping) -> CaseGiven | None:
    fields.check_keys(world, row, GIVEN_KEYS, "a row of `given`", meant=OTHER_KEYS)
    at_ms = _at(world, row)
    actions = [entry for entry in row.entries if entry.key.value in ACTIONS]
    if len(actions) != 1:
        found = " and ".join(entry.key.value for entry in actions) or "nothing"
        world.report(row.place, "a row of `given` is one thing that happens", found, "one of " + ", ".join(ACTIONS))
        return None
    key, value = actions[0].key.value, actions[0].value
    event = _identity(world, key, value) if key in ("traits", "group") else _action(world, key, value)
    if row.get("with") is not None:
        if key in ("traits", "group"):
            world.report(row.place, f"`with` belongs to an event, not to `{key}`", "with")
        else:
            event = None if (properties := _data_mapping(world, row.get("with"), "`with`")) is None else {
                **(event or {}), "properties": properties,
            }  # fmt: skip
    if (
        row.get("context") is not None
        and (context := _data_mapping(world, row.get("context"), "`context`")) is not None
    ):
        event = {**(event or {}), "context": context}
    if (message_id := fields.text(world, row.get("id"), "`id`")) is not None:
        event = {**(event or {}), "messageId": message_id}
    return None if at_ms is None or event is None or "type" not in event else CaseGiven(at_ms, event, row.place)


def _action(world: World, key: str, value: Value) -> dict[str, Any] | None:
    name = fields.text(world, value, f"`{key}`")
    if name is None:
        return None
    if key == "event":
        return {"type": "track", "event": name, "properties": {}}
    return {"type": key, "name": name, "properties": {}}


def _identity(world: World, key: str, value: Value) -> dict[str, Any] | None:
    traits = _data_mapping(world, value, f"`{key}`")
    return None if traits is None else {"type": "identify" if key == "traits" else "group", "traits": traits}


# ---------------------------------------------------------------------- expect


def _expect(world: World, row: YamlMapping) -> CaseExpect | None:
    at_ms = _at(world, row)
    stages: dict[str, str] = {}
    for entry in row.entries:
        name = entry.key.value
        if name in world.dimensions:
            stage = fields.text(world, entry.value, f"the stage of `{name}`")
            if stage is not None and _known_stage(world, name, stage, entry.value.place):
                stages[name] = stage
        elif name not in EXPECT_KEYS:
            _report_unknown(world, name, entry.key.place)
    inside, outside = _segments(world, row, "in"), _segments(world, row, "not_in")
    entered, exited = _segments(world, row, "entered"), _segments(world, row, "exited")
    facts = _facts(world, row.get("facts"))
    if len(row.entries) == 1 and at_ms is not None:
        world.report(row.place, "the row expects nothing", "at", "a dimension, or one of " + ", ".join(EXPECT_KEYS[1:]))
    if at_ms is None:
        return None
    return CaseExpect(at_ms, stages, facts, inside or (), outside or (), entered, exited, row.place)


def _known_stage(world: World, dimension: str, stage: str, place: Place) -> bool:
    stages = world.dimensions[dimension]
    if stage in stages or not stages:
        return True
    expected = "one of " + ", ".join(stages)
    world.report(place, f"`{dimension}` has no such stage", stage[:60], expected, suggestion(stage, stages))
    return False


def _report_unknown(world: World, name: str, place: Place) -> None:
    hint: str | None
    if name in world.segments:
        hint = f"a segment stands under in, not_in, entered or exited: in: {name}"
    elif name in world.facts:
        hint = f"a fact stands under facts: facts: {{{name}: ...}}"
    else:
        hint = did_you_mean(name, {*world.dimensions, *EXPECT_KEYS})
    world.report(place, "a row of `expect` has no such key", name[:60], "a dimension, or in, not_in, facts ...", hint)


def _segments(world: World, row: YamlMapping, key: str) -> tuple[str, ...] | None:
    """The segments under a key; None when the key is not there, () for an empty list."""
    value = row.get(key)
    if value is None:
        return None
    if isinstance(value, Listing) and not value.items:
        return ()
    known: list[str] = []
    for name in fields.names(world, value, f"`{key}`"):
        if name.value in world.segments:
            known.append(name.value)
        else:
            hint = _no_segment(world, name.value, key)
            world.report(name.place, "there is no such segment", name.value[:60], hint=hint)
    return tuple(known)


def _no_segment(world: World, name: str, key: str) -> str | None:
    if name in world.dimensions:
        return f"`{name}` is a dimension, a key of its own: `{name}: " + next(iter(world.dimensions[name]), "...") + "`"
    return f"of none: `{key}: []`" if name == "none" else did_you_mean(name, world.segments)


def _facts(world: World, value: Value | None) -> dict[str, Any]:
    if value is None:
        return {}
    block = fields.mapping(world, value, "`facts`")
    facts: dict[str, Any] = {}
    for entry in block.entries if block is not None else ():
        name = entry.key.value
        if name in world.facts:
            facts[name] = data(world, entry.value)
        else:
            world.report(entry.key.place, "there is no such fact", name[:60], hint=did_you_mean(name, world.facts))
    return facts


# ---------------------------------------------------------------------- data


def data(world: World, value: Value) -> Any:
    """A value as JSON knows it. Plain text that YAML readers disagree on is refused."""
    if isinstance(value, YamlMapping):
        return {entry.key.value: data(world, entry.value) for entry in value.entries}
    if isinstance(value, Listing):
        return [data(world, item) for item in value.items]
    if isinstance(value, Broken):
        return None
    if not value.plain:
        return value.value
    return _plain(world, value)


def _plain(world: World, scalar: Scalar) -> Any:
    written = scalar.value
    if written in _WORDS:
        return _WORDS[written]
    if _INTEGER.fullmatch(written):
        return int(written)
    if _DECIMAL.fullmatch(written):
        return float(written)
    if _OTHER_YAML_NUMBER.fullmatch(written):
        hint = f'write it in plain digits, or "{written[:40]}" in quotes if the text is meant'
        world.report(scalar.place, "YAML readers disagree on this number", written[:60], hint=hint)
        return None
    return written


_WORDS: Mapping[str, Any] = {"": None, "null": None, "~": None, "true": True, "false": False}


def _data_mapping(world: World, value: Value | None, what: str) -> dict[str, Any] | None:
    block = fields.mapping(world, value, what)
    return None if block is None else {entry.key.value: data(world, entry.value) for entry in block.entries}
