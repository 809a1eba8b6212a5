"""Which definitions rest on which events, and of which events the absence moves somebody."""

from __future__ import annotations

from stream.rules.compile import CompiledProgram
from tests.rules.trees import program_of

PROGRAM = program_of("""facts:
  orders: count(purchase)
dimensions:
  lifecycle:
    stages:
      - prospect: orders == 0
      - active:   last(purchase) > ago(10d)
      - inactive: otherwise
segments:
  gone:
    when: lifecycle == "inactive"
  looking:
    when: count(viewed, 3d) >= 1
  regulars:
    when: count(purchase) >= 3
  anyone:
    when: silent(any, 30d)
  adults:
    when: traits.age >= 18
""")


def names(program: CompiledProgram, event: str) -> list[str]:
    return [program.definitions[index].name for index in program.resting_on(event)]


def test_a_definition_rests_on_the_events_of_its_conditions_and_of_those_it_names() -> None:
    assert names(PROGRAM, "Order Completed") == ["lifecycle", "gone", "regulars", "anyone"]
    assert names(PROGRAM, "Product Viewed") == ["looking", "anyone"]


def test_what_counts_events_of_any_name_rests_on_each() -> None:
    assert names(PROGRAM, "Something Else") == ["anyone"]


def test_a_count_for_ever_does_not_turn_for_want_of_events() -> None:
    assert PROGRAM.absence_events == ("Order Completed", "Product Viewed")
    assert program_of("segments:\n  regulars:\n    when: count(purchase) >= 3\n").absence_events == ()
