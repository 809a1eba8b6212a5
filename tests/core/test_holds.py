"""Laws of holds: what is kept back while something is held, what is let through, and what a release makes of it."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.core.changes import Change, ClockCause
from stream.core.events import NEVER_MS, Event
from stream.core.holds import PARKED_AT_MS, Mode, hold_of
from tests.core.partitions import GRACE, House, told_as
from tests.rules.trees import DAY, HOUR, START, event, program_of

SHOP = program_of("""dimensions:
  lifecycle:
    stages:
      - prospect: count(purchase) == 0
      - active:   last(purchase) > ago(10d)
      - inactive: otherwise
segments:
  gone:
    when: lifecycle == "inactive"
  looking:
    when: count(viewed, 3d) >= 1
  win-back:
    when: last(purchase) <= ago(10d) and count(viewed, 3d) >= 1
""")
NAMES = [definition.name for definition in SHOP.definitions]
CLOCK, ORDERS, WIN_BACK = "clock", "event/Order Completed", "segment/win-back"


def at(days: float) -> int:
    return START + int(days * DAY)


def order(days: float, customer_id: str = "customer") -> Event:
    return replace(event(at(days)), customer_id=customer_id)


def look(days: float, customer_id: str = "customer") -> Event:
    return replace(event(at(days), "Product Viewed"), customer_id=customer_id)


def hold(house: House, key: str, days: float) -> None:
    house.partition.set_hold(key, True, at(days))


def release(house: House, key: str, days: float) -> None:
    house.partition.set_hold(key, False, at(days))


def told(house: House) -> list[tuple[str, str, float, str]]:
    return [
        (name, to, (effective_ms - START) / DAY, cause) for name, to, effective_ms, cause in map(told_as, house.told)
    ]


def answers(house: House) -> tuple[int, ...]:
    profile = house.profile()
    assert profile is not None
    return profile.answers


BOUGHT = [("lifecycle", "active", 0, "event")]
LAPSED = [("lifecycle", "inactive", 10, "clock"), ("gone", "in", 10, "clock")]


# -- the clock is held


def test_no_silence_is_told_while_the_clock_is_held_and_all_of_them_when_it_is_released() -> None:
    house = House(SHOP).take(order(0))
    hold(house, CLOCK, 5)
    assert told(house.step(at(12)).commit()) == BOUGHT
    release(house, CLOCK, 13)
    assert told(house.step(at(13)).commit()) == BOUGHT + LAPSED
    assert {change.decided_ms for change in house.told[1:]} == {at(13)}


def test_an_order_during_the_hold_means_that_the_silence_never_was() -> None:
    house = House(SHOP).take(order(0))
    hold(house, CLOCK, 5)
    house.step(at(12)).take(order(12)).commit()
    release(house, CLOCK, 13)
    assert told(house.step(at(15)).commit()) == BOUGHT


def test_an_order_that_was_late_means_so_too() -> None:
    house = House(SHOP).take(order(0))
    hold(house, CLOCK, 5)
    house.step(at(12)).take(look(12), order(9)).commit()
    release(house, CLOCK, 13)
    assert [row for row in told(house.step(at(13)).commit()) if row[0] in ("lifecycle", "gone")] == BOUGHT


def test_what_an_event_brings_about_is_told_while_the_clock_is_held() -> None:
    house = House(SHOP).take(order(0)).step(at(11))
    hold(house, CLOCK, 11)
    house.take(look(12), order(13))
    assert told(house)[3:] == [
        ("looking", "in", 12, "event"),
        ("win-back", "in", 12, "event"),
        ("lifecycle", "active", 13, "event"),
        ("gone", "out", 13, "event"),
        ("win-back", "out", 13, "event"),
    ]


def test_a_page_view_lets_no_held_silence_through_not_even_where_a_condition_asks_for_both() -> None:
    house = House(SHOP).take(order(0))
    hold(house, CLOCK, 5)
    house.step(at(12)).take(look(12)).commit()
    assert told(house) == [*BOUGHT, ("looking", "in", 12, "event")]
    profile = house.profile()
    assert profile is not None and profile.parked_ms == at(10)
    release(house, CLOCK, 13)
    house.step(at(13))
    assert told(house)[2:] == [
        ("lifecycle", "inactive", 12, "clock"), ("gone", "in", 12, "clock"), ("win-back", "in", 12, "clock"),
    ]  # fmt: skip
    assert house.told[2].cause == ClockCause(at(12)), "the customer's own time never goes back"


def test_a_released_customer_is_judged_before_the_own_next_record_though_the_clock_has_not_come_to_it() -> None:
    house = House(SHOP).take(order(0))
    hold(house, CLOCK, 5)
    house.take(look(12)).commit()
    release(house, CLOCK, 13)
    house.take(order(14))
    assert [row[:3] for row in told(house) if row[0] == "lifecycle"] == [
        ("lifecycle", "active", 0), ("lifecycle", "inactive", 12), ("lifecycle", "active", 14),
    ]  # fmt: skip


def test_a_release_is_a_storm_in_chunks() -> None:
    house = House(SHOP).take(*(order(0, name) for name in "abcde"))
    hold(house, CLOCK, 5)
    house.take(*(look(12, name) for name in "abcde")).commit()
    release(house, CLOCK, 13)
    steps = 1
    while not house.partition.step(at(13), 2):
        steps += 1
        house.commit()
    assert steps >= 5  # each customer is given a wake, then it fires
    assert sum(row[:2] == ("lifecycle", "inactive") for row in told(house)) == 5


def test_an_erased_customer_is_no_longer_parked() -> None:
    house = House(SHOP).take(order(0))
    hold(house, CLOCK, 5)
    house.take(look(12)).commit()
    assert (PARKED_AT_MS, "customer") in house.entries
    house.erase(at(13)).commit()
    assert not house.entries & {(PARKED_AT_MS, "customer")}
    release(house, CLOCK, 14)
    assert [row[:2] for row in told(house.step(at(15)))][-1] == ("customer", "erased")


def test_what_is_held_of_an_aborted_commit_is_as_before_it() -> None:
    house = House(SHOP).take(order(0)).commit()
    hold(house, CLOCK, 5)
    house.take(look(12))
    house.partition.aborted()
    assert house.partition.holds == {} and house.partition.hold is None
    assert told(house.step(at(12))) == BOUGHT + LAPSED


def test_steps_on_both_sides_of_a_hold_stay_two() -> None:
    house = House(SHOP)
    house.partition.step(at(1), 3)
    hold(house, CLOCK, 2)
    house.partition.step(at(3), 3)
    house.partition.step(at(4), 3)
    assert [step[1] for step in house.partition.pending.steps] == [at(1), at(4)]
    assert house.partition.pending.holds == [(0, 1, at(2), CLOCK, True)]


# -- one event, one segment


def test_a_held_event_holds_what_rests_on_it_and_nothing_else() -> None:
    held = hold_of(SHOP, {ORDERS: at(1)})
    assert held is not None and not held.whole
    assert dict(zip(NAMES, held.modes, strict=True)) == {
        "lifecycle": Mode.BY_TIME, "gone": Mode.BY_TIME, "looking": Mode.FREE, "win-back": Mode.BY_TIME,
    }  # fmt: skip
    house = House(SHOP).take(order(0), look(8))
    hold(house, ORDERS, 9)
    house.step(at(12)).commit()
    assert told(house)[2:] == [("looking", "out", 11, "clock")]
    profile = house.profile()
    assert profile is not None and profile.parked_ms == at(10)
    release(house, ORDERS, 13)
    assert told(house.step(at(13)))[3:] == [("lifecycle", "inactive", 11, "clock"), ("gone", "in", 11, "clock")]


def test_a_silence_that_ends_after_the_release_is_told_on_time() -> None:
    house = House(SHOP)
    hold(house, ORDERS, 0)
    house.take(order(0)).step(at(1)).commit()
    release(house, ORDERS, 2)
    assert told(house.step(at(12))) == BOUGHT + LAPSED


def test_a_held_segment_does_not_change_whatever_happens() -> None:
    house = House(SHOP).take(order(0), look(9))
    hold(house, WIN_BACK, 9)
    house.step(at(11)).take(look(11.5)).commit()
    assert not [row for row in told(house) if row[0] == "win-back"]
    assert told(house)[2:4] == LAPSED
    release(house, WIN_BACK, 12)
    assert told(house.step(at(12)))[-1] == ("win-back", "in", 11.5, "clock")


def test_a_held_segment_does_not_take_in_a_new_customer() -> None:
    house = House(SHOP)
    hold(house, "segment/looking", 0)
    house.take(look(1)).commit()
    entered = [("lifecycle", "prospect", 1, "event"), ("win-back", "in", 1, "event")]
    assert told(house) == entered
    release(house, "segment/looking", 2)
    assert told(house.step(at(2))) == [*entered, ("looking", "in", 1, "clock")]


def test_releasing_one_of_two_holds_frees_only_what_the_other_does_not_hold() -> None:
    house = House(SHOP).take(order(0), look(8))
    hold(house, ORDERS, 9)
    hold(house, "event/Product Viewed", 9)
    house.step(at(12)).commit()
    release(house, "event/Product Viewed", 13)
    house.step(at(13)).commit()
    assert told(house)[2:] == [("looking", "out", 11, "clock")]
    release(house, ORDERS, 14)
    assert told(house.step(at(14)))[3:] == [("lifecycle", "inactive", 11, "clock"), ("gone", "in", 11, "clock")]


@pytest.mark.parametrize("key", ["segment/unknown", "event/Unknown", "partition/7"])
def test_a_key_of_what_the_program_does_not_know_holds_nothing(key: str) -> None:
    assert hold_of(SHOP, {key: 0}) is None


# -- in general

KEYS = (CLOCK, ORDERS, "event/Product Viewed", WIN_BACK, "segment/looking")
HAPPENS = st.one_of(
    st.tuples(st.sampled_from(["order", "look", "late order"]), st.sampled_from("ab")),
    st.tuples(st.just("step"), st.integers(1, 4)),
    st.tuples(st.sampled_from(["hold", "release"]), st.sampled_from(KEYS)),
    st.just(("commit", "")),
    st.just(("abort", "")),
)
HISTORY = st.lists(st.tuples(HAPPENS, st.integers(1, 4 * DAY // HOUR)), max_size=40)


def play(history: list, held: bool) -> tuple[House, int]:
    """The history in a house, with or without what it holds; at its end everything is released and time has come."""
    house, now_ms = House(SHOP), START
    redo: list[Event] = []
    for (what, which), hours in history:
        now_ms += hours * HOUR
        if what in ("order", "look", "late order"):
            name = "Product Viewed" if what == "look" else "Order Completed"
            happened = event(now_ms - (6 * DAY if what == "late order" else 0), name)
            redo.append(replace(happened, customer_id=which))
            house.take(redo[-1], read_ms=now_ms)
        elif what == "step":
            house.partition.step(now_ms, which)
        elif what == "commit":
            house.commit()
            redo.clear()
        elif what == "abort":
            house.partition.aborted()
            for again in redo:
                house.take(again, read_ms=now_ms)
        elif held:
            house.partition.set_hold(which, what == "hold", now_ms)
    now_ms += 40 * DAY
    for key in list(house.partition.holds):
        house.partition.set_hold(key, False, now_ms)
    return house.step(now_ms).commit(), now_ms


@given(HISTORY)
def test_after_the_release_everybody_is_where_they_would_be_had_nothing_been_held(history: list) -> None:
    held, _ = play(history, held=True)
    free, _ = play(history, held=False)
    assert {name: profile.answers for name, profile in held.profiles.items()} == {
        name: profile.answers for name, profile in free.profiles.items()
    }
    for profile in held.profiles.values():
        assert profile.parked_ms == NEVER_MS
    assert not [entry for entry in held.entries if entry[0] == PARKED_AT_MS]
    assert_each_turns(held.told)


def assert_each_turns(changes: list[Change]) -> None:
    """No change ends where it began."""
    for change in changes:
        assert change.definition is not None
        assert change.after != (change.before or 0 if change.definition.is_segment else change.before)


@given(HISTORY)
def test_while_something_is_held_no_time_moves_it_and_a_held_segment_stands(history: list) -> None:
    house, now_ms = House(SHOP), START
    for (what, which), hours in history:
        now_ms += hours * HOUR
        before = len(house.told)
        if what in ("order", "look", "late order"):
            name = "Product Viewed" if what == "look" else "Order Completed"
            happened = replace(event(now_ms - (6 * DAY if what == "late order" else 0), name), customer_id=which)
            house.take(happened, read_ms=now_ms)
        elif what == "step":
            house.partition.step(now_ms, which)
        elif what == "commit":
            house.commit()
        elif what in ("hold", "release"):
            house.partition.set_hold(which, what == "hold", now_ms)
        held = hold_of(SHOP, house.partition.holds)
        if held is not None:
            modes = dict(zip(NAMES, held.modes, strict=True))
            for change in house.told[before:]:
                assert change.definition is not None
                mode = modes[change.definition.name]
                assert mode is not Mode.WHOLLY
                assert mode is Mode.FREE or type(change.cause) is not ClockCause


@given(HISTORY)
def test_the_entry_of_a_parked_customer_is_in_the_index_and_a_restored_partition_goes_on_alike(history: list) -> None:
    house, now_ms = House(SHOP), START
    for (what, which), hours in history:
        now_ms += hours * HOUR
        if what in ("order", "look"):
            name = "Product Viewed" if what == "look" else "Order Completed"
            house.take(replace(event(now_ms, name), customer_id=which), read_ms=now_ms)
        elif what == "step":
            house.partition.step(now_ms, which)
        elif what in ("hold", "release"):
            house.partition.set_hold(which, what == "hold", now_ms)
        house.commit()
        parked = {(PARKED_AT_MS, name) for name, each in house.profiles.items() if each.parked_ms != NEVER_MS}
        assert parked == {entry for entry in house.entries if entry[0] == PARKED_AT_MS}
        again = House(SHOP, position=house.partition.position())
        again.profiles, again.entries = deepcopy(house.profiles), set(house.entries)
        restored = [(again.partition.step(now_ms, 2), again.commit()) for _ in range(3)]
        went_on = [(house.partition.step(now_ms, 2), house.commit()) for _ in range(3)]
        assert [done for done, _ in restored] == [done for done, _ in went_on]
        assert again.kept == house.kept[len(house.kept) - len(again.kept) :]


def test_a_wake_of_the_grace_is_no_parked_customer() -> None:
    house = House(SHOP).take(order(0))
    hold(house, ORDERS, 10)
    house.step(at(10) + GRACE - 1)
    profile = house.profile()
    assert profile is not None and profile.parked_ms == NEVER_MS
