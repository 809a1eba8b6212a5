"""Laws of `cases:` in a definitions file: what can be given and expected, and what is refused."""

from __future__ import annotations

import pytest

from tests.rules.texts import SHOP, dimension, load, problems

DAY = 86_400_000


def test_the_cases_of_the_example_become_events_and_expectations() -> None:
    (case,) = load(SHOP).cases
    assert case.start_ms == 1_767_225_600_000
    assert [row.event for row in case.given] == [
        {"type": "identify", "traits": {"marketing_consent": True}},
        {"type": "track", "event": "Order Completed", "properties": {"revenue": 250}},
    ]
    assert [row.at_ms for row in case.expect] == [0, 30 * DAY, 180 * DAY]
    assert case.expect[0].stages == {"lifecycle": "new", "frequency": "one-time", "recency": "hot"}
    assert (case.expect[0].entered, case.expect[2].entered) == (None, ("win-back",))


def case(given: str = "{at: 0d, event: A}", expect: str = "{at: 1d, d: x}") -> str:
    head = dimension("x: orders > 1", "y: otherwise") + "segments:\n  s: {when: orders > 1}\n"
    return f"{head}cases:\n  - name: c\n    given:\n      - {given}\n    expect:\n      - {expect}\n"


def test_every_kind_of_event_can_be_given() -> None:
    rows = {
        "{at: 1h30min, event: A, with: {n: 1.5, list: [a, null, true], deep: {x: '1'}}}": {
            "type": "track", "event": "A", "properties": {"n": 1.5, "list": ["a", None, True], "deep": {"x": "1"}},
        },
        "{at: 0d, page: Home, context: {ip: x}, id: m1}": {
            "type": "page", "name": "Home", "properties": {}, "context": {"ip": "x"}, "messageId": "m1",
        },
        "{at: 0d, screen: Home}": {"type": "screen", "name": "Home", "properties": {}},
        "{at: 0d, group: {industry: toys}}": {"type": "group", "traits": {"industry": "toys"}},
        "{at: 0d, traits: {born: 2020-01-01}}": {"type": "identify", "traits": {"born": "2020-01-01"}},
    }  # fmt: skip
    for row, event in rows.items():
        assert load(case(given=row)).cases[0].given[0].event == event


def test_segments_and_facts_can_be_expected() -> None:
    row = "{at: 1d, in: s, not_in: [s], entered: [], exited: [s], facts: {orders: 2}}"
    (found,) = load(case(expect=row)).cases[0].expect
    assert (found.inside, found.outside, found.entered, found.exited) == (("s",), ("s",), (), ("s",))
    assert found.facts == {"orders": 2}


CASES = {
    "an unknown dimension": (case(expect="{at: 1d, dd: x}"), 18, "no such key"),
    "an unknown stage": (case(expect="{at: 1d, d: z}"), 21, "no such stage"),
    "a segment as a key": (case(expect="{at: 1d, s: x}"), 18, "no such key"),
    "an unknown segment": (case(expect="{at: 1d, in: [s, t]}"), 26, "no such segment"),
    "an unknown fact": (case(expect="{at: 1d, facts: {ordres: 1}}"), 26, "no such fact"),
    "nothing expected": (case(expect="{at: 1d}"), 9, "expects nothing"),
    "no time": (case(expect="{d: x}"), 9, "does not say when"),
}


@pytest.mark.parametrize(("text", "column", "message"), CASES.values(), ids=CASES.keys())
def test_a_case_that_asks_for_what_is_not_there_is_refused(text: str, column: int, message: str) -> None:
    (found,) = problems(text)
    assert found.place.column == column and found.place.line == text.count("\n")
    assert message in found.message


def test_a_row_of_given_is_one_thing() -> None:
    for row in ("{at: 0d}", "{at: 0d, event: A, page: B}", "{at: 0d, evnt: A}"):
        assert any("one thing that happens" in problem.message for problem in problems(case(given=row)))


def test_numbers_on_which_yaml_readers_disagree_are_refused_in_data() -> None:
    for number in ("010", "0x1F", "1_000", "12:30", ".5", ".inf", "+1"):
        found = problems(case(given=f"{{at: 0d, event: A, with: {{n: {number}}}}}"))
        assert ["disagree" in problem.message for problem in found] == [True], number


def test_rows_of_expect_go_forward_in_time() -> None:
    found = problems(case() + "      - {at: 0d, d: x}\n")
    assert ["forward in time" in problem.message for problem in found] == [True]
