"""Laws of the test cases in a definitions file."""

from __future__ import annotations

import pytest

from stream.rules.cases import CaseReport, run_cases
from stream.rules.compile import compile_program
from stream.rules.load import parse_definitions

FILE = "shop.yaml"
HEAD = """\
definitions: 1
events:
  purchase: Order Completed
traits:
  email: {type: text, private: true}
facts:
  orders: count(purchase)
dimensions:
  stage:
    stages:
      - prospect: orders == 0
      - active: last(purchase) > ago(30d)
      - asleep: otherwise
segments:
  buyer:
    when: orders >= 1
  quiet:
    when: silent(purchase, 30d)
  ours:
    when: contains(traits.email, "@test.")
"""
BOUGHT = "{at: 0d, event: Order Completed}"


def case(given: list[str], expect: list[str], name: str = "a case") -> str:
    rows = [f"  - name: {name}", "    given:", *(f"      - {row}" for row in given)]
    return "\n".join([*rows, "    expect:", *(f"      - {row}" for row in expect), ""])


def run(*cases: str) -> CaseReport:
    text = HEAD + ("cases:\n" + "".join(cases) if cases else "")
    definitions = parse_definitions([(FILE, text)])
    return run_cases(definitions, compile_program(definitions))


def problems(given: list[str], expect: list[str]) -> list[tuple[str, str | None, str | None]]:
    """(message, found, expected) of each failure of one case."""
    found = run(case(given, expect)).failures
    return [(each.problem.message, each.problem.found, each.problem.expected) for each in found]


def test_a_case_whose_rows_all_hold_has_no_failure() -> None:
    rows = [
        "{at: 0d, stage: active, in: buyer, not_in: quiet, entered: buyer, exited: [], facts: {orders: 1}}",
        "{at: 30d, stage: asleep, entered: quiet}",
    ]
    report = run(case([BOUGHT], rows))
    assert (report.cases, report.rows, report.failures) == (1, 2, ())


def test_silence_is_waited_out_to_the_millisecond() -> None:
    assert problems([BOUGHT], ["{at: 29d23h59min59s999ms, stage: active}", "{at: 30d, stage: asleep}"]) == []


def test_an_event_at_the_instant_of_a_row_has_happened() -> None:
    given = [BOUGHT, "{at: 30d, event: Order Completed}"]
    assert problems(given, ["{at: 30d, stage: active, facts: {orders: 2}, entered: buyer}"]) == []


def test_a_view_in_a_case_tells_its_name_as_one_that_comes_from_kafka_does() -> None:
    text = HEAD + '  home:\n    when: count(page where name == "Home") >= 1\n'
    rows = case(["{at: 0d, page: Home, with: {path: /shoes}}"], ["{at: 0d, in: home}"])
    definitions = parse_definitions([(FILE, text + "cases:\n" + rows)])
    assert run_cases(definitions, compile_program(definitions)).failures == ()


def test_of_an_answer_that_time_will_change_it_is_said_when() -> None:
    (failure,) = run(case([BOUGHT], ["{at: 29d, entered: quiet}"])).failures
    assert failure.problem.hint == "`quiet` turns by itself at 30d"


def test_a_wrong_stage_says_what_was_found_and_what_was_expected() -> None:
    assert problems([BOUGHT], ["{at: 1d12h, stage: asleep}"]) == [
        ('case "a case", at 1d12h: stage', "active", "asleep"),
    ]


def test_a_segment_on_the_wrong_side_is_a_failure() -> None:
    assert problems([BOUGHT], ["{at: 0d, in: quiet, not_in: buyer}"]) == [
        ('case "a case", at 0d: quiet', "outside", "inside"),
        ('case "a case", at 0d: buyer', "inside", "outside"),
    ]


def test_entered_and_exited_name_exactly_what_moved_since_the_row_before() -> None:
    given = [BOUGHT, "{at: 40d, event: Order Completed}"]
    rows = ["{at: 0d, entered: buyer}", "{at: 35d, entered: [buyer, quiet]}", "{at: 40d, exited: []}"]
    assert problems(given, rows) == [
        ('case "a case", at 35d: entered', "quiet", "buyer, quiet"),
        ('case "a case", at 40d: exited', "quiet", "none"),
    ]


def test_what_comes_and_goes_between_two_rows_both_entered_and_exited() -> None:
    given = [BOUGHT, "{at: 40d, event: Order Completed}"]
    assert problems(given, ["{at: 40d, entered: [buyer, quiet], exited: quiet}"]) == []


def test_a_wrong_fact_is_a_failure() -> None:
    assert problems([BOUGHT], ["{at: 0d, facts: {orders: 2}}"]) == [('case "a case", at 0d: orders', "1", "2")]


def test_before_anything_is_given_the_customer_has_no_stage_and_no_segment() -> None:
    given = ["{at: 5d, event: Order Completed}"]
    assert problems(given, ["{at: 0d, stage: prospect, not_in: [buyer, quiet]}"]) == [
        ('case "a case", at 0d: stage', "no stage", "prospect"),
    ]


def test_what_is_given_happens_in_the_order_of_time() -> None:
    given = ["{at: 9d, event: Order Completed}", "{at: 1d, traits: {email: a@test.org}}"]
    assert problems(given, ["{at: 1d, stage: prospect, entered: ours}", "{at: 9d, stage: active}"]) == []


