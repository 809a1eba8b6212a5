"""Segments: in or out, with what goes along when a customer enters or leaves."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from stream.rules import fields
from stream.rules.declarations import check_size
from stream.rules.document import Entry, Scalar, Value
from stream.rules.expressions import Syntax
from stream.rules.history import HistoryChecker
from stream.rules.literals import NUMBER, BadLiteral, percentage
from stream.rules.names import MAX_LENGTH
from stream.rules.scopes import customer_checker, event_checker
from stream.rules.tree import And, Goal, Node, Or, SegmentDefinition, Selector, Type
from stream.rules.walk import Sizes
from stream.rules.world import World

DOCUMENTATION = ("description", "action", "owner", "review", "profile")
KEYS = ("when", "topic", "with", "control_group", "salt", "goal", "audience", *DOCUMENTATION)
LATER = {
    "for": "say how long in the condition: last(purchase) <= ago(7d)",
    "stay": "",
    "leave": "",
    "cooldown": "",
    "once": "",
    "split": "use control_group: 10%",
    "subject": "",
    "currency": "",
    "value": "",
    "limits": "",
    "measure": "",
    "until": "",
}
OTHER_KEYS = {
    **dict.fromkeys(("condition", "if", "rule", "filter", "where", "criteria", "query"), "when"),
    **dict.fromkeys(("holdout", "control"), "control_group"),
}
TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")
OWN_TOPICS = frozenset({
    "customer-events",
    "segment-changes",
    "segment-memberships",
    "customer-events-rejected",
    "segmenter-state",
    "segmenter-journal",
})  # fmt: skip
CARRIED = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
MAX_CARRIED = 50
_PERCENT = re.compile(r"[0-9]+(\.[0-9]+)?%")


@dataclass(slots=True)
class SegmentText:
    """A segment as far as it is known before its expressions are checked. `when` None: it is broken."""

    key: Scalar
    when: Syntax | None = None
    for_everyone: bool = False
    topic: str | None = None
    carried: list[tuple[str, Syntax]] = field(default_factory=list)
    control_share: float | None = None
    salt: str = ""
    reached: Syntax | None = None
    within_ms: int | None = None
    documentation: dict[str, str] = field(default_factory=dict)


def read_segment(world: World, entry: Entry) -> SegmentText:
    """The segment's fields and untyped expressions."""
    text = SegmentText(entry.key, salt=entry.key.value)
    block = fields.mapping(world, entry.value, "a segment", "its condition stands below it: `when: orders >= 1`")
    if block is None:
        return text
    fields.check_keys(world, block, KEYS, "a segment", LATER, OTHER_KEYS)
    if block.get("when") is None:
        world.report(entry.key.place, "the segment has no condition", None, "when: orders >= 1")
    text.when = fields.expression(world, block.get("when"), "`when`")
    text.for_everyone = _for_everyone(world, block.get("audience"))
    text.topic = _topic(world, block.get("topic"))
    text.control_share = _share(world, block.get("control_group"))
    text.salt = fields.text(world, block.get("salt"), "`salt`") or text.salt
    for key in DOCUMENTATION:
        if (said := fields.text(world, block.get(key), f"`{key}`")) is not None:
            text.documentation[key] = said
    _read_goal(world, text, block.get("goal"))
    _read_carried(world, text, block.get("with"))
    return text


def build_segment(world: World, sizes: Sizes, text: SegmentText, audience: Node | None) -> SegmentDefinition | None:
    """The checked segment, restricted to the audience; None when its condition is wrong."""
    checker = customer_checker(world)
    carried: list[tuple[str, Node]] = []
    for name, syntax in text.carried:
        value = checker.value(syntax)
        if value is not None and check_size(world, sizes, value):
            carried.append((name, value))
    goal = _goal(world, text)
    when = None if text.when is None else checker.condition(text.when)
    if when is None or not check_size(world, sizes, when):
        return None
    return SegmentDefinition(
        name=text.key.value,
        when=when if audience is None else _restricted(audience, when),
        topic=text.topic,
        carried=tuple(carried),
        control_share=text.control_share,
        salt=text.salt,
        goal=goal,
        description=text.documentation.get("description"),
        action=text.documentation.get("action"),
        place=text.key.place,
    )


