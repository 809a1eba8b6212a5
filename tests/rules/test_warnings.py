"""Laws of the warnings: what is legal and probably not meant is said, and what is meant is left in peace."""

from __future__ import annotations

import pytest

from stream.rules.warnings import warnings
from tests.rules.texts import LINES, SHOP, dimension, load, places, segment

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


def test_a_stage_is_guarded_by_the_stages_before_it() -> None:
    stages = ("none: orders == 0", "lapsed: last(purchase) <= ago(90d)", "rest: otherwise")
    assert warnings(load(dimension(*stages))) == []
    assert places(warnings(load(dimension(*stages[1:])))) == [(LINES + 4, 17)]


def test_a_file_that_defines_nothing_is_doubted() -> None:
    assert ["nothing will ever change" in problem.message for problem in warnings(load("definitions: 1\n"))] == [True]


def test_the_example_of_the_language_has_no_warnings() -> None:
    assert warnings(load(SHOP)) == []
