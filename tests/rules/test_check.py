"""Laws of the checker: what definitions mean, and every way in which they can be wrong, with its place."""

from __future__ import annotations

from typing import Any

import pytest

from stream.core.events import NEVER_MS
from stream.rules import tree as t
from stream.rules.tree import Type
from tests.rules.texts import HEAD, LINES, SHOP, dimension, fact, load, places, problems, segment, with_fact

DAY = 86_400_000


# ------------------------------------------------------------------ the example of the language


def test_the_example_of_the_language_loads() -> None:
    shop = load(SHOP)
    assert (shop.name, shop.zone, shop.accepts_too_old) == ("shop", "UTC", False)
    assert [fact.name for fact in shop.facts] == ["orders", "spend_365d"]
    assert [stage.name for stage in shop.dimensions[0].stages] == ["prospect", "new", "active", "inactive"]
    assert shop.evaluation == ("lifecycle", "frequency", "recency", "win-back", "cart-abandoned")
    assert shop.source == (("f.yaml", SHOP),)
    win_back = shop.segments[0]
    assert (win_back.topic, win_back.control_share, win_back.salt) == ("win-back", 0.1, "win-back")
    assert [name for name, _ in win_back.carried] == ["email", "last_order"]
    assert win_back.goal is not None and win_back.goal.within_ms == 14 * DAY
    assert win_back.action == 'flow "We miss you", owner marketing'


def test_a_segment_is_restricted_to_the_audience_unless_it_is_for_everyone() -> None:
    text = HEAD + "audience: traits.consent == true\nsegments:\n  a: {when: orders > 1}\n"
    both = load(text).segments[0].when
    assert isinstance(both, t.And)
    assert [part.text for part in both.parts] == ["traits.consent == true", "orders > 1"]
    everyone = load(text.replace("orders > 1", "orders > 1, audience: everyone")).segments[0].when
    assert everyone.text == "orders > 1"


# ------------------------------------------------------------------ what expressions become

TYPES = {
    "count(purchase)": Type.NUMBER,
    "last(purchase)": Type.INSTANT,
    "last(purchase.revenue)": Type.ANY,
    "avg(purchase.revenue, 30d)": Type.NUMBER,
    "active_days(page, 30d, before 30d)": Type.NUMBER,
    "silent(any, 2w)": Type.BOOLEAN,
    "first_seen": Type.INSTANT,
    "now - last(purchase)": Type.DURATION,
    "(now - last(purchase)) / 2": Type.DURATION,
    "(last(purchase) - first(purchase)) / (orders - 1)": Type.DURATION,
    "2 * 30d": Type.DURATION,
    "30d / 1d": Type.NUMBER,
    "traits.born": Type.INSTANT,
    "traits.tags": Type.LIST,
    "traits.tags.name": Type.ANY,
    "traits.plan.tier": Type.TEXT,
    "group.anything.at.all": Type.ANY,
    'if(orders > 1, "a", null)': Type.TEXT,
    'lower(traits.country) in ["de"]': Type.BOOLEAN,
    '"x" in traits.tags': Type.BOOLEAN,
    '"x" in last(purchase.categories)': Type.BOOLEAN,
    "ago(2 * (last(purchase) - first(purchase)))": Type.INSTANT,
    "last(purchase) > ago(30d) > traits.born": Type.BOOLEAN,
    "traits.age == null": Type.BOOLEAN,
    "null": Type.NULL,
}


@pytest.mark.parametrize(("text", "kind"), TYPES.items())
def test_an_expression_has_a_type(text: str, kind: Type) -> None:
    assert fact(text).type is kind
    assert fact(text).text == text


LITERALS = {
    "10%": 0.1,
    "1_000": 1000,
    "2.5": 2.5,
    "-3": -3,
    "1h30min": 5_400_000,
    "never": NEVER_MS,
    'date("1970-01-02")': DAY,
    'date("1970-01-01T01:00:00+01:00")': 0,
    "true": True,
    '"a"': "a",
}


@pytest.mark.parametrize(("text", "value"), LITERALS.items())
def test_a_literal_has_its_value(text: str, value: Any) -> None:
    node = fact(text)
    assert isinstance(node, t.Literal)
    assert node.value == value and type(node.value) is type(value)


