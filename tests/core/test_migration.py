"""Laws of a migration: who is carried over when, what goes along, what is told, and what must wait."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stream.core.changes import Change, DefinitionsCause
from stream.core.events import Event
from stream.rules.compile import CompiledProgram, compile_program
from stream.rules.load import parse_definitions
from tests.core.partitions import GRACE, House, told_as
from tests.rules.trees import DAY, START, call, event

HEAD = """definitions: 1
name: shop
revision: {revision}
events:
  purchase: Order Completed
  view: Product Viewed
traits:
  age: {age}
"""


def program(revision: int, body: str, age: str = "number") -> CompiledProgram:
    text = HEAD.format(revision=revision, age=age) + body
    return compile_program(parse_definitions([("shop.yaml", text)]))


def lifecycle(days: int, *, names: tuple[str, str] = ("active", "inactive")) -> str:
    return f"""dimensions:
  lifecycle:
    stages:
      - prospect: count(purchase) == 0
      - {names[0]}: last(purchase) > ago({days}d)
      - {names[1]}: otherwise
"""


def segment(name: str, when: str, more: str = "") -> str:
    return f"  {name}:\n    when: {when}\n{more}"


TEN, TWENTY = program(1, lifecycle(10)), program(2, lifecycle(20))


def order(days: float, customer_id: str = "customer") -> Event:
    return replace(event(at(days)), customer_id=customer_id)


def view(days: float) -> Event:
    return replace(event(at(days)), name="Product Viewed")


def at(days: float) -> int:
    return START + int(days * DAY)


def told(house: House) -> list[tuple[str, str, int, str]]:
    return [told_as(change) for change in house.told]


def of_definitions(house: House) -> list[Change]:
    return [change for change in house.told if isinstance(change.cause, DefinitionsCause)]


# -- when


def test_a_customer_is_carried_over_just_before_its_next_event() -> None:
    house = House(TEN).take(order(0)).step(at(15)).revise(TWENTY, at(15)).take(order(16))
    assert told(house) == [
        ("lifecycle", "active", at(0), "event"),
        ("lifecycle", "inactive", at(10), "clock"),
        ("lifecycle", "active", at(16) - 1, "definitions"),
    ]


def test_an_event_at_the_very_end_of_a_window_keeps_the_answer_as_it_always_does() -> None:
    house = House(TEN).take(order(0)).revise(TWENTY, at(1)).take(order(20))
    assert told(house) == [
        ("lifecycle", "active", at(0), "event"),
        ("lifecycle", "inactive", at(10), "clock"),  # was due under the former definitions
        ("lifecycle", "active", at(20) - 1, "definitions"),
    ]


def test_a_wake_of_the_former_definitions_is_judged_by_the_new_ones() -> None:
    house = House(TEN).take(order(0)).revise(TWENTY, at(5)).step(at(25))
    assert told(house) == [("lifecycle", "active", at(0), "event"), ("lifecycle", "inactive", at(20), "clock")]


def test_a_silence_that_both_definitions_end_at_the_same_instant_is_the_clocks() -> None:
    same = program(2, lifecycle(10) + "segments:\n" + segment("gone", 'lifecycle == "inactive"'))
    house = House(TEN).take(order(0)).revise(same, at(5)).step(at(10) + GRACE)
    assert told(house)[1:] == [("lifecycle", "inactive", at(10), "clock"), ("gone", "in", at(10), "clock")]


def test_the_sweep_carries_over_those_whom_nothing_touches() -> None:
    house = House(TEN)
    for customer_id in ("a", "b", "c"):
        house.take(order(0, customer_id))
    house.step(at(15)).revise(TWENTY, at(15)).sweep(at(16), limit=2)
    assert [(change.effective_ms, change.decided_ms) for change in of_definitions(house)] == [
        (at(16) - GRACE, at(16))
    ] * 3
    assert house.partition.pending.sweeps == [(3, at(16), 2, 2), (3, at(16), 1, 2)]
    assert house.partition.pending.left == {1: 3}
    assert {profile.revision for profile in house.commit().profiles.values()} == {2}


def test_the_sweep_goes_on_from_its_cursor_after_a_commit_and_again_from_there_after_an_abort() -> None:
    house = House(TEN)
    for customer_id in ("a", "b", "c"):
        house.take(order(0, customer_id))
    house.step(at(1)).revise(TWENTY, at(1))
    house.partition.sweep(at(2), 1)
    house.commit()
    house.partition.sweep(at(2), 1)
    assert list(house.partition.pending.touched) == ["b"]
    house.partition.aborted()
    house.partition.sweep(at(2), 1)
    assert list(house.partition.pending.touched) == ["b"]


def test_a_customer_erased_before_it_was_carried_over_enters_nothing_first() -> None:
    new = program(2, lifecycle(20) + "segments:\n" + segment("all", "count(purchase) >= 1"))
    house = House(TEN).take(order(0)).revise(new, at(1)).erase(at(2))
    assert told(house)[1:] == [("customer", "erased", at(2), "erasure")]
    assert house.partition.pending.left == {1: 1}


def test_a_repeated_message_touches_nothing() -> None:
    first = replace(order(0), message_id="m1")
    house = House(TEN).take(first).step(at(15)).revise(TWENTY, at(15)).take(replace(order(16), message_id="m1"))
    assert not of_definitions(house)


# -- what goes along


def test_unchanged_answers_make_no_change_and_counting_goes_on() -> None:
    renamed = program(2, lifecycle(10) + "segments:\n" + segment("none", "count(purchase) >= 99"))
    house = House(TEN).take(order(0)).step(at(12)).revise(renamed, at(12)).sweep(at(13)).take(order(14))
    assert not of_definitions(house)
    last = house.told[-1]
    assert (last.sequence, last.nth, last.revision) == (3, 3, 2)


def test_a_stage_whose_name_is_gone_is_told_as_the_stage_before() -> None:
    new = program(2, lifecycle(10, names=("customer", "lapsed")))
    house = House(TEN).take(order(0)).revise(new, at(1)).sweep(at(2))
    (change,) = of_definitions(house)
    assert (change.before, change.former, change.nth) == (None, "active", 2)
    assert told_as(change)[:2] == ("lifecycle", "customer")


def test_removed_segments_are_left_and_removed_dimensions_end_before_anything_else_is_told() -> None:
    segments = "segments:\n" + segment(
        "buyers", "count(purchase) >= 1", "    topic: old\n    with: {age: traits.age}\n"
    )
    old = program(1, lifecycle(10) + segments)
    new = program(2, "segments:\n" + segment("everybody", "count(purchase) >= 1"))
    house = House(old).take(order(0)).revise(new, at(1)).sweep(at(2))
    assert [(*told_as(change)[:2], change.set_index, change.set_size) for change in of_definitions(house)] == [
        ("lifecycle", "-", 1, 3), ("buyers", "out", 2, 3), ("everybody", "in", 3, 3),
    ]  # fmt: skip
    _, exit_, entry = of_definitions(house)
    assert exit_.definition is not None and exit_.definition.topic == "old"
    assert (exit_.carried, exit_.revision, entry.revision) == ({"age": None}, 1, 2)
    assert exit_.cause is entry.cause


def test_entering_by_migration_decides_on_the_control_group_as_usual() -> None:
    new = program(2, "segments:\n" + segment("half", "count(purchase) >= 1", "    control_group: 50%\n"))
    house = House(TEN)
    names = [f"c{number}" for number in range(40)]
    for name in names:
        house.take(order(0, name))
    house.revise(new, at(1)).sweep(at(2))
    entries = {change.definition.name: 0 for change in house.told if change.definition}
    assert "half" in entries
    held = [change.control for change in of_definitions(house) if change.definition and change.definition.is_segment]
    assert held == [new.held_out(0, name) for name in sorted(names)] and {*held} == {True, False}


def test_a_trait_declared_with_another_type_is_converted_anew() -> None:
    text = program(1, "segments:\n" + segment("old", 'traits.age == "70"'), age="text")
    number = program(2, "segments:\n" + segment("old", "traits.age >= 65"))
    house = House(text).take(call("identify", at(0), {"age": 70})).revise(number, at(1)).sweep(at(2))
    assert house.profile() is not None and house.profile().cells[0][0] == 70  # type: ignore[union-attr]
    assert not of_definitions(house)


def test_cells_are_trimmed_where_less_is_kept() -> None:
    many = program(1, "segments:\n" + segment("often", "count(purchase, 90d) >= 5"))
    few = program(2, "segments:\n" + segment("often", "count(purchase, 10d) >= 2"))
    house = House(many).take(*(order(days) for days in (0, 20, 21, 22, 23))).revise(few, at(24)).sweep(at(25))
    profile = house.profile()
    assert profile is not None and profile.cells[0] == [at(21), at(22), at(23)]
    assert profile.warming is None


def test_a_cell_both_keep_alike_is_the_same_whether_entries_came_before_or_after() -> None:
    old = program(1, "segments:\n" + segment("rich", "sum(purchase.revenue, 30d) >= 100"))
    new = program(2, "segments:\n" + segment("rich", "sum(purchase.revenue, 30d) >= 50"))
    house = House(old).take(event(at(0), properties={"revenue": 60})).revise(new, at(1)).sweep(at(2))
    assert told(house) == [("rich", "in", at(2) - GRACE, "definitions")]


# -- warming


NEW_SEGMENT = program(2, lifecycle(10) + "segments:\n" + segment("keen", "count(view, 7d) >= 1"))
SILENT = program(2, lifecycle(10) + "segments:\n" + segment("blind", "silent(view, 7d)"))


def test_what_was_not_kept_is_undecided_until_its_window_is_covered() -> None:
    house = House(TEN).take(order(0)).revise(SILENT, at(1)).take(order(2)).step(at(20))
    assert [change for change in told(house) if change[0] == "blind"] == [("blind", "in", at(8), "clock")]


def test_a_customer_of_after_the_revision_is_decided_at_once() -> None:
    house = House(TEN).revise(NEW_SEGMENT, at(1)).take(view(2))
    assert ("keen", "in", at(2), "event") in told(house)


def test_a_warming_definition_keeps_its_present_answer() -> None:
    old = program(1, "segments:\n" + segment("often", "count(purchase, 5d) >= 2"))
    new = program(2, "segments:\n" + segment("often", "count(purchase, 10d) >= 4"))
    house = House(old).take(order(0), order(1)).revise(new, at(2)).sweep(at(3))
    profile = house.profile()
    assert profile is not None and profile.answers == (1,)
    assert profile.warming is not None
    house.step(at(30))
    assert told(house)[-1][:2] == ("often", "out")


def test_what_the_old_one_kept_shortens_the_warming() -> None:
    old = program(1, "segments:\n" + segment("rich", "sum(purchase.revenue, 20d) >= 100"))
    new = program(2, "segments:\n" + segment("rich", "sum(purchase.revenue, 30d) >= 100"))
    house = House(old).take(event(at(25), properties={"revenue": 60})).revise(new, at(26)).sweep(at(27))
    profile = house.profile()
    assert profile is not None and profile.warming == {0: at(25 - 20 + 30)}


def test_a_late_event_does_not_take_the_customer_back_to_an_instant_that_is_not_covered() -> None:
    house = House(TEN).take(order(0)).revise(SILENT, at(1)).sweep(at(2)).step(at(9)).take(view(7))
    assert [change[:3] for change in told(house) if change[0] == "blind"] == [
        ("blind", "in", at(8)),
        ("blind", "out", at(8)),
    ]


def test_a_stage_that_is_gone_ends_at_once_where_the_new_ones_must_wait() -> None:
    stages = """dimensions:
  activity:
    stages:
      - {}: count(view, {}d) >= 1
      - quiet: otherwise
