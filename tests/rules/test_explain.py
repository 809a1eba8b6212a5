"""The conditions that decided an answer, with their values."""

from __future__ import annotations

from stream.core.program import Decider
from stream.rules.explain import MOST_DECIDERS
from tests.rules.trees import DAY, START, Customer, call, event, program_of, segment_of


def reasons(customer: Customer, now: int, index: int = 0) -> list[tuple[str, bool, object]]:
    found = customer.program.because(index, customer.cells, now)
    return [(each.expression, each.holds, each.value) for each in found]


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
    assert decider == Decider('traits.email == "a@b"', True, None, "tests.yaml", 17, withheld=True)


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