def _restricted(audience: Node, when: Node) -> Node:
    words = " and ".join(f"({node.text})" if isinstance(node, Or) else node.text for node in (audience, when))
    return And(place=when.place, type=Type.BOOLEAN, text=words, parts=(audience, when))


def _goal(world: World, text: SegmentText) -> Goal | None:
    if text.reached is None:
        return None
    checker = HistoryChecker(world, customer_checker(world), event_checker(world))
    selected = checker.selector(text.reached)
    if selected is None:
        return None
    if selected.prop is not None:
        world.report(selected.prop.place, "a goal is an event, not a property", selected.prop.text)
        return None
    selector: Selector = selected.selector
    return None if text.within_ms is None else Goal(selector, text.within_ms)


def _for_everyone(world: World, value: Value | None) -> bool:
    word = fields.text(world, value, "`audience`")
    if word is not None and word != "everyone" and value is not None:
        hint = "a narrower audience is a part of `when`"
        world.report(value.place, "a segment's audience can only be widened", word[:60], "everyone", hint)
    return word == "everyone"


def _topic(world: World, value: Value | None) -> str | None:
    name = fields.text(world, value, "`topic`")
    if name is None or value is None:
        return None
    if not TOPIC.fullmatch(name) or name in (".", ".."):
        expected = "letters, digits, `.`, `_` and `-`, at most 249"
        world.report(value.place, "this is not a legal name of a Kafka topic", name[:80], expected)
        return None
    if name in OWN_TOPICS:
        world.report(value.place, "this topic is one of the system's own", name, "a topic of the segment's own")
        return None
    return name


def _share(world: World, value: Value | None) -> float | None:
    written = fields.text(world, value, "`control_group`")
    if written is None or value is None:
        return None
    try:
        share = float(percentage(written)) if _PERCENT.fullmatch(written) else -1.0
    except BadLiteral as error:
        world.report(value.place, error.message, written[:60], "a percentage such as 10%", error.hint)
        return None
    if not 0 <= share < 1:
        expected, hint = "a percentage such as 10%, below 100%", _as_percentage(written)
        world.report(value.place, "this is not a share", written[:60], expected, hint)
        return None
    return share


def _as_percentage(written: str) -> str | None:
    """A hint for 0.1 and 10, both meant as 10%; 1 may be meant either way."""
    share = float(written) if NUMBER.fullmatch(written) else 1.0
    percent = share * 100 if share < 1 else share
    return f"write {percent:.6g}%" if share != 1 and 0 < percent < 100 else None


def _read_goal(world: World, text: SegmentText, value: Value | None) -> None:
    if value is None:
        return
    block = fields.mapping(world, value, "`goal`")
    if block is None:
        return
    fields.check_keys(world, block, ("reached", "within"), "a goal")
    for key, example in (("reached", "purchase"), ("within", "14d")):
        if block.get(key) is None:
            world.report(block.place, f"the goal's `{key}` is missing", None, f"{key}: {example}")
    text.reached = fields.expression(world, block.get("reached"), "`reached`", "selector")
    text.within_ms = fields.duration(world, block.get("within"), "`within`")
    if text.within_ms == 0:
        found = block.get("within")
        assert found is not None
        world.report(found.place, "the goal's time is too short", "0", "a duration above 0")


def _read_carried(world: World, text: SegmentText, value: Value | None) -> None:
    if value is None:
        return
    block = fields.mapping(world, value, "`with`")
    if block is None:
        return
    if len(block.entries) > MAX_CARRIED:
        world.report(block.place, "`with` carries too much", str(len(block.entries)), f"at most {MAX_CARRIED} values")
    for entry in block.entries:
        name = entry.key.value
        if not CARRIED.fullmatch(name) or len(name) > MAX_LENGTH:
            expected = f"letters, digits, - and _, a letter or _ first, at most {MAX_LENGTH} characters"
            world.report(entry.key.place, "this name can't be carried", name[:80], expected)
        syntax = fields.expression(world, entry.value, "a carried value")
        if syntax is not None:
            text.carried.append((name, syntax))