def test_a_message_that_comes_twice_counts_once() -> None:
    given = ["{at: 0d, event: Order Completed, id: m1}", "{at: 1d, event: Order Completed, id: m1}"]
    assert problems(given, ["{at: 1d, facts: {orders: 1}}"]) == []


def test_a_failure_stands_at_its_row_and_names_the_conditions_that_decided() -> None:
    (failure,) = run(case([BOUGHT], ["{at: 0d, not_in: buyer}"])).failures
    line = HEAD.count("\n") + 6
    assert (failure.case, failure.problem.place.file, failure.problem.place.line) == ("a case", FILE, line)
    assert [(decider.condition.expression, decider.condition.holds, decider.value) for decider in failure.because] == [
        ("orders >= 1", True, 1)
    ]
    assert f"{FILE}:16: orders >= 1 holds (1)" in str(failure)


def test_values_are_shown_as_one_writes_them() -> None:
    text = HEAD.replace("  email:", "  size: text\n  tags: list\n  email:")
    text = text.replace("facts:\n", "facts:\n  tags: traits.tags\n")
    text += '  large:\n    when: traits.size == "200" or traits.size == null\n'
    given = ["{at: 0d, traits: {size: 200, tags: [1, true, x]}}", "{at: 1d, traits: {size: null}}"]
    text += "cases:\n" + case(given, ["{at: 0d, facts: {tags: [y]}, not_in: large}", "{at: 1d, not_in: large}"])
    definitions = parse_definitions([(FILE, text)])
    said = "\n".join(str(failure) for failure in run_cases(definitions, compile_program(definitions)).failures)
    assert 'found [1, true, "x"]; expected ["y"]' in said
    assert 'traits.size == "200" holds ("200")' in said
    assert "traits.size == null holds (null)" in said


def test_the_value_of_a_private_trait_is_not_shown() -> None:
    (failure,) = run(case(["{at: 0d, traits: {email: kim@test.org}}"], ["{at: 0d, not_in: ours}"])).failures
    assert "kim" not in str(failure)


def test_cases_do_not_see_each_other() -> None:
    first = case([BOUGHT], ["{at: 0d, facts: {orders: 1}}"], "first")
    second = case([BOUGHT], ["{at: 0d, entered: buyer, facts: {orders: 1}}"], "second")
    assert run(first, second).failures == ()


def sides(report: CaseReport, expression: str) -> tuple[bool, bool]:
    """Whether a condition was seen true, and seen false."""
    (found,) = (each for each in report.coverage if each.expression == expression)
    return found.seen_true, found.seen_false


def test_without_a_case_no_condition_is_covered() -> None:
    report = run()
    assert report.cases == 0
    assert report.uncovered == report.coverage != ()


def test_a_condition_seen_one_way_only_is_not_covered() -> None:
    report = run(case([BOUGHT], ["{at: 0d, in: buyer}"]))
    assert sides(report, "orders == 0") == (False, True)
    assert sides(report, "last(purchase) > ago(30d)") == (True, False)


def test_a_condition_seen_both_ways_is_covered_be_it_by_different_cases() -> None:
    looked = case(["{at: 0d, page: Home}"], ["{at: 0d, stage: prospect}"], "looked")
    report = run(looked, case([BOUGHT], ["{at: 40d, in: quiet}"], "bought"))
    assert sides(report, "orders == 0") == (True, True)
    assert sides(report, "last(purchase) > ago(30d)") == (True, True)


def test_a_silence_between_two_rows_is_covered_too() -> None:
    given = [BOUGHT, "{at: 40d, event: Order Completed}"]
    report = run(case(given, ["{at: 40d, in: buyer}"]))
    assert sides(report, "silent(purchase, 30d)") == (True, True)


RHYTHM = """\
definitions: 1
events: {purchase: Order Completed}
traits: {consent: boolean}
facts:
  gap: (last(purchase) - first(purchase)) / (count(purchase) - 1)
AUDIENCE
segments:
  overdue: {when: last(purchase) < ago(2 * gap)}
  overdue-good: {when: last(purchase) < ago(2 * gap) and count(purchase) > 3}
  on-time: {when: not (last(purchase) < ago(2 * gap)) and count(purchase) > 3}
"""


@pytest.mark.parametrize("audience", ["", "audience: traits.consent == true"])
def test_a_border_that_several_conditions_share_is_known_wherever_it_is_asked_for(audience: str) -> None:
    given = ["{at: 0d, traits: {consent: true}}", *(f"{{at: {day}d, event: Order Completed}}" for day in range(4))]
    expect = [
        "{at: 5d, in: on-time, not_in: [overdue, overdue-good]}",
        "{at: 5d1ms, entered: [overdue, overdue-good], exited: on-time}",
        "{at: 6d, in: on-time, not_in: [overdue, overdue-good]}",
    ]
    text = RHYTHM.replace("AUDIENCE", audience) + "cases:\n" + case(given, expect)
    definitions = parse_definitions([(FILE, text)])
    failures = run_cases(definitions, compile_program(definitions)).failures
    assert [failure.problem.message.rpartition(": ")[2] for failure in failures] == [
        "on-time",
        "overdue",
        "overdue-good",
    ]
    assert all(failure.because for failure in failures)  # reasons ask for the border once more