def test_a_bare_date_is_midnight_in_the_files_zone() -> None:
    text = with_fact('date("2026-07-01")').replace("definitions: 1", "definitions: 1\nzone: Europe/Berlin")
    node = load(text).facts[-1].value
    assert isinstance(node, t.Literal) and node.value == 1_782_856_800_000  # 2026-06-30T22:00Z


def test_ago_is_now_minus_and_ahead_is_now_plus_a_duration() -> None:
    for text, op in (("ago(30d)", "-"), ("ahead(30d)", "+")):
        node = fact(text)
        assert isinstance(node, t.Arithmetic) and isinstance(node.left, t.Now) and isinstance(node.right, t.Literal)
        assert (node.op, node.right.value) == (op, 30 * DAY)


def test_a_fact_stands_around_its_own_expression() -> None:
    node = fact("orders + 1")
    assert isinstance(node, t.Arithmetic) and isinstance(node.left, t.Fact)
    assert (node.left.name, node.left.value.text) == ("orders", "count(purchase)")


def test_a_chained_comparison_is_an_and_of_its_pairs() -> None:
    node = fact("1 < orders <= 3")
    assert isinstance(node, t.And)
    assert [part.text for part in node.parts] == ["1 < orders", "orders <= 3"]


def test_a_window_and_its_shift_are_milliseconds() -> None:
    node = fact("count(purchase, 7d, before 2 * 7d)")
    assert isinstance(node, t.Leaf)
    assert (node.window_ms, node.before_ms) == (7 * DAY, 14 * DAY)


def leaf(text: str) -> t.Leaf:
    node = fact(text)
    assert isinstance(node, t.Leaf)
    return node


SELECTORS = {
    "count(purchase)": [({"track"}, "Order Completed")],
    'count("A b")': [({"track"}, "A b")],
    "count(engaged)": [({"track"}, "Email Clicked"), ({"track"}, "Product Viewed")],
    'count([engaged, "A b", purchase, purchase])': [
        ({"track"}, "Email Clicked"),
        ({"track"}, "Product Viewed"),
        ({"track"}, "A b"),
        ({"track"}, "Order Completed"),
    ],
    "count(page)": [({"page"}, None)],
    "last_seen": [({"track", "page", "screen"}, None)],
}


@pytest.mark.parametrize("text", SELECTORS)
def test_a_selector_is_a_union_of_matches(text: str) -> None:
    assert [(set(match.kinds), match.name) for match in leaf(text).selector.matches] == SELECTORS[text]


PROPERTIES = {
    "last(purchase.revenue)": ("properties", ("revenue",)),
    'last("A b".c."d e")': ("properties", ("c", "d e")),
    "last(any.context.device.type)": ("context", ("device", "type")),
    "last(any.properties.context)": ("properties", ("context",)),
    "last([purchase, engaged].campaign where total > 1)": ("properties", ("campaign",)),
}


@pytest.mark.parametrize("text", PROPERTIES)
def test_a_path_behind_events_is_their_property(text: str) -> None:
    prop = leaf(text).prop
    assert prop is not None
    assert (prop.root, prop.path) == PROPERTIES[text]


def test_inside_where_a_bare_name_is_the_events_property() -> None:
    node = leaf("count(purchase where total > 1 and context.ip != null and properties.now == 1 and timestamp != never)")
    where = node.selector.matches[0].where
    assert isinstance(where, t.And)
    asked = [part.left for part in where.parts if isinstance(part, t.Compare)]
    assert [(p.root, p.path) for p in asked if isinstance(p, t.Property)] == [
        ("properties", ("total",)),
        ("context", ("ip",)),
        ("properties", ("now",)),
        ("timestamp", ()),
    ]
    assert asked[-1].type is Type.INSTANT


def test_a_where_narrows_every_alternative_and_joins_the_one_declared() -> None:
    declared = HEAD.replace("purchase: Order", "big: {event: [A, B], where: total > 9}, purchase: Order")
    node = load(declared + "  x: count(big where paid == true)\n").facts[-1].value
    assert isinstance(node, t.Leaf)
    texts = [match.where.text for match in node.selector.matches if match.where is not None]
    assert texts == ["total > 9 and paid == true"] * 2


def test_events_with_conditions_can_be_joined_in_a_list() -> None:
    declared = HEAD.replace("purchase: Order", "big: [A, {event: B, where: total > 9}], purchase: Order")
    node = load(declared + "  x: count(big)\n").facts[-1].value
    assert isinstance(node, t.Leaf)
    assert [(m.name, m.where and m.where.text) for m in node.selector.matches] == [("A", None), ("B", "total > 9")]


