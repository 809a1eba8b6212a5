"""Laws of the warnings: what is legal and probably not meant is said, and what is meant is left in peace."""

from __future__ import annotations

import pytest

from stream.rules.warnings import warnings
from tests.rules.texts import HEAD, LINES, SHOP, dimension, load, places, segment

NEVER, JUST_SEEN, NEITHER = "`never` is earlier than all", "only just seen", "neither ever happened"

DOUBTFUL = {
    "last(purchase) <= ago(30d)": (9, NEVER),
    "ago(30d) > last(purchase)": (9, NEVER),
    "traits.consent == true and first(purchase) < ago(30d)": (36, NEVER),
    "not last(purchase) > ago(30d)": (13, NEVER),
    "orders == 0 or last(purchase) <= ago(30d)": (24, NEVER),
    "last(engaged) > ago(7d) and last(purchase) <= ago(30d)": (37, NEVER),
    "last_seen <= ago(60d)": (9, NEVER),
    "count(purchase, 30d) == 0": (9, JUST_SEEN),
    "count(purchase, 30d) < 1 and traits.age > 3": (9, JUST_SEEN),
    "not count(purchase, 30d) > 0": (13, JUST_SEEN),
    "last(purchase) >= last(engaged)": (9, NEITHER),
    "first(purchase) == last(purchase)": (9, NEITHER),
    "traits.consent != false": (9, "nothing is known"),
    "group.opted != true": (9, "nothing is known"),
    "not traits.consent": (13, "nothing is known"),
    "not (traits.consent == true)": (14, "nothing is known"),
    "orders > 3 and not (orders == 0 or traits.consent)": (44, "nothing is known"),
    'count("purchase") >= 1': (9, "not your `purchase`"),
    'count("page") >= 1': (9, "track calls that are called so"),
    'last("Order Completed ") > ago(1d)': (9, "called so is rare"),
    "count(purchase where purchase.revenue > 100) >= 1": (30, "is a property of the event"),
}

MEANT = [
    "silent(purchase, 30d)",
    "last(purchase) <= ago(30d) and last(purchase) != never",
    "last(purchase) <= ago(30d) and last(purchase) > ago(90d)",
    "last(purchase) <= ago(30d) and orders >= 1",
    "last(purchase) <= ago(30d) and spend >= 100",
    "last(purchase) <= ago(30d) and first_seen <= ago(30d)",
    "last(purchase) > ago(30d)",
    "last(engaged) > last(purchase) and last(engaged) <= ago(1h)",
    "count(purchase, 30d) == 0 and orders >= 1",
    "count(purchase, 30d) == 0 and first_seen < ago(30d)",
    "count(purchase) == 0",
    "first(purchase) == last(purchase) and orders >= 1",
    "traits.consent == true",
    "traits.consent == true or orders > 1 and not (orders > 3)",
    "not traits.consent and traits.consent != null",
    "not (traits.consent == true) and traits.consent != null",
    "not traits.consent and traits.consent == false",
    'count("Order Completed") >= 1',
    "count(page) >= 1",
    "count(purchase where revenue > 100) >= 1",
    "count(purchase where properties.purchase.revenue > 100) >= 1",
    "traits.country != null and traits.country != \"DE\"",
]  # fmt: skip


@pytest.mark.parametrize("when", DOUBTFUL)
def test_a_condition_that_lets_the_absent_in_is_doubted_at_its_place(when: str) -> None:
    column, message = DOUBTFUL[when]
    found = warnings(load(segment(when)))
    assert places(found) == [(LINES + 4, column)]
    assert message in found[0].message


@pytest.mark.parametrize("when", MEANT)
def test_a_guarded_condition_is_left_in_peace(when: str) -> None:
    assert warnings(load(segment(when))) == []


@pytest.mark.parametrize(
    ("when", "instead"),
    [
        ("traits.consent != true", "traits.consent == false"),
        ("traits.consent != false", "traits.consent == true"),
    ],
)
def test_the_hint_leaves_out_those_of_whom_nothing_is_known_and_nobody_else(when: str, instead: str) -> None:
    (doubted,) = warnings(load(segment(when)))
    assert doubted.hint == f"without them: {instead}"
    assert warnings(load(segment(instead))) == []


@pytest.mark.parametrize("when", ["not traits.consent", "not (traits.consent == true or orders > 7)"])
def test_under_not_the_hint_is_a_guard_that_can_be_added_as_it_stands(when: str) -> None:
    (doubted,) = warnings(load(segment(when)))
    assert doubted.hint == "without them: add `and traits.consent != null`"
    assert warnings(load(segment(f"{when} and traits.consent != null"))) == []


