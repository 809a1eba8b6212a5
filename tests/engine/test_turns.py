"""Laws of the turns: records go first, wakes that wait are spread over commits, neither waits for ever."""

from __future__ import annotations

import asyncio

import pytest

from stream.codec.journal import JournalRecord, decode_journal
from stream.engine import turns
from stream.engine.turns import BUSY_S, LEAST_WAKES, MOST_WAKES, Turns, next_wakes
from tests.engine.shop import PROGRAM, changes, order, shop
from tests.engine.world import DAY, Fault, Worker, World


def storm_of(monkeypatch: pytest.MonkeyPatch, wakes: int) -> None:
    """Every commit takes so many."""
    for bound in ("FIRST_WAKES", "LEAST_WAKES", "MOST_WAKES"):
        monkeypatch.setattr(turns, bound, wakes)


def journal(world: World, partition: int = 0) -> list[JournalRecord]:
    return [decode_journal(record.value) for record in world.values("journal", partition)]


def lapsed(world: World) -> list[str]:
    return [c["customer_id"] for c in changes(world) if c.get("to_stage") == "inactive"]


async def in_a_storm(customers: int) -> tuple[World, Worker]:
    """All of them have fallen silent at once, and the first commit's wakes have fired."""
    world = shop(customers)
    worker = Worker(world, PROGRAM)
    await worker.assign(0)
    await worker.settle()
    world.now_ms += 60 * DAY
    await worker.engine.tick()
    return world, worker


async def test_a_storm_of_wakes_is_spread_over_commits_and_loses_none(monkeypatch):
    storm_of(monkeypatch, 2)
    world, worker = await in_a_storm(7)
    await worker.settle()
    assert sorted(lapsed(world)) == [f"c{n}" for n in range(7)]
    assert [each.counts["wakes"] for each in journal(world) if each.counts["wakes"]] == [2, 2, 2, 1]


async def test_all_partitions_of_a_worker_share_the_wakes_of_a_commit(monkeypatch):
    storm_of(monkeypatch, 4)
    world = World(partitions=2)
    for partition, customers in ((0, 5), (1, 20)):
        for number in range(customers):
            name = f"c{partition}-{number}"
            world.send(name, order(name, world.now_ms, number), partition)
    worker = Worker(world, PROGRAM)
    await worker.assign(0, 1)
    await worker.settle()
    world.now_ms += 60 * DAY
    await worker.settle()

    wakes = [[each.counts["wakes"] for each in journal(world, n) if each.counts["wakes"]] for n in (0, 1)]

    # Two each while both have some, then all four for the one that still has.
    assert wakes == [[2, 2, 1], [2, 2, 2, 4, 4, 4, 2]]


async def test_records_that_have_been_read_are_taken_in_before_a_commit_and_its_wakes(monkeypatch):
    storm_of(monkeypatch, 2)
    world, worker = await in_a_storm(7)
    await worker.engine.commit()
    for number in range(3):
        world.send("new", order("new", world.now_ms, number))
    batches = [worker.source.next_batch(0, 1) for _ in range(3)]
    committing = asyncio.create_task(worker.engine.commit())
    for batch in batches:
        await asyncio.sleep(0)
        await worker.engine.handle(batch)
    await committing
    last = journal(world)[-1]
    assert (last.counts["accepted"], last.counts["wakes"]) == (3, 2)
    assert [met for _, _, met in last.steps] == [2], "while some wait, records fire none"
    assert last.steps[0][0] == last.to_offset, "the wakes came after the records"


async def test_a_commit_that_is_due_takes_in_what_has_been_read_though_no_wake_waits():
    world = shop(3)
    worker = Worker(world, PROGRAM)
    await worker.assign(0)
    first, *others = [worker.source.next_batch(0, 1) for _ in range(3)]
    await worker.engine.handle(first)
    committing = asyncio.create_task(worker.engine.commit())
    for batch in others:
        await asyncio.sleep(0)
        await worker.engine.handle(batch)
    await committing
    assert [each.counts["accepted"] for each in journal(world)] == [3]