def test_private_and_nested_traits_are_known_by_their_dotted_name() -> None:
    secret, tier = fact("traits.secret"), fact("traits.plan.tier")
    assert isinstance(secret, t.Trait) and secret.private
    assert isinstance(tier, t.Trait) and tier.name == "plan.tier" and not tier.private


# ------------------------------------------------------------------ what is refused in an expression

# expression -> (column in the expression, part of the message, part of the hint or None)
WRONG = {
    "ordres + 1": (1, "nothing has this name", "`orders`"),
    "purchase": (1, "events are not a value", "count(purchase)"),
    "purchase.revenue": (1, "not a value by itself", "last(purchase.revenue)"),
    "count(purchse)": (7, "no event has this name", "`purchase`"),
    "count(3)": (7, "events are expected", None),
    "cuont(purchase)": (1, "no such function", "`count`"),
    "count()": (1, "needs events", None),
    "sum(purchase)": (5, "needs a property", None),
    "sum(revenue, 30d)": (5, "needs an event and its property", "sum(purchase.revenue, 365d)"),
    "now() - last(purchase)": (1, "`now` is no function", "without brackets"),
    "sum(purchse.revenue)": (5, "no event has this name", "`purchase`"),
    "count(purchase.revenue)": (7, "not a property", None),
    "count(purchase, 0d)": (17, "too short", None),
    "count(purchase, orders)": (17, "fixed duration", "30d"),
    "count(purchase, 7d, 7d)": (21, "too many arguments", "before"),
    "count(purchase, before 7d)": (17, "after a window", None),
    "active_days(page)": (1, "needs a window", None),
    "last(purchase, 30d)": (16, "takes no window", "ago(30d)"),
    "silent(purchase)": (1, "events and a duration", "silent"),
    "last(purchase.timestamp)": (6, "not a property", "properties.timestamp"),
    "year(now)": (1, "not supported yet", "later"),
    "sequence(purchase, then engaged within 1d)": (1, "not supported yet", None),
    "count(purchase by cart_id)": (16, "not supported yet", None),
    "count(purchase unless engaged by id)": (16, "not supported yet", None),
    "traits.contry": (1, "not declared", "`country`"),
    "traits.country.city": (1, "has no parts", "declare"),
    "traits": (1, "needs a name", None),
    "lifecycle": (1, "nothing has this name", None),
    'in("vpi")': (4, "no such segment", None),
    "otherwise": (1, "last stage", None),
    'traits.age == "25"': (12, "never be equal", "quotes"),
    "traits.country < traits.plan.tier": (16, "needs numbers", "order"),
    "traits.age < null": (12, "needs numbers", "== and !="),
    "last(purchase) > 30d": (16, "can't be compared", "ago(30d)"),
    "orders > 30d": (8, "can't be compared", "unit"),
    'traits.born == "2020-01-01"': (13, "never be equal", "date("),
    "last(purchase) == ago(30d)": (19, "one millisecond", ">"),
    "now - last(purchase) != 30d": (1, "one millisecond", ">"),
    "1 < orders > 0": (12, "one direction", "and"),
    "orders == 1 == 2": (13, "one direction", "and"),
    "last(purchase) + last(purchase)": (16, "calculated", None),
    "orders + null": (8, "calculated", "null"),
    "(now - last(purchase)) * orders": (24, "linearly", "plain number"),
    "30d / (now - last(purchase))": (5, "linearly", "plain number"),
    "orders / 0": (10, "always null", None),
    "orders and true": (1, "true or false", "orders > 0"),
    "not traits.country": (5, "true or false", "=="),
    "lower(traits.age)": (7, "works on text", None),
    "contains(traits.country)": (1, "1 arguments", "burg"),
    'if(orders > 1, 1, "x")': (19, "one type", None),
    '"a" in traits.country': (8, "needs a list", "contains"),
    "orders in []": (11, "empty list", None),
    'orders in [1, "x"]': (15, "can't be equal", None),
    "[1, 2]": (1, "can't stand here", "after `in`"),
    'date("tomorrow")': (6, "not a date", "2025"),
    'date("2025-02-30")': (6, "no such date", None),
    'date("2025-02-03T24:00:00Z")': (6, "no such date", "00 to 23"),  # a date from Python 3.14 on
    'date("2025-02-03T10:00:00")': (6, "not a date", "Z"),
    "0.1234567": (1, "too fine", "6 decimals"),
    "1000000000000000000": (1, "too large", None),
    "ago(1000000 * 30000d)": (5, "too long", None),
    "count(purchase, 100 * 30000d)": (17, "too long", None),
    "99999999d": (1, "too long", None),
    "count(purchase where orders > 1)": (22, "only the event itself", "properties.orders"),
    "count(purchase where traits.age > 1)": (22, "only the event itself", "traits.age != null"),
    "count(purchase where at > ago(1d))": (27, "only the event itself", "window"),
    "count(purchase where last(engaged) > 1)": (22, "only the event itself", None),
    "count(purchase where now > timestamp)": (22, "only the event itself", None),
}


