"""What compiled definitions answer, when they turn, and what their code is like."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream.core.events import FOREVER_MS, NEVER_MS
from stream.core.windows import CAP
from stream.rules.compile import compile_program
from tests.rules.trees import DAY, HOUR, START, Customer, call, definitions_of, event, program_of, segment_of


def holds(condition: str, *events: Any, now: int = START) -> bool:
    return Customer(segment_of(condition)).sees(*events).answer(now) == 1


# -- the very millisecond ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("condition", "before", "turns_after"),
    [
        ("last(purchase) > ago(1d)", 1, DAY),
        ("last(purchase) >= ago(1d)", 1, DAY + 1),
        ("last(purchase) < ago(1d)", 0, DAY + 1),
        ("last(purchase) <= ago(1d)", 0, DAY),
        ("ago(1d) < last(purchase)", 1, DAY),
        ("now - last(purchase) < 1d", 1, DAY),
        ("now - last(purchase) <= 1d", 1, DAY + 1),
        ("last(purchase) + 1d > now", 1, DAY),
        ("last(purchase) + 1d >= ago(1d)", 1, 2 * DAY + 1),
        ("silent(purchase, 1d)", 0, DAY),
        ("count(purchase, 1d) >= 1", 1, DAY),
        ("count(purchase, 1d) == 0", 0, DAY),
        ("count(purchase, 1d) != 1", 0, DAY),
        ("count(purchase, 1d) in [1, 2]", 1, DAY),
        ("sum(purchase.total, 1d) >= 10", 1, DAY),
        ("sum(purchase.total, 1d) != 10", 0, DAY),
        ("avg(purchase.total, 1d) == 10", 1, DAY),
        ("max(purchase.total, 1d) > 9.5", 1, DAY),
        ("distinct(purchase.category, 1d) == 1", 1, DAY),
        ("active_days(purchase, 1d) >= 1", 1, DAY),
        ("count(purchase, 1d, before 1d) == 1", 0, DAY),
        ("distinct(purchase.category, 1d, before 1d) > 0", 0, DAY),
        ("(now - last(purchase)) * 2 < 2d", 1, DAY),
        ("(now - last(purchase)) / 1d >= 1", 0, DAY - 43),  # rounded to a millionth of a day
    ],
)
def test_an_answer_turns_at_its_very_millisecond(condition: str, before: int, turns_after: int) -> None:
    customer = Customer(segment_of(condition)).sees(event(START, properties={"total": 10, "category": "shoes"}))
    assert customer.answer(START) == before
    assert customer.program.valid_until(0, customer.cells, START) == START + turns_after
    assert customer.answer(START + turns_after - 1) == before
    assert customer.answer(START + turns_after) == 1 - before


def test_what_has_a_lag_comes_and_goes() -> None:
    customer = Customer(segment_of("count(purchase, 1d, before 2d) == 1")).sees(event(START))
    assert customer.program.valid_until(0, customer.cells, START) == START + 2 * DAY
    assert customer.program.valid_until(0, customer.cells, START + 2 * DAY) == START + 3 * DAY
    assert customer.program.valid_until(0, customer.cells, START + 3 * DAY) is None


def test_a_condition_that_can_not_turn_by_itself_names_no_instant() -> None:
    customer = Customer(segment_of("count(purchase) == 1 and last(purchase) > first(purchase where total > 1)"))
    assert customer.sees(event(START)).turns(START) == FOREVER_MS


def test_what_failed_already_is_not_asked_when_it_turns() -> None:
    customer = Customer(segment_of("traits.consent == true and last(purchase) > ago(1d)")).sees(event(START))
    assert customer.turns(START) == FOREVER_MS
    customer.sees(call("identify", START, {"consent": True}, offset=1))
    assert customer.turns(START) == START + DAY


def test_a_limit_computed_from_the_history_turns_on_time() -> None:
    customer = Customer(segment_of("last(purchase) <= ago(2 * ((last(purchase) - first(purchase)) / 3))"))
    customer.sees(event(START), event(START + 10))
    assert customer.program.valid_until(0, customer.cells, START + 10) == START + 10 + 6  # 10 / 3 is 3 ms


# -- null, never, wrong types ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("last(purchase) == never", True),
        ("last(purchase) <= ago(30d)", True),
        ("last(purchase) + 30d <= now", False),
        ("now - last(purchase) > 1d", False),
        ("(now - last(purchase)) / 1d > 1", False),
        ("(now - last(purchase)) / 1d <= traits.age", False),
        ("(now - last(purchase)) / 1d >= traits.age", False),
        ("traits.age >= 25", False),
        ("not (traits.age >= 25)", True),
        ("traits.age != 25", True),
        ("traits.age == null", True),
        ("traits.born > ago(1d)", False),
        ("traits.born <= ago(1d)", False),
        ("avg(purchase.total, 1d) == null", True),
        ("sum(purchase.total, 1d) == 0", True),
        ("1 / count(purchase) == null", True),
        ("traits.age + 1 == null", True),
        ('traits.country not in ["DE"]', True),
        ('starts_with(lower(traits.country), "d")', False),
        ("last(purchase.total) == null", True),
        ("if(traits.age >= 25, 1, 2) == 2", True),
        ("silent(purchase, 30d)", True),
    ],
)
def test_of_a_customer_without_history(condition: str, expected: bool) -> None:
    assert holds(condition) is expected


@pytest.mark.parametrize(
    ("condition", "properties", "expected"),
    [
        ("total >= 10", {"total": 10}, True),
        ("total >= 10", {"total": "10"}, False),
        ("total == 1", {"total": True}, False),
        ("total != 1", {"total": True}, True),
        ("total == null", {}, True),
        ('products.category == "shoes"', {"products": [{"category": "bags"}, {"category": "shoes"}]}, True),
        ('products.category != "shoes"', {"products": [{"category": "bags"}, {"category": "shoes"}]}, False),
        ('products.category != "shoes"', {"products": [{"category": "bags"}]}, True),
        ('not (products.category == "shoes")', {"products": [{"category": "shoes"}]}, False),
        ('products.category != "shoes"', {"products": []}, True),
        ("products.price > 4", {"products": [{"price": 5}]}, True),
        ('"a" in labels', {"labels": ["b", "a"]}, True),
        ('"a" in labels', {"labels": "a"}, False),
        ("total * amount > 5", {"total": 2, "amount": 3}, True),
        ('contains(lower(city), "burg")', {"city": "HamBURG"}, True),
        ('timestamp >= date("2025-01-01")', {}, True),
    ],
)
def test_where_over_properties(condition: str, properties: dict[str, Any], expected: bool) -> None:
    program = segment_of(f"count(purchase where {condition}) == 1")
    assert (Customer(program).sees(event(START, properties=properties)).answer(START) == 1) is expected


def test_an_event_counts_once_though_several_parts_of_a_union_match() -> None:
    events = "  big: {event: Order Completed, where: total > 1}\n  both: [Order Completed, big]\n"
    head = f"definitions: 1\nname: tests\nevents:\n{events}"
    customer = Customer(segment_of("count(both) == 1", head)).sees(event(START, properties={"total": 5}))
    assert customer.answer(START) == 1


# -- traits ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "condition"),
    [
        ({"age": "27"}, "traits.age == 27"),
        ({"consent": "true"}, "traits.consent == true"),
        ({"country": 27}, 'traits.country == "27"'),
        ({"born": "2025-01-01"}, 'traits.born == date("2025-01-01")'),
        ({"born": "2025-01-01T01:00:00+01:00"}, 'traits.born == date("2025-01-01")'),
        ({"tags": ["a", "b"]}, '"b" in traits.tags'),
        ({"plan": {"tier": "pro"}}, 'traits.plan.tier == "pro"'),
        ({"age": "old"}, "traits.age == null"),
        ({"age": True}, "traits.age == null"),
        ({"plan": "pro"}, "traits.plan.tier == null"),
    ],
)
def test_a_trait_is_converted_to_its_declared_type(raw: dict[str, Any], condition: str) -> None:
    assert holds(condition, call("identify", START, raw))


def test_a_top_level_key_replaces_and_an_absent_one_leaves_as_it_was() -> None:
    plan = call("identify", START, {"plan": {"tier": "pro"}, "country": "DE"})
    assert holds('traits.plan.tier == "pro"', plan, call("identify", START + 1, {"country": "FR"}))
    assert holds("traits.plan.tier == null", plan, call("identify", START + 1, {"plan": {"seats": 2}}))


def test_a_trait_and_a_group_trait_of_one_name_are_two_things() -> None:
    head = "definitions: 1\nname: tests\ntraits:\n  since: date\ngroup:\n  since: date\n"
    customer = Customer(segment_of("traits.since > ago(1d) and not (group.since > ago(1d))", head))
    customer.sees(call("identify", START, {"since": "2025-01-01"}), call("group", START, {"since": "2024-01-01"}))
    assert customer.answer(START) == 1


def test_both_sides_of_a_chained_comparison_are_conditions() -> None:
    program = segment_of("1 <= count(purchase) < 3")
    assert len(program.conditions) == 2
    assert Customer(program).sees(*(event(START) for _ in range(3))).answer(START) == 0


def test_a_late_identify_does_not_replace_what_came_after_it() -> None:
    newer, older = call("identify", START, {"country": "DE"}), call("identify", START - 1, {"country": "FR"}, 1)
    same_instant = call("identify", START, {"country": "US"}, 2)
    assert holds('traits.country == "DE"', newer, older)
    assert holds('traits.country == "US"', newer, older, same_instant)


# -- folding -----------------------------------------------------------------------------------------------------------


def test_an_event_nobody_asks_for_changes_nothing() -> None:
    program = segment_of("count(purchase) > 1")
    cells = program.blank()
    assert program.fold(cells, event(START, "Unheard Of")) is False
    assert program.fold(cells, call("page", START)) is False
    assert cells == program.blank()


def test_what_only_a_fact_needs_asks_for_no_judgement() -> None:
    program = program_of("facts:\n  views: count(page)\nsegments:\n  it:\n    when: count(purchase) > 1\n")
    cells = program.blank()
    assert program.fold(cells, call("page", START)) is False
    assert program.facts(cells, START) == {"views": 1}
    assert program.fold(cells, event(START)) is True


def test_the_latest_value_wins_by_event_time_then_by_log_position() -> None:
    customer = Customer(segment_of("last(purchase.total) == 3 and first(purchase.total) == 1"))
    customer.sees(
        event(START, properties={"total": 1}, offset=0),
        event(START + 5, properties={"total": 2}, offset=1),
        event(START + 5, properties={"total": 3}, offset=2),
        event(START + 4, properties={"total": 4}, offset=3),
        event(START, properties={"total": 5}, offset=4),
    )
    assert customer.answer(START + 5) == 1


@settings(max_examples=40)
@given(st.permutations(range(8)), st.integers(0, 12))
def test_cells_do_not_depend_on_the_order_of_arrival(order: list[int], later: int) -> None:
    condition = (
        "count(purchase, 5d) >= 2 and sum(purchase.total, 6d) > 3 or distinct(purchase.total, 3d) == 2"
        " or avg(purchase.total, 4d, before 2d) > 3 or active_days(purchase, 9d) > 7"
    )
    program = segment_of(condition)
    events = [event(START + number * DAY, properties={"total": number % 3}, offset=number) for number in range(8)]
    in_order = Customer(program).sees(*events)
    shuffled = Customer(program).sees(*(events[number] for number in order))
    now = START + 7 * DAY + later * 12 * HOUR
    assert program.judge(shuffled.cells, now) == program.judge(in_order.cells, now)


def test_more_events_than_are_kept_make_the_answers_approximate() -> None:
    program = segment_of("count(purchase, 7d) > count(viewed, 7d)")
    customer = Customer(program).sees(*(event(START + number) for number in range(CAP)))
    assert program.explain(0, customer.cells, START).approximate is False
    customer.sees(event(START + CAP))
    assert program.explain(0, customer.cells, START).approximate is True


def test_the_newest_instants_answer_exactly_however_many_more_there_are() -> None:
    program = program_of(
        "facts:\n  orders: count(purchase, 7d)\n"
        "segments:\n  often:\n    when: orders >= 5\n  more-than-viewed:\n    when: orders > count(viewed, 7d)\n"
        "  both:\n    when: in('often') and in('more-than-viewed')\n"
        "  told:\n    when: orders >= 1\n    with: {n: orders}\n"
    )
    customer = Customer(program).sees(*(event(START + number) for number in range(CAP + 1)))
    found = [program.explain(index, customer.cells, START).approximate for index in range(4)]
    assert found == [False, True, True, True]


def test_days_are_those_of_the_files_zone() -> None:
    head = "definitions: 1\nname: tests\nzone: Europe/Berlin\nevents:\n  purchase: Order Completed\n"
    customer = Customer(segment_of("active_days(purchase, 7d) == 2", head))
    customer.sees(event(START + 22 * HOUR), event(START + 23 * HOUR))  # 23:00 and 00:00 in Berlin
    assert customer.answer(START + 23 * HOUR) == 1


# -- the program -------------------------------------------------------------------------------------------------------

LIFECYCLE = """dimensions:
  lifecycle:
    stages:
      - prospect: count(purchase) == 0
      - active: last(purchase) > ago(30d)
      - inactive: otherwise
