"""Laws of the worker's own holds: a partition of rejected records, and an event that has gone quiet."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stream.engine.engine import Engine
from stream.engine.rejects import LEAST_RECORDS, SLICE_MS, WINDOW_MS, RejectWatch
from stream.engine.silence import MINUTE_MS
from tests.engine.test_holds import Shop, Switchboard
from tests.engine.world import Worker
from tests.verify.worlds import PROGRAM, verified

ORDER = "Order Completed"


async def guarded(shop: Shop, nonce: str = "n1", **settings: object) -> Worker:
    worker = Worker(shop.world, PROGRAM, nonce=nonce, controls=shop.board)
    engine = worker.engine
    worker.engine = Engine(PROGRAM, replace(engine.settings, **settings), engine.outside, engine.observer)
    await worker.assign(0)
    return worker


def poison(shop: Shop, count: int) -> None:
    for number in range(count):
        shop.world.send(f"p{number}", b"{bad")


async def test_a_partition_of_mostly_rejected_records_is_not_read_on_until_it_is_released() -> None:
    shop = Shop()
    worker = await guarded(shop, reject_stop_ratio=0.5)
    poison(shop, LEAST_RECORDS + 500)
    await worker.settle(most=100)
    assert shop.meta().next_offset == LEAST_RECORDS
    assert shop.board.held["partition/0"].by == "reject_stop_ratio"
    shop.days(1)
    await worker.settle(most=100)
    again = await guarded(shop, "n2", reject_stop_ratio=0.5)
    await again.settle(most=100)
    assert shop.meta().next_offset == LEAST_RECORDS, "also not after a restart"
    clock_ms = again.engine.tasks[0].partition.clock_ms
    assert clock_ms < shop.world.now_ms
    del shop.board.held["partition/0"]
    await again.settle(most=100)
    assert shop.meta().next_offset == LEAST_RECORDS + 500
    assert verified(shop.world, PROGRAM).violations == []


async def test_while_the_control_topic_is_away_a_partition_is_stopped_all_the_same_and_told_later() -> None:
    shop = Shop()
    worker = await guarded(shop, reject_stop_ratio=0.5)
    shop.board.silent = True
    poison(shop, LEAST_RECORDS + 500)
    await worker.settle(most=100)
    assert shop.meta().next_offset == LEAST_RECORDS and shop.board.held == {}
    shop.board.silent = False
    await worker.settle(most=100)
    assert shop.board.held.keys() == {"partition/0"}


@pytest.mark.parametrize("ratio", [0.0, 0.9])
async def test_below_the_ratio_and_with_none_it_is_read_on(ratio: float) -> None:
    shop = Shop()
    worker = await guarded(shop, reject_stop_ratio=ratio)
    for _ in range(3):
        poison(shop, 400)
        for number in range(100):
            shop.buys(f"c{number}")
    await worker.settle(most=100)
    assert shop.meta().next_offset == 1_500 and not shop.board.held


def test_rejected_records_of_long_ago_are_forgotten() -> None:
    watch = RejectWatch(0.5)
    assert not watch.too_many(0, LEAST_RECORDS - 1, LEAST_RECORDS - 1)
    assert not watch.too_many(WINDOW_MS + SLICE_MS, 10, 10)
    assert (watch.received, watch.rejected) == (10, 10)


async def test_an_event_that_goes_quiet_holds_the_silences_that_rest_on_it_until_somebody_releases_them() -> None:
    shop = Shop()
    shop.board = Switchboard()
    worker = await guarded(shop, silence_hold_ms=2 * MINUTE_MS, watched_events=(ORDER,))
    for minute in range(70):
        for number in range(120):
            shop.buys(f"c{number}")
            shop.buys(f"v{number}", "Product Viewed")
        await pass_a_minute(shop, worker)
        assert not shop.board.held, f"minute {minute}"
    for _ in range(5):
        for number in range(120):
            shop.buys(f"v{number}", "Product Viewed")
        await pass_a_minute(shop, worker)
    assert shop.board.held.keys() == {f"event/{ORDER}"}
    assert shop.board.held[f"event/{ORDER}"].by == "silence_hold"
    assert shop.meta().holds.keys() == {f"event/{ORDER}"}
    shop.days(40)
    await worker.settle()
    assert shop.lapsed() == []
    shop.board.held.clear()
    await worker.settle()
    assert len(shop.lapsed()) == 120


async def pass_a_minute(shop: Shop, worker: Worker) -> None:
    for _ in range(3):
        shop.world.now_ms += MINUTE_MS // 3
        await worker.read()
        await worker.engine.tick()
        await worker.engine.commit()
    worker.raise_failures()