@pytest.mark.parametrize("text", WRONG)
def test_a_mistake_is_named_once_at_its_place(text: str) -> None:
    column, message, hint = WRONG[text]
    found = problems(with_fact(text))
    assert places(found) == [(LINES + 2, column + 4)], found
    assert message in found[0].message
    assert hint is None or hint in (found[0].hint or "")


def test_mistakes_side_by_side_are_all_named() -> None:
    assert places(problems(segment("ordres > 1 and\ntraits.contry == 1 and\norders > "))) == [(LINES + 6, 17)]
    found = problems(segment('ordres > 1 and\ntraits.contry == 1 and\nin("x")'))
    assert places(found) == [(LINES + 4, 9), (LINES + 5, 9), (LINES + 6, 12)]


def test_a_broken_fact_is_not_blamed_on_those_who_use_it() -> None:
    text = with_fact("cuont(purchase)") + '  y: x + 1\nsegments:\n  s: {when: y > 3 and in("no")}\n'
    assert len(problems(text)) == 2


def test_a_text_compared_with_a_dimension_must_be_one_of_its_stages() -> None:
    text = dimension("new: orders == 1", "inactive: otherwise") + "segments:\n  s:\n    when: "
    assert problems(text + 'd == "new" and d in ["inactive", "new"]\n') == []
    for when, column in (('d == "inactve"', 16), ('"inactve" != d', 11), ('d in ["new", "inactve"]', 24)):
        quoted = f"|\n      {when}\n" if when.startswith('"') else f"{when}\n"
        (found,) = problems(text + quoted)
        assert "no such stage" in found.message and found.hint == "did you mean `inactive`?"
        assert found.place.column == (column if not when.startswith('"') else 7)


def test_a_stage_without_quotes_is_told_to_stand_in_them() -> None:
    text = dimension("new: orders == 1", "inactive: otherwise") + "segments:\n  s:\n    when: d == inactive\n"
    (found,) = problems(text)
    assert (found.message, found.hint) == ("a stage stands in quotes", 'write "inactive"')


def test_facts_that_double_each_other_are_bounded() -> None:
    doubling = "".join(f"  f{i}: f{i - 1} + f{i - 1}\n" for i in range(1, 60))
    found = problems(HEAD + "  f0: orders\n" + doubling)
    assert len(found) == 1 and "too large" in found[0].message


def test_a_long_chain_of_facts_is_bounded_and_no_stack_overflows() -> None:
    chain = "".join(f"  f{i}: f{i + 1} + 1\n" for i in range(3000))
    found = problems(HEAD + chain + "  f3000: orders\n")
    assert len(found) == 1 and "too large" in found[0].message


def test_constants_that_multiply_without_end_do_no_harm() -> None:
    big = " * ".join(["1000000000000000"] * 30)
    load(segment(f"orders > {big} * 0.5 and count(engaged) * {big} > 3.5"))


# ------------------------------------------------------------------ circles


def test_a_circle_is_refused_with_its_path() -> None:
    found = problems(HEAD + "  a: b + 1\n  b: c + 1\n  c: a + 1\n")
    assert places(found) == [(LINES + 3, 6)]
    assert found[0].found == "a -> b -> c -> a"


def test_a_circle_through_segments_and_dimensions_is_refused() -> None:
    text = dimension('x: in("s")', "y: otherwise") + 'segments:\n  s: {when: d == "x"}\n'
    assert [problem.found for problem in problems(text)] == ["d -> s -> d"]