"""
    old, new = program(1, stages.format("lively", 5)), program(2, stages.format("busy", 30))
    house = House(old).take(view(0)).revise(new, at(1)).sweep(at(2)).step(at(40))
    assert [told_as(change)[:2] for change in house.told] == [
        ("activity", "lively"), ("activity", "-"), ("activity", "busy"), ("activity", "quiet")
    ]  # fmt: skip


def test_ever_begins_at_the_revision_for_what_was_not_kept_before() -> None:
    new = program(2, lifecycle(10) + "segments:\n" + segment("looker", "count(view) >= 1"))
    house = House(TEN).take(order(0), view(0.5)).revise(new, at(1)).sweep(at(2))
    profile = house.profile()
    assert profile is not None and profile.warming is None
    house.take(view(3))
    assert told(house)[-1] == ("looker", "in", at(3), "event")


def test_how_long_ago_an_event_was_that_was_not_kept_is_known_from_the_next_one_on() -> None:
    new = program(2, lifecycle(10) + "segments:\n" + segment("gone", "now - last(view) >= 7d"))
    house = House(TEN).take(order(0), view(0.5)).revise(new, at(1)).sweep(at(2)).step(at(20)).take(view(21))
    house.step(at(40))
    assert [change for change in told(house) if change[0] == "gone"] == [("gone", "in", at(28), "clock")]


def test_a_customer_of_before_is_not_new_because_first_seen_was_not_kept() -> None:
    new = program(2, lifecycle(10) + "segments:\n" + segment("fresh", "first_seen > ago(10d)"))
    house = House(TEN).take(order(0)).revise(new, at(20)).take(order(50)).step(at(51))
    assert all(change[0] != "fresh" for change in told(house))


# -- revision after revision


def test_a_customer_of_whom_nothing_was_ever_told_was_seen_at_its_latest_instant_not_when_the_sweep_came_by() -> None:
    big = "segments:\n" + segment("big", "count(purchase, 365d) >= 5")
    new = program(2, big + segment("newcomers", "first_seen > ago(7d)"))
    house = House(program(1, big)).take(order(0)).step(at(100)).revise(new, at(100)).sweep(at(100.01)).step(at(120))
    assert told(house) == []


def test_more_entries_than_are_kept_one_by_one_are_not_known_from_a_window_that_was_kept_whole() -> None:
    more = segment("more", "count(purchase, 30d) > count(view, 30d)")
    old, new = (program(n, "segments:\n" + more + segment("heavy", f"count(purchase, 30d) >= {least}"))
                for n, least in ((1, 400), (2, 900)))  # fmt: skip
    house = House(old).take(*(order(number / 100) for number in range(1_000)))
    house.step(at(10.5)).revise(new, at(10.5)).sweep(at(11))
    assert told(house) == [("more", "in", at(0), "event"), ("heavy", "in", at(3.99), "event")]
    assert house.profile().warming  # type: ignore[union-attr]


def test_customers_of_two_earlier_revisions_are_carried_over_directly() -> None:
    thirty = program(3, lifecycle(30))
    house = House(TEN).take(order(0, "a"), order(0, "b")).step(at(15)).revise(TWENTY, at(15)).take(order(16, "a"))
    house.revise(thirty, at(17)).sweep(at(18))
    assert house.partition.pending.left == {1: 1, 2: 1}
    assert {profile.revision for profile in house.commit().profiles.values()} == {3}
    assert [change.cause.from_revision for change in of_definitions(house)] == [1, 1]  # type: ignore[union-attr]


def test_what_a_revision_between_did_not_keep_is_known_not_to_be_there() -> None:
    thrice = program(3, lifecycle(10) + "segments:\n" + segment("blind", "silent(view, 20d)"))
    house = House(TEN).take(order(0)).revise(SILENT, at(1)).sweep(at(2)).revise(thrice, at(3)).sweep(at(4))
    profile = house.profile()
    assert profile is not None and profile.warming == {1: at(1 + 20)}


def test_going_back_is_a_revision_like_any_other() -> None:
    back = program(3, lifecycle(10))
    house = House(TEN).take(order(0)).step(at(15)).revise(TWENTY, at(15)).sweep(at(16)).revise(back, at(17))
    house.sweep(at(18))
    assert [change[1] for change in told(house)] == ["active", "inactive", "active", "inactive"]
    assert [change.nth for change in house.told] == [1, 2, 3, 4]


# -- what is held


def test_a_held_silence_is_not_told_as_if_the_definitions_had_brought_it_but_by_the_clock_on_release() -> None:
    new = program(2, lifecycle(10) + "segments:\n" + segment("looker", "count(view) >= 1"))
    house = House(TEN).take(order(0))
    house.partition.set_hold("clock", True, at(5))
    house.step(at(12)).revise(new, at(12)).take(view(13)).step(at(14))
    assert told(house)[1:] == [("looker", "in", at(13), "event")]
    house.partition.set_hold("clock", False, at(15))
    house.step(at(15))
    assert told(house)[2:] == [("lifecycle", "inactive", at(13), "clock")]


def test_a_customer_parked_for_a_segment_that_is_gone_waits_for_nothing_any_more() -> None:
    old = program(1, lifecycle(10) + "segments:\n" + segment("gone", 'lifecycle == "inactive"'))
    house = House(old).take(order(0))
    house.partition.set_hold("segment/gone", True, at(5))
    house.step(at(12))
    assert house.profile() is not None and house.profile().parked_ms == at(10)  # type: ignore[union-attr]
    house.revise(program(2, lifecycle(10)), at(12)).sweep(at(13))
    assert house.profile().parked_ms < at(0)  # type: ignore[union-attr]
    assert not of_definitions(house)


QUIET = segment("quiet", "count(purchase, 365d) >= 1 and silent(purchase, 10d)")
BUYER = "segments:\n" + segment("buyer", "count(purchase, 365d) >= 1")


@pytest.mark.parametrize("key", ["clock", "event/Order Completed"])
def test_a_new_segment_holds_nobody_by_silence_while_that_is_held_though_its_windows_are_covered(key: str) -> None:
    house = House(program(1, BUYER)).take(order(0)).revise(program(2, BUYER + QUIET), at(1)).sweep(at(1.1))
    house.partition.set_hold(key, True, at(5))
    house.step(at(13)).take(view(13))
    assert told(house) == [("buyer", "in", at(0), "event")]
    house.partition.set_hold(key, False, at(14))
    house.step(at(15))
    assert told(house)[1:] == [("quiet", "in", at(13), "clock")]


@pytest.mark.parametrize("key", ["clock", "event/Order Completed"])
def test_who_is_carried_over_while_silence_is_held_enters_no_new_segment_by_it(key: str) -> None:
    quiet = segment("quiet", "count(purchase, 365d) >= 1 and count(purchase, 10d) == 0")
    house = House(program(1, BUYER)).take(order(0)).step(at(1))
    house.partition.set_hold(key, True, at(2))
    house.revise(program(2, BUYER + quiet), at(20)).take(view(21))
    assert told(house) == [("buyer", "in", at(0), "event")]
    house.partition.set_hold(key, False, at(22))
    house.step(at(23))
    assert [(name, to, by) for name, to, _, by in told(house)[1:]] == [("quiet", "in", "clock")]


def test_who_is_not_in_a_new_segment_is_kept_back_from_nothing() -> None:
    house = House(program(1, BUYER)).take(order(0)).step(at(1))
    house.partition.set_hold("clock", True, at(2))
    house.revise(program(2, BUYER + segment("many", "count(purchase, 365d) >= 9")), at(3)).take(view(4))
    assert house.profile().parked_ms < at(0)  # type: ignore[union-attr]


def test_a_stage_that_is_gone_ends_at_once_while_time_is_held_and_the_next_one_comes_with_the_release() -> None:
    new = program(2, lifecycle(10, names=("fresh", "inactive")))
    house = House(TEN).take(order(0)).step(at(1))
    house.partition.set_hold("clock", True, at(2))
    house.revise(new, at(3)).take(view(4))
    assert told(house)[1:] == [("lifecycle", "-", at(4) - 1, "definitions")]
    house.partition.set_hold("clock", False, at(5))
    house.step(at(6))
    assert told(house)[2:] == [("lifecycle", "fresh", at(4), "clock")]


def test_what_was_kept_back_and_is_released_comes_by_the_clock_before_the_sweep_carries_anybody_over() -> None:
    quiet = program(1, "segments:\n" + QUIET)
    house = House(quiet).take(order(0)).step(at(1))
    house.partition.set_hold("event/Order Completed", True, at(2))
    house.step(at(12)).commit()
    house.partition.set_hold("event/Order Completed", False, at(13))
    house.revise(program(2, "segments:\n" + QUIET + segment("buyer", "count(purchase, 365d) >= 1")), at(13))
    house.partition.sweep(at(14), 10)
    assert told(house)[0] == ("quiet", "in", at(10), "clock")


def test_who_is_let_go_by_the_former_definitions_and_kept_back_by_the_new_ones_is_found_at_the_release() -> None:
    lapsing = "segments:\n" + segment("lapsing", "count(purchase, 10d) == 0 and count(purchase, 20d) >= 1")
    house = House(program(1, lapsing)).take(order(0))
    house.partition.set_hold("clock", True, at(1))
    house.take(view(12)).commit()  # in lapsing since day 10, which is kept back
    house.revise(program(2, lapsing + segment("gone", "count(purchase, 15d) == 0")), at(12))
    house.take(view(25)).commit()  # out of it since day 20; gone since day 15, kept back too
    assert told(house) == []
    house.partition.set_hold("clock", False, at(26))
    house.step(at(27))
    assert [(name, to, by) for name, to, _, by in told(house)] == [("gone", "in", "clock")]
