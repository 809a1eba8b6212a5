"""What may be compared with what, and the hint that helps where it may not."""

from __future__ import annotations

from stream.rules import literals
from stream.rules.expressions import Syntax
from stream.rules.names import suggestion
from stream.rules.tree import Fact, ListOf, Literal, Node, StageOf, Type
from stream.rules.types import ORDERED, same_kind
from stream.rules.walk import moves_with_now
from stream.rules.world import World


def check_comparison(world: World, operator: Syntax, left: Node, right: Node) -> bool:
    """Whether `left operator right` has a meaning; reports when not."""
    op = operator.value
    found = f"{left.type.value} {op} {right.type.value}"
    if op in ("==", "!="):
        return _check_equality(world, operator, left, right, found)
    for side in (left, right):
        if side.type not in ORDERED:
            hint = _order_hint(side) or _mixed_hint(left, right) or "text has no order"
            world.report(operator.place, f"`{op}` needs numbers, durations or instants", found, hint=hint)
            return False
    if not same_kind(left.type, right.type):
        world.report(operator.place, "these can't be compared", found, hint=_mixed_hint(left, right))
        return False
    return True


def check_membership(world: World, item: Node, collection: Node) -> bool:
    """Whether `item in collection` has a meaning; reports when not."""
    if item.type is Type.LIST or item.type is Type.NULL:
        world.report(item.place, "this can't be looked up in a list", item.type.value, "a single value")
        return False
    if not isinstance(collection, ListOf):
        if collection.type in (Type.LIST, Type.ANY):
            return True
        hint = 'contains(text, part) asks for a part of a text; a list is written ["a", "b"]'
        world.report(collection.place, "`in` needs a list", collection.type.value, "a list", hint)
        return False
    if not collection.items:
        world.report(collection.place, "nothing is in an empty list", "[]", "at least one value")
        return False
    fine = True
    for element in collection.items:
        if element.type is not Type.ANY and not same_kind(item.type, element.type):
            found = f"{element.type.value} among {item.type.value}"
            world.report(element.place, "this can't be equal to what is looked up", found, item.type.value)
            fine = False
        elif moves_with_now(item) or moves_with_now(element):
            _report_moving(world, element if moves_with_now(element) else item, "in")
            fine = False
        else:
            fine = _check_stage(world, item, element) and fine
    return fine


def _check_equality(world: World, operator: Syntax, left: Node, right: Node, found: str) -> bool:
    if Type.LIST in (left.type, right.type) and Type.NULL not in (left.type, right.type):
        hint = "ask for one of its values: x in traits.list"
        world.report(operator.place, "a list can't be compared", found, hint=hint)
        return False
    if not same_kind(left.type, right.type):
        world.report(operator.place, "these can never be equal", found, hint=_mixed_hint(left, right))
        return False
    if moves_with_now(left) or moves_with_now(right):
        _report_moving(world, left if moves_with_now(left) else right, operator.value)
        return False
    return _check_stage(world, left, right) and _check_stage(world, right, left)


def _report_moving(world: World, node: Node, op: str) -> None:
    hint = "use `>`, `>=`, `<` or `<=`: last(purchase) > ago(30d)"
    message = f"`{op}` against the present instant holds for one millisecond only"
    world.report(node.place, message, node.text[:60], "an order", hint)


def _check_stage(world: World, dimension: Node, text: Node) -> bool:
    """`lifecycle == "inactve"` is refused: no such stage."""
    while isinstance(dimension, Fact):
        dimension = dimension.value
    if not isinstance(dimension, StageOf) or not isinstance(text, Literal) or text.type is not Type.TEXT:
        return True
    stages = world.dimensions[dimension.dimension]
    if text.value in stages:
        return True
    message = f"`{dimension.dimension}` has no such stage"
    hint = suggestion(text.value, stages)
    world.report(text.place, message, f'"{text.value}"', "one of " + ", ".join(stages), hint)
    return False


def _order_hint(side: Node) -> str | None:
    if isinstance(side, Literal) and side.type is Type.TEXT:
        if literals.NUMBER.fullmatch(side.value):
            return f"a number has no quotes: {side.value}"
        return f'a date is written date("{side.value}")' if literals.is_date(side.value) else None
    return {
        Type.TEXT: "text has no order; a trait that holds a date is declared `date`, a number `number`",
        Type.NULL: "null can be compared with == and != only",
        Type.BOOLEAN: "compare with == true or == false",
        Type.LIST: "ask for one of its values: x in traits.list",
    }.get(side.type)


def _mixed_hint(left: Node, right: Node) -> str | None:
    kinds = {left.type, right.type}
    if kinds == {Type.INSTANT, Type.DURATION}:
        return "an instant is compared with ago(30d), ahead(7d), now or date(...); now - last(x) is a duration"
    if kinds == {Type.NUMBER, Type.DURATION}:
        return "a duration has a unit: 30d"
    if kinds == {Type.INSTANT, Type.TEXT}:
        return 'an instant in the text is written date("2025-11-28")'
    day = next((side.text for side in (left, right) if literals.is_date(side.text)), None)
    if kinds == {Type.INSTANT, Type.NUMBER} and day is not None:
        return f'a date is written date("{day}")'
    if kinds == {Type.INSTANT, Type.NUMBER}:
        return 'an instant is compared with ago(30d), date("2025-11-28") or another instant'
    if kinds == {Type.NUMBER, Type.TEXT}:
        return "numbers have no quotes; a trait declared as text holds text"
    if kinds == {Type.BOOLEAN, Type.TEXT}:
        return "true and false have no quotes"
    return None