def test_a_file_in_which_segments_name_each_other_again_and_again_is_warned_of_at_once() -> None:
    chain = [f's{n}: {{when: in("s{n - 1}") and orders > {n} or not in("s{n - 1}")}}' for n in range(1, 40)]
    load_at_once = load(HEAD + "segments:\n  s0: {when: orders > 1}\n" + "".join(f"  {each}\n" for each in chain))
    assert isinstance(warnings(load_at_once), list)


def test_an_event_of_the_files_own_name_may_be_called_alike() -> None:
    assert (
        warnings(load("definitions: 1\nevents: {signup: signup}\n" + "segments: {a: {when: count(signup) > 1}}\n"))
        == []
    )


CASES = {
    "{at: 0d, event: Order Completed}\n    expect: []": (2, "the case expects nothing"),
    "{at: 9d, event: Order Completed}\n    expect: [{at: 0d, in: s}]": (4, "nobody looks at it"),
    "{at: 0d, traits: {consent: True}}\n    expect: [{at: 0d, in: s}]": (4, "the text 'True'"),
    "{at: 0d, traits: {plan.tier: gold}}\n    expect: [{at: 0d, in: s}]": (4, "a call has no key `plan.tier`"),
}


@pytest.mark.parametrize("rows", CASES)
def test_what_a_case_says_and_nobody_looks_at_is_doubted(rows: str) -> None:
    text = segment("orders > 1")
    line, message = CASES[rows]
    (doubted,) = warnings(load(f"{text}cases:\n  - name: c\n    given:\n      - {rows}\n"))
    assert doubted.place.line == text.count("\n") + line
    assert message in doubted.message


@pytest.mark.parametrize("when", ["orders > 3 and orders < 2", "last(purchase) > ago(1d) and last(purchase) < ago(2d)"])
def test_a_segment_that_can_hold_nobody_is_doubted(when: str) -> None:
    found = warnings(load(segment(when)))
    assert "can hold nobody" in found[0].message
    assert places(found)[0] == (LINES + 2, 3)


@pytest.mark.parametrize("when", ["true", "orders >= 0", "not false or orders > 3"])
def test_a_segment_that_holds_everybody_is_doubted(when: str) -> None:
    assert ["holds everybody" in problem.message for problem in warnings(load(segment(when)))] == [True]


def test_a_dimension_that_rests_on_a_trait_and_forgets_null_is_doubted() -> None:
    found = warnings(load(dimension("a: traits.age < 25", "b: otherwise")))
    assert places(found) == [(LINES + 4, 12)]
    assert "traits.age == null" in (found[0].hint or "")


def test_a_dimension_that_names_null_is_left_in_peace() -> None:
    assert warnings(load(dimension("u: traits.age == null", "a: traits.age < 25", "b: otherwise"))) == []


def test_a_yes_or_no_in_a_dimension_is_no_where_nothing_is_known() -> None:
    assert warnings(load(dimension("a: traits.consent == true", "b: traits.consent", "c: otherwise"))) == []


GUARDED = {
    "another segment": 'segments:\n  b: {when: orders >= 1}\n  s: {when: in("b") and last(purchase) <= ago(3d)}\n',
    "a stage": "dimensions:\n  d: {stages: [{none: orders == 0}, {some: otherwise}]}\n"
    'segments:\n  s: {when: d == "some" and last(purchase) <= ago(3d)}\n',
}


@pytest.mark.parametrize("by", GUARDED)
def test_a_condition_may_be_guarded_by_what_it_refers_to(by: str) -> None:
    guarded = GUARDED[by]
    assert warnings(load(HEAD + guarded)) == []
    assert warnings(load(HEAD + guarded.replace("orders >= 1", "orders >= 0").replace("orders == 0", "orders == 7")))


def test_a_stage_is_guarded_by_the_stages_before_it() -> None:
    stages = ("none: orders == 0", "lapsed: last(purchase) <= ago(90d)", "rest: otherwise")
    assert warnings(load(dimension(*stages))) == []
    assert places(warnings(load(dimension(*stages[1:])))) == [(LINES + 4, 17)]


def test_a_file_that_defines_nothing_is_doubted() -> None:
    assert ["nothing will ever change" in problem.message for problem in warnings(load("definitions: 1\n"))] == [True]


def test_the_example_of_the_language_has_no_warnings() -> None:
    assert warnings(load(SHOP)) == []