segments:
  back:
    when: lifecycle == "inactive" and in("known")
    topic: extra
    control_group: 10%
    with: {email: traits.email, last_order: last(purchase)}
  known:
    when: traits.email != null
"""


def test_definitions_build_on_each_other_in_any_order_of_the_file() -> None:
    customer = Customer(program_of(LIFECYCLE)).sees(event(START), call("identify", START, {"email": "a@b"}))
    assert customer.program.judge(customer.cells, START) == ((1, 0, 1), START + 30 * DAY)
    assert customer.program.judge(customer.cells, START + 30 * DAY) == ((2, 1, 1), FOREVER_MS)


def test_carried_values_hold_private_traits_and_instants_as_text() -> None:
    customer = Customer(program_of(LIFECYCLE)).sees(event(START), call("identify", START, {"email": "a@b"}))
    carried = customer.program.explain(1, customer.cells, START).carried
    assert carried == {"email": "a@b", "last_order": "2025-01-01T00:00:00.000Z"}
    assert customer.program.explain(0, customer.cells, START).carried == {}


def test_a_larger_control_group_keeps_those_a_smaller_one_held_out() -> None:
    small = program_of(LIFECYCLE)
    large = program_of(LIFECYCLE.replace("10%", "30%"))
    customers = [f"customer-{number}" for number in range(2_000)]
    held_small = {each for each in customers if small.held_out(1, each)}
    held_large = {each for each in customers if large.held_out(1, each)}
    assert held_small < held_large
    assert 140 < len(held_small) < 260 and 520 < len(held_large) < 680
    assert small.held_out(0, "customer-1") is None and small.held_out(2, "customer-1") is None


def test_the_hash_is_of_the_meaning_not_of_the_writing() -> None:
    program = program_of(LIFECYCLE)
    same = program_of(LIFECYCLE.replace("count(purchase) == 0", "count( purchase )==0   # none yet"))
    described = program_of(LIFECYCLE.replace("  known:\n", "  known:\n    description: Somebody\n"))
    other = program_of(LIFECYCLE.replace("30d", "31d"))
    assert program.hash == same.hash == described.hash != other.hash
    assert len(program.hash) == 12
    parts = [each.part == changed.part for each, changed in zip(program.definitions, other.definitions, strict=True)]
    assert parts == [False, False, True]


def test_generated_code_is_deterministic_and_holds_no_text_of_the_author() -> None:
    body = LIFECYCLE.replace("traits.email != null", 'traits.country == "DE\\"); import os"')
    program = program_of(body)
    assert program.source == compile_program(definitions_of(body)).source
    assert "import os" not in program.source and "Order" not in program.source and "email" not in program.source
    assert 'DE"); import os' in program.constants


def test_a_program_names_its_events_topics_facts_and_conditions() -> None:
    program = program_of("facts:\n  orders: count(purchase)\n" + LIFECYCLE)
    assert program.event_names == ("Order Completed",)
    assert program.extra_topics == ("extra",)
    assert program.fact_names == ("orders",)
    assert [(name, text) for name, text, _ in program.conditions] == [
        ("lifecycle", "count(purchase) == 0"),
        ("lifecycle", "last(purchase) > ago(30d)"),
        ("back", 'lifecycle == "inactive"'),
        ("back", 'in("known")'),
        ("known", "traits.email != null"),
    ]
    assert program.atoms(program.blank(), START) == [True, False, False, False, False]


def test_a_dimension_of_very_many_stages_compiles() -> None:
    stages = "".join(f"      - s{number}: count(purchase, {number}d) >= {number}\n" for number in range(1, 100))
    program = program_of(f"dimensions:\n  long:\n    stages:\n{stages}      - rest: otherwise\n")
    customer = Customer(program).sees(event(START))
    assert customer.answer(START) == 0
    assert customer.answer(START + DAY) == 99


def test_a_blank_customer_has_fresh_cells() -> None:
    program = segment_of("count(purchase, 1d) >= 1")
    program.fold(program.blank(), event(START))
    assert program.blank() == [[]]
    assert segment_of("silent(purchase, 1d)").blank() == [NEVER_MS, NEVER_MS]
