"""Dimensions: a list of stages, each with a condition, `otherwise` last."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from stream.errors import Place
from stream.rules import fields
from stream.rules.characters import hidden
from stream.rules.declarations import check_size
from stream.rules.document import Broken, Entry, Mapping, Scalar, Value
from stream.rules.expressions import Syntax
from stream.rules.names import MAX_LENGTH, STAGE, legal_name
from stream.rules.reach import Bound, exact_bounds, unreachable
from stream.rules.scopes import customer_checker
from stream.rules.sections import is_empty_block
from stream.rules.tree import DimensionDefinition, Literal, StageDefinition
from stream.rules.walk import Sizes, shape
from stream.rules.world import World

KEYS = ("stages", "description", "owner")
LATER = {"value": "name the values as stages"}
MAX_STAGES = 200
"""Each pair of stages is compared; a table longer than this is a value, not stages."""


@dataclass(frozen=True, slots=True)
class StageText:
    """`condition` None: it is broken; a tree of kind `otherwise`: the last stage."""

    name: str
    place: Place
    condition: Syntax | None

    @property
    def is_otherwise(self) -> bool:
        return self.condition is not None and self.condition.kind == "otherwise"


@dataclass(frozen=True, slots=True)
class DimensionText:
    key: Scalar
    stages: list[StageText]
    description: str | None

    def conditions(self) -> Iterator[Syntax]:
        yield from (stage.condition for stage in self.stages if stage.condition is not None)


def read_dimension(world: World, entry: Entry) -> DimensionText:
    """The stages' names and untyped conditions."""
    block = fields.mapping(world, entry.value, "a dimension", "its stages stand below it, as a list: `stages:`")
    if block is None:
        return DimensionText(entry.key, [], None)
    fields.check_keys(world, block, KEYS, "a dimension", LATER)
    description = fields.text(world, block.get("description"), "`description`")
    fields.text(world, block.get("owner"), "`owner`")
    stages = block.get("stages")
    if stages is None or is_empty_block(stages):
        if block.get("value") is None:
            world.report(entry.key.place, "the dimension has no stages", None, "stages: a list, `otherwise` last")
        return DimensionText(entry.key, [], description)
    if isinstance(stages, Mapping):
        world.report(stages.place, "stages are a list, for their order counts", "a mapping", "- name: condition")
        return DimensionText(entry.key, [], description)
    items = fields.listing(world, stages, "`stages`")
    if items is not None and len(items.items) > MAX_STAGES:
        found = str(len(items.items))
        world.report(entry.key.place, "the dimension has too many stages", found, f"at most {MAX_STAGES}")
        return DimensionText(entry.key, [], description)
    texts = [_stage(world, item) for item in items.items] if items is not None else []
    whole = [text for text in texts if text is not None]
    if items is not None:
        _check_list(world, entry, whole, complete=len(whole) == len(items.items))
    return DimensionText(entry.key, whole, description)


def build_dimension(world: World, sizes: Sizes, text: DimensionText) -> DimensionDefinition | None:
    """The checked dimension; None when something in it is wrong."""
    checker = customer_checker(world)
    stages: list[StageDefinition] = []
    whole = True
    for stage in text.stages:
        if stage.is_otherwise:
            stages.append(StageDefinition(stage.name, None, stage.place))
            continue
        node = None if stage.condition is None else checker.condition(stage.condition)
        if node is None or not check_size(world, sizes, node):
            whole = False
        else:
            stages.append(StageDefinition(stage.name, node, stage.place))
    reachable = _check_reach(world, stages)
    if not (whole and reachable and stages):
        return None
    return DimensionDefinition(text.key.value, tuple(stages), text.description, text.key.place)


def _stage(world: World, item: Value) -> StageText | None:
    if isinstance(item, Broken):
        return None
    if not isinstance(item, Mapping) or len(item.entries) != 1:
        found, hint = "nothing" if not isinstance(item, Mapping) else f"{len(item.entries)} keys", None
        if isinstance(item, Scalar) and not item.is_empty:
            found, hint = item.value[:60], fields.blank_missing(item.value)
        world.report(item.place, "a stage is one name with its condition", found, "- name: condition", hint)
        return None
    entry = item.entries[0]
    name = entry.key.value
    if not STAGE.fullmatch(name) or len(name) > MAX_LENGTH:
        expected = f"small letters, digits, - and _, a letter or digit first, at most {MAX_LENGTH} characters"
        hint = hidden(name, blanks=False) or legal_name(name, STAGE)
        world.report(entry.key.place, "this name of a stage can't be used", name[:80], expected, hint)
    if isinstance(entry.value, Mapping):
        message = "a stage with keys of its own is not supported yet"
        world.report(entry.value.place, message, "a mapping", "a condition", "write a segment over the dimension")
        return StageText(name, entry.key.place, None)
    return StageText(name, entry.key.place, fields.expression(world, entry.value, "a stage", "stage"))


def _check_list(world: World, entry: Entry, stages: list[StageText], complete: bool) -> None:
    seen: dict[str, Place] = {}
    for index, stage in enumerate(stages):
        if stage.name in seen:
            world.report(stage.place, "this stage stands twice", stage.name, hint=f"first at {seen[stage.name]}")
        seen.setdefault(stage.name, stage.place)
        if stage.is_otherwise and index < len(stages) - 1:
            later = stages[index + 1]
            world.report(later.place, "this stage can't be reached: `otherwise` stands before it", later.name)
            return
    if complete and stages and not stages[-1].is_otherwise:
        last = stages[-1]
        if last.condition is not None:
            hint = "everybody is in one stage: `- other: otherwise`"
            world.report(last.place, "the last stage must be `otherwise`", last.condition.text[:60], "otherwise", hint)


def _check_reach(world: World, stages: list[StageDefinition]) -> bool:
    """Constant conditions, conditions that stand twice, and conditions that earlier ones cover."""
    fine = True
    shapes: dict[object, str] = {}
    covers: dict[str, list[Bound]] = {}
    for stage in stages:
        if stage.condition is None:
            break  # what stands behind `otherwise` is reported by the list's own check
        node = stage.condition
        if isinstance(node, Literal):
            hint = "the last stage says `otherwise`" if node.value else "leave the stage out"
            world.report(node.place, "a stage's condition must depend on the customer", node.text, hint=hint)
            fine = False
            continue
        same = shapes.setdefault(shape(node), stage.name)
        if same != stage.name:
            message = f"this stage can't be reached: `{same}` has the same condition"
            world.report(stage.place, message, node.text[:60])
            fine = False
        elif (reason := unreachable(node, covers)) is not None:
            world.report(stage.place, f"this stage can't be reached: {reason.why}", node.text[:60], hint=reason.hint)
            fine = False
        if (bounds := exact_bounds(node)) is not None:
            covers[stage.name] = bounds
    return fine