def test_the_audience_may_rest_on_a_segment_for_everyone_only() -> None:
    text = HEAD + 'audience: not in("deny")\nsegments:\n  s: {when: orders > 1}\n'
    text += "  deny: {when: orders > 9, audience: everyone}\n"
    assert load(text).evaluation == ("deny", "s")
    (found,) = problems(text.replace(", audience: everyone", ""))
    assert found.found == "audience -> deny -> audience"
    assert "audience: everyone" in (found.hint or "")


def test_evaluation_puts_what_is_referred_to_first_wherever_it_stands() -> None:
    text = HEAD + 'segments:\n  a: {when: \'in("b")\'}\n  b: {when: d == "x"}\n'
    text += "dimensions:\n  d: {stages: [{x: orders > 1}, {y: otherwise}]}\n"
    assert load(text).evaluation == ("d", "b", "a")


# ------------------------------------------------------------------ stages

STAGES = {
    "otherwise is missing": (("a: orders > 1", "b: orders < 2"), (5, 9), "must be `otherwise`"),
    "a stage after otherwise": (("a: otherwise", "b: orders < 2"), (5, 9), "can't be reached"),
    "a name twice": (("a: orders > 1", "a: orders < 1", "b: otherwise"), (5, 9), "twice"),
    "a condition twice": (("a: orders>1", "b: orders > 1", "c: otherwise"), (5, 9), "same condition"),
    "always true": (("a: true", "b: otherwise"), (4, 12), "must depend"),
    "always false": (("a: false", "b: otherwise"), (4, 12), "must depend"),
    "covered by one": (("a: orders < 5", "b: orders == 2", "c: otherwise"), (5, 9), "`a` takes all of these"),
    "covered by the second": (
        ("a: orders < 2", "b: orders > 3", "c: orders > 4", "d: otherwise"),
        (6, 9),
        "`b` takes all of these",
    ),
    "covered by two": (
        ("a: orders < 3", "b: orders > 1", "c: orders > 0 and orders < 4", "d: otherwise"),
        (6, 9),
        "the stages before it take all of these",
    ),
    "covered in time": (
        ("a: last(purchase) > ago(30d)", "b: last(purchase) > ago(7d)", "c: otherwise"),
        (5, 9),
        "`a` takes all of these",
    ),
    "against itself": (("a: orders > 3 and orders < 4", "b: otherwise"), (4, 9), "never hold"),
    "a bad name": (("A b: orders > 3", "b: otherwise"), (4, 9), "can't be used"),
    "two keys": (("{a: orders > 3, b: orders > 4}", "c: otherwise"), (4, 9), "one name with its condition"),
    "keys of its own": (("a: {when: orders > 3}", "b: otherwise"), (4, 12), "not supported yet"),
}


@pytest.mark.parametrize(("stages", "place", "message"), STAGES.values(), ids=STAGES.keys())
def test_stages_that_can_not_be_meant_are_refused(
    stages: tuple[str, ...], place: tuple[int, int], message: str
) -> None:
    found = problems(dimension(*stages))
    assert places(found) == [(LINES + place[0], place[1])]
    assert message in found[0].message


@pytest.mark.parametrize(
    "stages",
    [
        ("a: orders == 0", "b: orders == 1", "c: orders < 5", "d: otherwise"),
        ("a: traits.age < 5", "b: traits.age > 4", "c: otherwise"),
        ("a: orders > 5 and traits.age > 3", "b: orders > 6", "c: otherwise"),
        ("a: last(purchase) == never", "b: last(purchase) <= ago(9d)", "c: otherwise"),
        ("a: orders != 3", "b: orders == 3", "c: otherwise"),
    ],
)
def test_stages_that_somebody_can_reach_are_not_refused(stages: tuple[str, ...]) -> None:
    assert problems(dimension(*stages)) == []


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("segments:\n  s: orders >= 1\n", "a segment is not what belongs here", "`when: orders >= 1`"),
        ("segments:\n  - s: {when: orders >= 1}\n", "`segments` is not what belongs here", "without a dash"),
        ("dimensions:\n  d: [new: orders == 1]\n", "a dimension is not what belongs here", "`stages:`"),
    ],
)
def test_what_stands_one_level_off_is_told_where_it_belongs(text: str, message: str, hint: str) -> None:
    (found,) = problems(HEAD + text)
    assert found.message == message and hint in (found.hint or "")


def test_stages_as_a_mapping_are_refused_for_their_order_counts() -> None:
    found = problems(HEAD + "dimensions:\n  d:\n    stages: {a: otherwise}\n")
    assert places(found) == [(LINES + 3, 13)] and "order counts" in found[0].message