async def test_a_commit_that_is_due_does_not_wait_for_what_is_read_after(monkeypatch):
    monkeypatch.setattr(turns, "RECORDS_FIRST_S", 60.0)
    world = shop(3)
    worker = Worker(world, PROGRAM)
    await worker.assign(0)
    first, second = (worker.source.next_batch(0, 1) for _ in range(2))
    await worker.engine.handle(first)
    committing = asyncio.create_task(worker.engine.commit())
    await asyncio.sleep(0)
    worker.source.next_batch(0, 1)
    await worker.engine.handle(second)
    await asyncio.wait_for(committing, 10.0)
    assert [each.counts["accepted"] for each in journal(world)] == [2]


async def test_a_commit_of_very_much_does_not_wait_for_more(monkeypatch):
    monkeypatch.setattr(turns, "EARLY_COMMIT", 2)
    world = shop(3)
    worker = Worker(world, PROGRAM)
    await worker.assign(0)
    batches = [worker.source.next_batch(0, 1) for _ in range(3)]
    for batch in batches[:2]:
        await worker.engine.handle(batch)
    await worker.engine.commit()
    assert [each.counts["accepted"] for each in journal(world)] == [2]


async def test_wakes_do_not_wait_for_ever_for_records_that_never_end(monkeypatch):
    storm_of(monkeypatch, 2)
    monkeypatch.setattr(turns, "RECORDS_FIRST_S", 0.01)
    world, worker = await in_a_storm(7)
    await worker.engine.commit()
    worker.source.underway = 1  # and nobody hands them over
    await worker.engine.commit()
    assert [each.counts["wakes"] for each in journal(world)[-2:]] == [2, 2]


@pytest.mark.parametrize("call", ["produce", "send_offsets", "commit"])
async def test_an_abort_in_the_middle_of_a_storm_fires_each_wake_once(monkeypatch, call):
    storm_of(monkeypatch, 2)
    world, worker = await in_a_storm(7)
    await worker.engine.commit()
    world.faults[call] = [Fault.ABORT]
    world.now_ms += 1
    await worker.settle()
    assert sorted(lapsed(world)) == [f"c{n}" for n in range(7)]


async def test_a_worker_started_again_in_the_middle_of_a_storm_goes_on_with_the_rest(monkeypatch):
    storm_of(monkeypatch, 2)
    world, worker = await in_a_storm(7)
    await worker.engine.commit()
    assert len(lapsed(world)) == 2
    world.now_ms += 1
    second = Worker(world, PROGRAM, nonce="n2")
    await second.assign(0)
    await second.settle()
    assert sorted(lapsed(world)) == [f"c{n}" for n in range(7)]


async def test_what_commits_a_storm_on_its_way_out_has_no_step_that_passes_wakes_and_meets_none(monkeypatch):
    storm_of(monkeypatch, 2)
    world, worker = await in_a_storm(7)
    await worker.engine.commit()
    world.send("new", order("new", world.now_ms, 1))
    world.now_ms += 1_000
    await worker.read()
    await worker.engine.tick()
    await worker.engine.stop()
    last = journal(world)[-1]
    assert (last.counts["accepted"], last.steps) == (1, [])


def test_the_next_commit_takes_as_many_wakes_as_keep_the_worker_busy_for_long_enough():
    assert next_wakes(1_000, BUSY_S) == 1_000
    assert next_wakes(1_000, BUSY_S / 1.5) == 1_500
    assert next_wakes(1_000, BUSY_S * 1.25) == 800


async def test_what_was_made_ahead_of_a_commit_counts_among_what_its_wakes_cost(monkeypatch):
    for bound, wakes in (("FIRST_WAKES", 2), ("LEAST_WAKES", 1), ("MOST_WAKES", 8)):
        monkeypatch.setattr(turns, bound, wakes)
    _, worker = await in_a_storm(7)
    own = Turns(lambda: [task for task in worker.engine.tasks.values() if task], worker.source, lambda *_: None)
    own.fire()
    own.made_ahead(BUSY_S)

    own.committed(BUSY_S)

    assert own.wakes == 1


def test_one_slow_or_quick_commit_halves_or_doubles_the_next_at_most():
    assert next_wakes(2_000, 100.0) == 1_000
    assert next_wakes(2_000, 0.0) == 4_000


def test_a_commit_takes_some_wakes_however_slow_and_never_very_many_however_quick():
    assert next_wakes(LEAST_WAKES, 100.0) == LEAST_WAKES
    assert next_wakes(MOST_WAKES, 0.001) == MOST_WAKES
