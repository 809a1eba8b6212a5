"""The work that engines are compared on, the events it is done for, and how figures become a table."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import orjson
import pytest

from bench.load import EVENT_BYTES
from bench.rivals.engines import chosen
from bench.rivals.outcomes import Outcome, outcome_of, rows_of, table
from bench.rivals.progress import Look, measured_part, track, whole_part
from bench.rivals.reference import Tally, expected
from bench.rivals.waiting import Load, read_events, write_events
from bench.rivals.work import DAY_MS, SPENT, Change, Customer, Event, advance, newborn, read
from stream.codec.inbound import decode
from stream.core.events import Event as OurEvent
from stream.rules.load import load_definitions
from tests.oracle.history import Oracle

T0_MS = 1_750_000_000_000
DEFINITIONS = Path(__file__).parents[2] / "bench" / "rivals" / "definitions.yaml"


def look(at_ms: int) -> Event:
    return Event("c", at_ms, None)


def order(at_ms: int, amount: float = 10.0) -> Event:
    return Event("c", at_ms, round(amount * 1e6))


def stages_after(*events: Event) -> list[str]:
    customer = newborn()
    for event in events:
        advance(customer, event)
    return customer["stages"]


def waiting(kind: str, customers: int = 100, events: int = 2_000) -> list[tuple[str, int, bytes]]:
    return list(Load(kind, customers, events, T0_MS).events_of_it())


# -- the work


def test_a_first_event_gives_every_dimension_a_stage_that_had_none() -> None:
    changes = advance(newborn(), look(T0_MS))

    assert [(change.dimension, change.from_stage, change.to_stage) for change in changes] == [
        ("lifecycle", None, "prospect"),
        ("frequency", None, "none"),
        ("recency", None, "never"),
    ]


def test_an_event_that_changes_no_stage_changes_only_the_state() -> None:
    customer = newborn()
    advance(customer, look(T0_MS))

    assert advance(customer, look(T0_MS + 5)) == []
    assert customer["seen_ms"] == T0_MS + 5


@pytest.mark.parametrize(
    ("orders", "stages"),
    [
        (1, ["new", "one-time", "hot"]),
        (2, ["active", "occasional", "hot"]),
        (4, ["active", "occasional", "hot"]),
        (5, ["active", "frequent", "hot"]),
        (9, ["active", "frequent", "hot"]),
    ],
)
def test_stages_follow_the_number_of_orders(orders: int, stages: list[str]) -> None:
    assert stages_after(*(order(T0_MS + number) for number in range(orders))) == stages


@pytest.mark.parametrize(
    ("days", "stages"),
    [
        (7, ["new", "one-time", "warm"]),
        (30, ["active", "one-time", "cool"]),
        (90, ["active", "none", "cold"]),
        (180, ["inactive", "none", "cold"]),
    ],
)
def test_a_window_no_longer_holds_what_is_exactly_as_old_as_it_is_long(days: int, stages: list[str]) -> None:
    before = stages_after(order(T0_MS), look(T0_MS + days * DAY_MS - 1))

    assert stages_after(order(T0_MS), look(T0_MS + days * DAY_MS)) == stages
    assert before != stages


def test_the_spend_is_that_of_the_last_30_days_to_the_millionth() -> None:
    customer = newborn()
    advance(customer, order(T0_MS, 100.0))
    advance(customer, order(T0_MS + 20 * DAY_MS, 0.1))

    advance(customer, order(T0_MS + 31 * DAY_MS, 0.2))

    assert customer["spent"] == [[T0_MS + 20 * DAY_MS, 100_000], [T0_MS + 31 * DAY_MS, 200_000]]


def test_the_entries_of_the_spend_are_bounded_and_none_of_it_is_lost() -> None:
    customer = newborn()

    for number in range(SPENT + 40):
        advance(customer, order(T0_MS + number, 1.0))

    assert len(customer["spent"]) == SPENT
    assert sum(micros for _, micros in customer["spent"]) == (SPENT + 40) * 1_000_000


def test_a_customer_comes_back_from_json_as_the_same() -> None:
    customer, other = newborn(), newborn()
    dice, now_ms = random.Random(7), T0_MS
    for _ in range(300):
        now_ms += dice.randrange(20 * DAY_MS)
        event = order(now_ms, dice.random() * 100) if dice.random() < 0.5 else look(now_ms)
        other = through_json(other)
        assert advance(other, event) == advance(customer, event)


def through_json(customer: Customer) -> Customer:
    return orjson.loads(orjson.dumps(customer))


def test_a_change_is_written_with_its_instant_and_spend() -> None:
    change = Change("c-1", "recency", "never", "hot", T0_MS + 7, 1, 12_340_000)

    assert change.message() == {
        "customer_id": "c-1",
        "dimension": "recency",
        "from_stage": "never",
        "to_stage": "hot",
        "effective_at": "2025-06-15T15:06:40.007Z",
        "orders": 1,
        "spend_30d": 12.34,
    }


def test_our_definitions_say_the_same_as_the_reference() -> None:
    events = waiting("skewed", customers=10, events=400)
    right = expected(iter(events), {len(events)})[len(events)]
    log = [
        decode(customer_id.encode(), value, [], time_ms, offset, time_ms)
        for offset, (customer_id, time_ms, value) in enumerate(events)
    ]
    assert all(isinstance(item, OurEvent) for item in log)

    ours = Tally()
    for change in Oracle(load_definitions([DEFINITIONS])).run(log):
        ours.add(change["customer"], change["definition"], change["from"], change["to"])

    assert ours == right


# -- the right answer


def test_what_is_right_is_known_for_the_first_part_of_the_events_too() -> None:
    events = waiting("uniform")

    found = expected(iter(events), {100, 700, 2_100})

    assert found[100].changes >= 300
    assert found[100].changes < found[700].changes < found[2_100].changes
    assert found[700] == expected(iter(events[:700]), {700})[700]


def test_a_tally_knows_the_changes_in_any_order_and_not_others() -> None:
    changes = [("a", "recency", None, "never"), ("b", "recency", "never", "hot")]
    one, other, wrong = Tally(), Tally(), Tally()
    for change in changes:
        one.add(*change)
    for change in reversed(changes):
        other.add(*change)
    for customer_id, dimension, from_stage, _ in changes:
        wrong.add(customer_id, dimension, from_stage, "cold")

    assert one == other
    assert one != wrong
    assert one.changes == wrong.changes


# -- the events


@pytest.mark.parametrize("kind", ["uniform", "skewed", "new"])
def test_events_are_the_same_each_time_and_begin_with_every_customer_once(kind: str) -> None:
    events = waiting(kind)

    assert events == waiting(kind)
    assert len({customer_id for customer_id, _, _ in events[:100]}) == 100
    assert [time_ms for _, time_ms, _ in events] == list(range(T0_MS, T0_MS + 2_100))
    assert {len(value) for _, _, value in events} == {EVENT_BYTES}
    assert all(read(customer_id, orjson.loads(value)).time_ms == time_ms for customer_id, time_ms, value in events)


def test_a_skewed_load_gives_two_thirds_of_its_events_to_a_fifth_of_the_customers() -> None:
    counts = Counter(customer_id for customer_id, _, _ in waiting("skewed", 100, 6_000)[100:])

    share = sum(count for _, count in counts.most_common(20)) / 6_000

    assert 0.64 < share < 0.70


def test_in_a_new_load_every_event_is_of_another_customer() -> None:
    assert len({customer_id for customer_id, _, _ in waiting("new")}) == 2_100


def test_events_come_back_from_their_file(tmp_path: Path) -> None:
    events = waiting("uniform")

    write_events(tmp_path / "events", iter(events))

    assert list(read_events(tmp_path / "events", 500)) == events[:500]


# -- what is measured


def at(time_s: float, *committed: int, cpu_s: float = 0.0) -> Look:
    return Look(time_s, committed, cpu_s, 0.0, 0.0)


def test_measuring_begins_when_the_engine_is_warm_and_ends_before_the_last_commits() -> None:
    looks = [
        at(0, 100, 100), at(2, 300, 100), at(3, 500, 250, cpu_s=1.0), at(4, 900, 645), at(5, 1100, 1000, cpu_s=3.0),
        at(9, 1100, 1100),
    ]  # fmt: skip

    part = measured_part(looks)

    assert (part.first.time_s, part.last.time_s) == (3, 5)
    assert (part.events_per_s, part.engine_cpu_s) == ((2100 - 750) / 2, 2.0)


def test_a_track_has_a_point_a_second() -> None:
    looks = [at(5 + tenth / 10, tenth) for tenth in range(31)]

    assert track(looks) == [(0.0, 0), (1.0, 10), (2.0, 20), (3.0, 30)]


def test_an_engine_that_commits_in_large_steps_is_measured_from_step_to_step() -> None:
    looks = [at(second / 10, 1000 * (second // 10)) for second in range(201)]

    assert measured_part(looks).events_per_s == pytest.approx(1000)


def test_the_whole_goes_from_the_first_committed_offset_to_the_last() -> None:
    looks = [at(0, 50), at(5, 50), at(6, 100), at(7, 300), at(8, 500)]

    assert whole_part(looks).events_per_s == 200


def test_an_engine_that_was_done_before_anybody_looked_is_too_short_to_measure() -> None:
    outcome = outcome_of("x", "X", 1, births=[at(1, 100)], events=[at(2, 1000)])

    assert (outcome.births_per_s, outcome.events_per_s) == (0, 0)


def test_a_run_with_one_or_two_commits_is_too_short_to_measure() -> None:
    outcome = outcome_of("x", "X", 1, births=[at(0, 0), at(1, 100)], events=[at(2, 100), at(3, 990), at(4, 1000)])

    assert (outcome.events_per_s, outcome.measured_events, outcome.events) == (0, 0, 900)
    assert "too short" in table(rows_of([outcome]))


# -- the table


def run_of(engine: str, events_per_s: float, right: bool | None = True, error: str = "") -> Outcome:
    return Outcome(
        engine, engine.title(), 1, events_per_s=events_per_s, measured_s=60, right=right, changes=5, right_changes=5,
        error=error,
    )  # fmt: skip


def test_a_row_has_the_median_the_spread_and_how_many_times_as_fast_we_are() -> None:
    runs = [run_of("ours", speed) for speed in (90, 100, 300)] + [run_of("quix", speed) for speed in (40, 50, 60)]

    ours, quix = rows_of(runs)

    assert (ours.events_per_s, ours.low_events_per_s, ours.high_events_per_s) == (100, 90, 300)
    assert quix.ratio == 2.0
    assert "2 reached" in table([ours, quix])


def test_a_worker_of_several_processes_is_a_row_and_its_ratios_a_column_and_goals_are_of_one_process() -> None:
    rows = rows_of([run_of("ours", 100), run_of("ours-2", 160), run_of("kafka-streams", 80), run_of("faust", 0)])

    heads, _, *cells = ([cell.strip() for cell in line.split("|")[1:-1]] for line in table(rows).splitlines())

    of_one, of_two, goal = heads.index("ours / it"), heads.index("ours-2 / it"), heads.index("goal")
    assert [(row[of_one], row[of_two], row[goal]) for row in cells] == [
        ("", "1.60", ""), ("0.62", "", ""), ("1.25", "2.00", "1 reached"), ("", "", ""),
    ]  # fmt: skip
    assert "ours-2 / it" not in table(rows_of([run_of("ours", 100), run_of("quix", 10)]))


def test_a_goal_that_is_not_reached_is_said() -> None:
    rows = rows_of([run_of("ours", 100), run_of("kafka-streams", 101)])

    assert "1 MISSED" in table(rows)


def test_an_engine_with_other_changes_is_marked() -> None:
    assert "WRONG in 1 of 2" in table(rows_of([run_of("quix", 10), run_of("quix", 10, right=False)]))


def test_a_failed_run_counts_for_nothing_and_is_shown() -> None:
    some = rows_of([run_of("ours", 10), run_of("ours", 0, error="it ended with 1")])
    none = rows_of([run_of("faust", 0, error="it ended with 1")])

    assert some[0].events_per_s == 10
    assert "1 of 2 runs failed" in table(some)
    assert "failed" in table(none)


def test_without_us_there_is_no_ratio() -> None:
    assert rows_of([run_of("quix", 10)])[0].ratio is None


def test_all_lines_of_a_table_are_equally_long() -> None:
    lines = table(
        rows_of([run_of("ours", 123_456), run_of("faust", 1), run_of("bare-poll", 9, right=None)])
    ).splitlines()

    assert len({len(line) for line in lines}) == 1


# -- the engines


def test_engines_are_chosen_by_row_or_by_family_once_each() -> None:
    names = [engine.name for engine in chosen("flink,ours,flink-heap,quix")]

    assert names == ["flink-rocksdb", "flink-heap", "ours", "quix"]


def test_our_worker_is_one_process_unless_a_number_is_named() -> None:
    names = [engine.name for engine in chosen("ours,ours-2,ours-16,ours-compiled,kafka-streams,kafka-streams-2")]

    assert names == ["ours", "ours-2", "ours-16", "ours-compiled", "kafka-streams", "kafka-streams-2"]


@pytest.mark.parametrize("name", ["ours-1", "ours-0", "ours-700", "ours-x"])
def test_no_other_number_of_processes_is_an_engine(name: str) -> None:
    with pytest.raises(ValueError, match=f"found {name}, expected"):
        chosen(name)


def test_an_engine_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(ValueError, match="found storm, expected some of ours, ours-2, ours-2-compiled, kafka-streams"):
        chosen("ours,storm")