# ------------------------------------------------------------------ the file

FILES = {
    "no version": ("name: x\n", (1, 1), "version is missing"),
    "another version": ("definitions: 2\n", (1, 14), "not known"),
    "an unknown key": ("definitions: 1\nsegmets: {}\n", (2, 1), "no such key"),
    "a later key": ("definitions: 1\nsubject: {name: account}\n", (2, 1), "not supported yet"),
    "a zone": ("definitions: 1\nzone: Europe/Berlni\n", (2, 7), "no such time zone"),
    "a policy": ("definitions: 1\ntoo_old: maybe\n", (2, 10), "no such policy"),
    "a name": ("definitions: 1\nname: My shop\n", (2, 7), "can't be used"),
    "a type of trait": ("definitions: 1\ntraits: {a: txt}\n", (2, 13), "no such type"),
    "a key of a trait": ("definitions: 1\ntraits: {a: {type: text, privat: true}}\n", (2, 26), "no such key"),
    "an event's name": ("definitions: 1\nevents: {Order: x}\n", (2, 10), "can't be used"),
    "a hyphen in a fact": ("definitions: 1\nfacts: {a-b: 1}\n", (2, 9), "can't be used"),
    "a reserved name": ("definitions: 1\nfacts: {count: 1}\n", (2, 9), "word of the language"),
    "a name taken": ("definitions: 1\nevents: {a: x}\nfacts: {a: 1}\n", (3, 9), "taken"),
    "a later key of an event": ("definitions: 1\nevents: {a: {event: x, by: y}}\n", (2, 24), "not supported yet"),
    "an event without name": ("definitions: 1\nevents: {a: {where: x > 1}}\n", (2, 13), "name is missing"),
    "a fact without value": ("definitions: 1\nfacts:\n  a:\n", (3, 5), "not what belongs here"),
    "a fact that is a list": ("definitions: 1\nfacts: {a: [x]}\n", (2, 12), "not what belongs here"),
    "facts as a list": ("definitions: 1\nfacts: [a]\n", (2, 8), "not what belongs here"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "place", "message"), FILES.values(), ids=FILES.keys())
def test_a_file_that_is_not_right_is_refused_at_the_place(text: str, place: tuple[int, int], message: str) -> None:
    found = problems(text)
    assert places(found) == [place]
    assert message in found[0].message


def test_an_unknown_key_gets_the_nearest_one() -> None:
    assert problems("definitions: 1\nsegmets: {}\n")[0].hint == "did you mean `segments`?"


SEGMENT_KEYS = {
    "for: 3d": (5, "not supported yet"),
    "split: {a: 50%}": (5, "not supported yet"),
    "tpic: x": (5, "no such key"),
    "topic: segment-changes": (12, "system's own"),
    "topic: a b": (12, "not a legal name"),
    "control_group: 10": (20, "not a share"),
    "control_group: 100%": (20, "not a share"),
    "goal: {reached: purchase}": (11, "`within` is missing"),
    "goal: {reached: purchse, within: 14d}": (21, "no event"),
    "goal: {reached: purchase, within: 2mo}": (39, "not a duration"),
    "audience: nobody": (15, "only be widened"),
    "with: {a b: orders}": (12, "can't be carried"),
    "with: {a: ordres}": (15, "nothing has this name"),
}


@pytest.mark.parametrize("line", SEGMENT_KEYS)
def test_a_segments_keys_are_checked(line: str) -> None:
    column, message = SEGMENT_KEYS[line]
    found = problems(segment("orders > 1", line))
    assert places(found) == [(LINES + 5, column)]
    assert message in found[0].message


def test_documentation_of_a_segment_is_kept_or_read_over() -> None:
    lines = (
        "description: a",
        "action: b",
        "owner: c",
        "review: 2026-01-01",
        "profile: d",
        "salt: e",
        "control_group: 2.5%",
    )
    found = load(segment("orders > 1", *lines)).segments[0]
    assert (found.description, found.action, found.salt, found.control_share) == ("a", "b", "e", 0.025)


def test_with_a_group_block_undeclared_group_traits_are_refused() -> None:
    text = HEAD + "  x: group.industry\ngroup: {industri: text}\n"
    assert problems(text)[0].hint is not None and "`industri`" in problems(text)[0].hint
