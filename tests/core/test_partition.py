"""Laws of the partition: what comes first, at which instant it is judged, what is undone and what is forgotten."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.core.changes import Change, ClockCause, ErasureCause, EventCause
from stream.core.events import Event, Ignored, Reason, Rejected
from stream.core.memory import MESSAGE_AGE_MS
from stream.core.partition import Position
from stream.core.windows import CAP
from tests.core.partitions import GRACE, House, told_as
from tests.rules.trees import DAY, START, call, event, program_of

SHOP = program_of("""dimensions:
  lifecycle:
    stages:
      - prospect: count(purchase) == 0
      - active:   last(purchase) > ago(10d)
      - inactive: otherwise
segments:
  busy:
    when: count(purchase, 3d) >= 2
""")
NO_GRACE = 0


def order(days: float, message_id: str | None = None, customer_id: str = "customer") -> Event:
    return replace(event(START + int(days * DAY)), message_id=message_id, customer_id=customer_id)


def look(days: float) -> Event:
    """An event on which no answer rests."""
    return call("page", START + int(days * DAY))


def at(days: float) -> int:
    return START + int(days * DAY)


def lifecycle_of(house: House) -> list[Change]:
    return [change for change in house.told if change.definition and change.definition.name == "lifecycle"]


# -- wakes and records


def test_wakes_due_strictly_before_a_customers_own_record_come_first() -> None:
    house = House(SHOP).take(order(0), order(11))
    assert [told_as(change) for change in house.told] == [
        ("lifecycle", "active", at(0), "event"),
        ("lifecycle", "inactive", at(10), "clock"),
        ("lifecycle", "active", at(11), "event"),
    ]
    assert [change.decided_ms for change in house.told] == [at(0), at(11), at(11)]


def test_an_event_at_the_due_instant_is_folded_before_the_wake() -> None:
    house = House(SHOP).take(order(0), order(10)).step(at(10) + GRACE)
    assert [told_as(change)[1] for change in house.told] == ["active"]


def test_a_record_of_one_customer_fires_no_wake_of_another() -> None:
    house = House(SHOP).take(order(0), order(11, customer_id="other"))
    assert [told_as(change)[1] for change in house.told] == ["active", "active"]


def test_an_event_only_just_before_the_due_instant_prevents_the_lapse() -> None:
    late = replace(order(10), time_ms=at(10) - 1)
    house = House(SHOP).take(order(0), late).step(at(10) + GRACE)
    assert [told_as(change)[1] for change in house.told] == ["active"]
    house.step(at(20) - 1 + GRACE)
    assert told_as(house.told[-1]) == ("lifecycle", "inactive", at(20) - 1, "clock")


def test_the_clock_waits_for_the_grace_and_the_change_takes_effect_when_it_was_due() -> None:
    house = House(SHOP).take(order(0)).step(at(10) + GRACE - 1)
    assert len(house.told) == 1
    house.step(at(10) + GRACE)
    assert told_as(house.told[-1]) == ("lifecycle", "inactive", at(10), "clock")
    assert house.told[-1].decided_ms == at(10) + GRACE
    assert house.told[-1].cause == ClockCause(at(10))


def test_the_clock_never_goes_back() -> None:
    house = House(SHOP, NO_GRACE).take(order(0)).step(at(5)).step(at(2))
    assert house.partition.clock_ms == at(5)
    assert [step[1] for step in house.partition.pending.steps] == [at(5)]


def test_a_step_of_the_clock_fires_in_the_order_of_the_due_instants() -> None:
    house = House(SHOP).take(order(2, customer_id="b"), order(1, customer_id="c"), order(3, customer_id="a"))
    house.commit().step(at(20))
    assert [told_as(change)[2] for change in house.told[3:]] == [at(11), at(12), at(13)]


def test_a_step_stops_at_its_limit_and_goes_on_when_asked_again() -> None:
    house = House(SHOP)
    house.take(*(order(0, customer_id=f"customer-{number}") for number in range(5)))
    assert house.partition.step(at(20), 3) is False
    assert sum(told_as(change)[1] == "inactive" for change in house.told) == 3
    assert house.partition.step(at(20), 3) is True
    assert sum(told_as(change)[1] == "inactive" for change in house.told) == 5


def test_stale_entries_of_the_index_count_for_nothing_so_a_step_is_the_same_after_a_restore() -> None:
    def stepped(stale: set[tuple[int, str]]) -> tuple[list[Change], list[tuple[int, int, int]]]:
        house = House(SHOP, NO_GRACE).take(*(order(0, customer_id=name) for name in "abc")).commit()
        house.entries |= stale
        assert house.partition.step(at(20), 2) is False
        return house.told, house.partition.pending.steps

    assert stepped({(at(1), "a"), (at(2), "nobody"), (at(3), "b")}) == stepped(set())


def test_a_wake_that_changes_nothing_leaves_no_trace() -> None:
    house = House(SHOP, NO_GRACE).take(order(0), order(5)).step(at(12))
    profile = house.profile()
    assert [told_as(change)[1] for change in house.told if change.cause == ClockCause(at(10))] == []
    assert profile is not None and profile.now_ms < at(10)
    house.take(order(9))
    assert house.partition.pending.counts.late == 0
    assert profile.now_ms == at(9)


# -- late events


def test_a_late_event_is_judged_at_the_latest_judged_instant() -> None:
    house = House(SHOP).take(look(0), look(5), order(3))
    assert told_as(house.told[-1]) == ("lifecycle", "active", at(5), "event")
    cause = house.told[-1].cause
    assert isinstance(cause, EventCause) and cause.event_time_ms == at(3)
    assert house.partition.pending.counts.late == 1


def test_a_late_event_that_shows_a_lapse_to_be_wrong_names_it_in_corrects() -> None:
    house = House(SHOP, NO_GRACE).take(order(0)).step(at(12)).take(order(9))
    lapse, back = lifecycle_of(house)[-2:]
    assert told_as(lapse) == ("lifecycle", "inactive", at(10), "clock")
    assert told_as(back) == ("lifecycle", "active", at(10), "event")
    assert back.corrects == lapse.sequence


def test_an_event_at_the_due_instant_that_comes_after_the_wake_corrects_it() -> None:
    house = House(SHOP, NO_GRACE).take(order(0)).step(at(10)).take(order(10))
    lapse, back = lifecycle_of(house)[-2:]
    assert back.corrects == lapse.sequence


def test_an_event_after_the_lapse_corrects_nothing() -> None:
    house = House(SHOP, NO_GRACE).take(order(0)).step(at(10)).take(order(10.5))
    assert told_as(house.told[-1])[1] == "active"
    assert [change.corrects for change in house.told] == [None] * 3


def test_a_late_event_corrects_the_answer_it_contradicts_and_no_other() -> None:
    house = House(SHOP).take(look(5), order(4), order(3))
    prospect, active, busy = house.told
    assert [told_as(change)[:2] for change in (active, busy)] == [("lifecycle", "active"), ("busy", "in")]
    assert (prospect.corrects, active.corrects, busy.corrects) == (None, prospect.sequence, None)


# -- repeats


def test_a_message_that_comes_twice_counts_once() -> None:
    house = House(SHOP).take(order(0, "m-1"), order(0, "m-1"))
    counts = house.partition.pending.counts
    assert (counts.accepted, counts.duplicate) == (1, 1)
    assert [told_as(change)[0] for change in house.told] == ["lifecycle"]


def test_a_message_that_can_no_longer_be_told_from_a_repeat_is_rejected() -> None:
    house = House(SHOP).take(order(0, "m-1"), order(8, "m-2"), order(0, "m-1"))
    (rejected,) = house.partition.pending.rejected
    assert (rejected.offset, rejected.reason) == (2, Reason.TOO_OLD)


def test_a_message_that_comes_again_after_exactly_seven_days_is_still_a_duplicate() -> None:
    later = replace(order(0, "m-2"), time_ms=START + MESSAGE_AGE_MS)
    house = House(SHOP).take(order(0, "m-1"), later, order(0, "m-1"))
    assert house.partition.pending.counts.duplicate == 1 and not house.partition.pending.rejected


# -- erasure


def test_an_erasure_fires_what_was_due_before_it_and_ends_the_life() -> None:
    house = House(SHOP).take(order(0)).commit().erase(at(11))
    assert [told_as(change) for change in house.told[1:]] == [
        ("lifecycle", "inactive", at(10), "clock"),
        ("customer", "erased", at(11), "erasure"),
    ]
    assert [change.sequence for change in house.told] == [1, 2, 3]
    assert house.told[-1].cause == ErasureCause(1, "request")
    assert house.profile() is None
    house.commit().step(at(30))
    assert len(house.told) == 3 and not house.entries


def test_an_event_after_an_erasure_begins_a_new_life() -> None:
    house = House(SHOP).take(order(0, "m-1")).erase(at(1)).take(order(2, "m-1"))
    profile = house.profile()
    assert profile is not None and profile.born == (7, 2)
    assert house.told[-1].sequence == house.told[-1].nth == 1
    assert house.partition.pending.counts.duplicate == 0


def test_erasing_an_unknown_customer_brings_no_change() -> None:
    house = House(SHOP).erase(at(0))
    assert not house.told and not house.partition.pending.touched
    assert house.partition.pending.counts.erased == 1


# -- replayed


def test_what_lies_before_the_first_starts_end_is_replayed_by_offset_and_silences_by_their_instant() -> None:
    position = Position(0, replay_until_offset=1, replay_until_ms=at(10) + 1)
    house = House(SHOP, NO_GRACE, position).take(order(0), order(0.5, customer_id="other")).step(at(11))
    assert [(told_as(change)[1], told_as(change)[2], change.replayed) for change in house.told] == [
        ("active", at(0), True),
        ("active", at(0.5), False),
        ("inactive", at(10), True),
        ("inactive", at(10.5), False),
    ]


def test_an_erasure_is_replayed_by_its_offset() -> None:
    for until, replayed in ((2, True), (1, False)):
        house = House(SHOP, position=Position(0, replay_until_offset=until)).take(order(0)).erase(at(1))
        assert house.told[-1].replayed is replayed


# -- records and commits


def test_every_record_is_counted_once() -> None:
    house = House(SHOP).take(order(0, "m-1"), order(0, "m-1"))
    house.partition.take(Ignored(2, "heartbeat"), at(0))
    house.partition.take(Rejected(3, Reason.INVALID_JSON, "not JSON"), at(0))
    house.erase(at(1))
    counts = house.partition.pending.counts
    sums = counts.accepted + counts.duplicate + counts.ignored + counts.rejected + counts.erased
    assert (counts.received, sums, house.partition.next_offset) == (5, 5, 5)


def test_offsets_never_go_back_and_gaps_are_passed_over() -> None:
    house = House(SHOP).take(order(0))
    house.partition.skip_to(5)
    house.partition.skip_to(3)
    assert house.partition.next_offset == 5
    with pytest.raises(AssertionError):
        house.partition.take(Ignored(4, "heartbeat"), at(0))


def test_what_was_not_committed_is_forgotten_whole() -> None:
    house = House(SHOP).take(order(0)).commit().take(order(1)).step(at(30))
    before = house.partition.position()
    house.partition.aborted()
    assert house.partition.position() != before
    assert house.partition.next_offset == 1 and len(house.told) == 1
    house.take(order(11))
    assert [told_as(change)[1:3] for change in lifecycle_of(house)] == [
        ("active", at(0)), ("inactive", at(10)), ("active", at(11)),
    ]  # fmt: skip


def test_a_move_of_the_clock_alone_is_nothing_to_commit() -> None:
    house = House(SHOP).take(order(0)).commit().step(at(5))
    assert house.partition.has_pending is False
    assert house.step(at(12)).partition.has_pending is True


@pytest.mark.parametrize(
    "condition",
    [
        "sum(purchase.total, 7d) > 1",
        "count(purchase, 7d) < count(viewed, 7d)",
        "distinct(purchase.product, 7d) < count(viewed)",
        "distinct(purchase.product, 7d, before 1ms) < 1",
    ],
)
def test_entries_that_a_cap_merges_or_drops_are_counted_until_the_commit(condition: str) -> None:
    house = House(program_of(f"segments:\n  big:\n    when: {condition}\n"))
    orders = [event(START + number, properties={"total": 0, "product": number}) for number in range(CAP + 6)]
    house.take(*orders[: CAP - 1])
    assert house.partition.pending.counts.merged == 0
    house.take(*orders[CAP - 1 : CAP + 5])
    assert house.partition.pending.counts.merged == 5
    house.commit().take(orders[-1])
    assert house.partition.pending.counts.merged == 1


# -- any history

STEPS = st.lists(
    st.tuples(st.integers(0, 24 * 12), st.sampled_from("ab"), st.sampled_from([order, look])), min_size=1, max_size=12
)
"""Hours since the record before, whose it is, what it is."""


def records(steps: list[tuple[int, str, object]]) -> list[Event]:
    found, hours = [], 0
    for since, customer_id, what in steps:
        hours += since
        one = order(hours / 24) if what is order else look(hours / 24)
        found.append(replace(one, customer_id=customer_id))
    return found


def by_customer(house: House) -> dict[str, list[tuple[str, str, int, str]]]:
    told: dict[str, list[tuple[str, str, int, str]]] = {"a": [], "b": []}
    pending = house.partition.pending.changes
    for profile, change in pending:
        told[profile.customer_id].append(told_as(change))
    return told


@given(STEPS, st.integers(0, 24 * 30))
def test_reading_history_gives_each_customer_the_changes_of_having_lived_it(
    steps: list[tuple[int, str, object]], hours_after: int
) -> None:
    lived, read = House(SHOP, NO_GRACE), House(SHOP, NO_GRACE)
    events = records(steps)
    end_ms = events[-1].time_ms + hours_after * 3_600_000
    for each in events:
        lived.step(each.time_ms - 1).take(each)
    read.take(*events, read_ms=end_ms)
    assert by_customer(lived.step(end_ms)) == by_customer(read.step(end_ms))


@given(STEPS, st.randoms(use_true_random=False))
def test_sequences_are_gapless_and_own_time_never_goes_back_in_whatever_order_records_come(
    steps: list[tuple[int, str, object]], random: object
) -> None:
    events = records(steps)
    random.shuffle(events)  # type: ignore[attr-defined]
    house = House(SHOP, NO_GRACE)
    for number, each in enumerate(events):
        if number % 3 == 2:
            house.step(each.time_ms)
        house.take(each)
    for customer_id in "ab":
        mine = [change for profile, change in house.partition.pending.changes if profile.customer_id == customer_id]
        assert [change.sequence for change in mine] == list(range(1, len(mine) + 1))
        assert [change.effective_ms for change in mine] == sorted(change.effective_ms for change in mine)
        for definition in SHOP.definitions:
            nth = [change.nth for change in mine if change.definition is definition]
            assert nth == list(range(1, len(nth) + 1))
