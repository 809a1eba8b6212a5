"""The conditions that decided an answer, with their values."""

from __future__ import annotations

from stream.core.program import Condition, Decider
from stream.rules.generate_told import MOST_DECIDERS
from tests.rules.trees import DAY, START, Customer, call, event, program_of, segment_of


def reasons(customer: Customer, now: int, index: int = 0) -> list[tuple[str, bool, object]]:
    found = customer.program.because(index, customer.cells, now)
    return [(each.condition.expression, each.condition.holds, each.value) for each in found]


def test_all_parts_of_an_and_that_holds_decide() -> None:
    customer = Customer(segment_of("count(purchase) >= 1 and last(purchase) > ago(1d)")).sees(event(START))
    assert reasons(customer, START) == [
        ("count(purchase) >= 1", True, 1),
        ("last(purchase) > ago(1d)", True, "2025-01-01T00:00:00.000Z"),
    ]


def test_only_the_failing_parts_of_an_and_decide() -> None:
    customer = Customer(segment_of("count(purchase) >= 1 and last(viewed) > ago(1d)")).sees(event(START))
    assert reasons(customer, START) == [("last(viewed) > ago(1d)", False, None)]


def test_only_the_holding_parts_of_an_or_decide() -> None:
    customer = Customer(segment_of("count(purchase) >= 1 or count(viewed) >= 1")).sees(event(START))
    assert reasons(customer, START) == [("count(purchase) >= 1", True, 1)]


def test_all_parts_of_an_or_that_fails_decide() -> None:
    customer = Customer(segment_of("count(purchase) >= 2 or count(viewed) >= 1")).sees(event(START))
    assert reasons(customer, START) == [("count(purchase) >= 2", False, 1), ("count(viewed) >= 1", False, 0)]


def test_a_not_is_decided_by_what_stands_in_it() -> None:
    customer = Customer(segment_of("not (count(purchase) >= 2 and count(viewed) >= 1)")).sees(
        event(START, "Product Viewed")
    )
    assert reasons(customer, START) == [("count(purchase) >= 2", False, 0)]


def test_a_stage_is_decided_by_its_condition_and_by_what_failed_before_it() -> None:
    customer = Customer(
        program_of(
            "dimensions:\n  d:\n    stages:\n      - a: count(purchase) == 0\n      - b: count(purchase) == 1 and "
            "count(viewed) == 0\n      - c: last(purchase) > ago(1d)\n      - rest: otherwise\n"
        )
    )
    customer.sees(event(START), event(START, "Product Viewed"))
    assert reasons(customer, START) == [
        ("last(purchase) > ago(1d)", True, "2025-01-01T00:00:00.000Z"),
        ("count(purchase) == 0", False, 1),
        ("count(viewed) == 0", False, 1),
    ]
    assert [holds for _, holds, _ in reasons(customer, START + DAY)] == [False, False, False]


def test_the_value_of_a_private_trait_is_withheld() -> None:
    customer = Customer(segment_of('traits.email == "a@b"')).sees(call("identify", START, {"email": "a@b"}))
    (decider,) = customer.program.because(0, customer.cells, START)
    assert decider == Decider(Condition('traits.email == "a@b"', True, "tests.yaml", 17, withheld=True), None)


def test_a_count_of_which_only_the_newest_are_kept_says_or_more() -> None:
    customer = Customer(segment_of("count(purchase, 30d) >= 2")).sees(*(event(START + each) for each in range(9)))
    assert reasons(customer, START + 10) == [("count(purchase, 30d) >= 2", True, "3 or more")]


def test_a_named_fact_stands_under_its_name() -> None:
    customer = Customer(program_of("facts:\n  spent: sum(purchase.total)\nsegments:\n  it:\n    when: spent > 2.5\n"))
    customer.sees(event(START, properties={"total": 2.75}))
    assert reasons(customer, START) == [("spent > 2.5", True, 2.75)]


def test_silence_names_since_when() -> None:
    customer = Customer(segment_of("silent(purchase, 1d)")).sees(call("page", START))
    assert reasons(customer, START + DAY) == [("silent(purchase, 1d)", True, "2025-01-01T00:00:00.000Z")]


def test_a_dimension_in_a_condition_shows_its_stage() -> None:
    customer = Customer(
        program_of(
            "dimensions:\n  d:\n    stages:\n      - a: count(purchase) == 0\n      - b: otherwise\n"
            'segments:\n  it:\n    when: d == "b"\n  other:\n    when: in("it")\n'
        )
    )
    assert reasons(customer, START, 1) == [('d == "b"', False, "a")]
    assert reasons(customer, START, 2) == [('in("it")', False, False)]


def test_reasons_are_bounded() -> None:
    condition = " or ".join(f"count(purchase where total == {number}) > 0" for number in range(30))
    assert len(reasons(Customer(segment_of(condition)), START)) == MOST_DECIDERS


def test_a_fact_on_a_private_trait_is_not_given_out() -> None:
    customer = Customer(program_of("facts:\n  mail: lower(traits.email)\n")).sees(
        call("identify", START, {"email": "A"})
    )
    assert customer.program.facts(customer.cells, START) == {"mail": None}


def test_a_condition_that_is_written_twice_in_a_line_is_told_once() -> None:
    condition = "(count(purchase) >= 1 and count(viewed) >= 1) or count(purchase) >= 1"
    customer = Customer(segment_of(condition)).sees(event(START))
    assert reasons(customer, START) == [("count(purchase) >= 1", True, 1)]
    customer.sees(event(START, "Product Viewed", offset=1))
    assert reasons(customer, START) == [("count(purchase) >= 1", True, 1), ("count(viewed) >= 1", True, 1)]


def test_what_decided_is_found_however_deep_facts_nest() -> None:
    facts = ["  f0: count(purchase) >= 1"]
    for number in range(1, 56):  # deeper than Python reads blocks, were each a block within the one before
        other = f"and count(viewed) < {number}" if number % 2 else f"or count(viewed) >= {number}"
        facts.append(f"  f{number}: f{number - 1} {other}")
    customer = Customer(program_of("facts:\n" + "\n".join(facts) + "\nsegments:\n  it:\n    when: f55\n"))
    customer.sees(call("page", START))
    found = reasons(customer, START)
    assert found[:2] == [("count(purchase) >= 1", False, 0), ("count(viewed) >= 2", False, 0)]
    assert len(found) == MOST_DECIDERS
