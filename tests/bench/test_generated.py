"""Customers whose state is generated for the benchmark are such as the worker itself would have left behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.bare_wakes import TOPICS, pool
from bench.generated import DAY_MS, Crowd, Customers, check_wakes, records
from bench.load import customer
from bench.many import many_definitions
from bench.schedule import STEPS, Step, bound_s
from bench.wakes import tell
from stream.codec.snapshot import decode_profile, wake_of
from stream.core.partition import GRACE_MS
from stream.core.transition import Wake, advance
from stream.engine.interfaces import Produce
from stream.engine.observer import Observer
from stream.engine.restore import Beginning, Restorer
from stream.rules.compile import CompiledProgram, compile_program
from stream.rules.load import load_definitions, parse_definitions
from tests.engine.world import START, Reads, World

DEFINITIONS = Path(__file__).parents[2] / "bench" / "definitions.yaml"
CROWD = Crowd(40, storm=10, storm_ms=START + 60_000, steady=5, steady_ms=START + 10_000, steady_per_s=2)


@pytest.fixture(scope="module")
def program() -> CompiledProgram:
    return compile_program(load_definitions([DEFINITIONS]))


def test_each_wakes_when_the_crowd_says(program: CompiledProgram) -> None:
    known = Customers(program, START)
    dues = [wake_of(known.state(CROWD.due_ms(number, START))) for number in range(CROWD.customers)]

    assert dues[:10] == [START + 60_000] * 10
    assert dues[10:15] == [START + 10_000 + 500 * number for number in range(5)]
    assert all(START + DAY_MS <= due < START + 6 * DAY_MS for due in dues[15:])


def test_a_wake_of_the_storm_is_one_change(program: CompiledProgram) -> None:
    profile = decode_profile("x", Customers(program, START).state(CROWD.storm_ms), program)

    changes = advance(profile, Wake(CROWD.storm_ms, CROWD.storm_ms, False), program).changes

    assert [change.definition.name for change in changes if change.definition] == ["recency"]


def test_no_two_customers_are_the_same_bytes(program: CompiledProgram) -> None:
    known = Customers(program, START)

    assert len({known.state(CROWD.storm_ms) for _ in range(100)}) == 100


def test_definitions_under_which_nobody_wakes_then_are_refused() -> None:
    known = Customers(compile_program(parse_definitions([("many.yaml", many_definitions(10))])), START)

    with pytest.raises(ValueError, match=r"bench/definitions\.yaml only"):
        check_wakes(known, CROWD.storm_ms)


def test_a_worker_restores_them_and_every_wake(program: CompiledProgram) -> None:
    world, observer = World(partitions=2), Observer()
    for partition, key, value in records(CROWD, Customers(program, START), [0, 1], 2):
        world.topics["state", partition].append(Produce("state", partition, key, value))
    reads = Reads(world)
    beginning = Beginning("earliest", 2, lambda: "00000001", lambda: START)
    restorer = Restorer(program, reads, reads, reads, beginning, observer)

    restored = [restorer.restore(partition, lambda: False) for partition in (0, 1)]

    assert [each.rebuilt for each in restored] == [True, True]
    assert sum(each.meta.keys for each in restored) == CROWD.customers
    assert sum(each.meta.members["recency/hot"] for each in restored) == CROWD.customers
    assert sum(len(list(each.store.due(START, CROWD.storm_ms))) for each in restored) == CROWD.storm + CROWD.steady


@pytest.mark.parametrize("count", [10, 50, 200])
def test_as_many_definitions_as_asked_for_all_different(count: int) -> None:
    definitions = parse_definitions([("many.yaml", many_definitions(count))])

    assert len(compile_program(definitions).definitions) == count
    conditions = [line for line in many_definitions(count).splitlines() if line.startswith("    when: ")]
    assert len(set(conditions)) == count


# -- what is told of wakes


def test_single_wakes_and_the_storm_are_told_apart_and_lateness_counts_from_the_grace() -> None:
    clock = ((1_000, 40.0), (2_000, 60.0), (9_000, 500.0), (9_000, 4_000.0))
    seen: dict[str, list[tuple[int, float]]] = {
        "clock": [(at_ms, GRACE_MS + late) for at_ms, late in clock],
        "event": [(5_000, 100.0), (9_000 + GRACE_MS + 10, 700.0)],
    }  # fmt: skip

    figures = tell(seen, (1_000, 9_000), storm=2)

    assert (figures["steady_wakes"], figures["steady_late_max_ms"]) == (2, 60.0)
    assert (figures["storm_first_late_ms"], figures["storm_drain_s"], figures["storm_wakes_per_s"]) == (500, 4.0, 0.5)
    assert (figures["steady_live_max_ms"], figures["storm_live_max_ms"]) == (100.0, 700.0)


# -- the schedule


def test_a_step_is_bounded_by_itself_and_by_what_is_left_and_left_out_when_that_is_too_little() -> None:
    step = Step("x", "x", usual_s=100, bound_s=200, small="x")

    assert [bound_s(step, left_s) for left_s in (1_000, 150, 95, 80)] == [200, 150, 95, None]


def test_every_step_has_its_own_name_and_is_bounded_by_more_than_it_usually_takes() -> None:
    assert len({step.name for step in STEPS}) == len(STEPS)
    assert all(step.bound_s > step.usual_s for step in STEPS)


# -- the limit of a storm


def test_what_a_bare_loop_writes_of_a_wake_is_its_customers_change_membership_and_state() -> None:
    wakes = pool(3)

    assert [[record.topic for record in wake] for wake in wakes] == [list(TOPICS)] * 3
    assert [{record.key for record in wake} for wake in wakes] == [{customer(number).encode()} for number in range(3)]
    assert all(record.value for wake in wakes for record in wake)
