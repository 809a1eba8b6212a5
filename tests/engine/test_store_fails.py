"""A disk that can't be read ends the worker: no record is rejected and no silence passed over because of it."""

from __future__ import annotations

from typing import Any

import pytest

from stream.store.errors import StoreDamaged, StoreFull
from tests.engine.shop import order
from tests.engine.world import DAY, START, Worker, World
from tests.verify.worlds import PROGRAM, verified


async def one_customer() -> World:
    world = World(now_ms=START + DAY)
    worker = Worker(world, PROGRAM)
    await worker.assign(0)
    world.send("ann", order("ann", START, 1))
    await worker.settle()
    return world


def full(*_: Any) -> Any:
    raise StoreFull("partition-0: write: no space left")


def unreadable(*_: Any) -> Any:
    raise StoreDamaged("partition-0: read: bad block")


async def test_a_disk_that_is_full_at_the_end_is_told_and_its_successor_has_everything() -> None:
    world = await one_customer()
    worker = Worker(world, PROGRAM, nonce="n2")
    await worker.assign(0)
    world.send("ann", order("ann", world.now_ms, 2))
    await worker.settle()
    world.stores[0].write = full

    with pytest.raises(StoreFull):
        await worker.engine.stop()

    del world.stores[0].write
    successor = Worker(world, PROGRAM, nonce="n3")
    await successor.assign(0)
    await successor.settle()
    assert world.set_aside == []
    assert verified(world, PROGRAM).violations == []


@pytest.mark.parametrize("read", ["get", "due"])
async def test_a_store_that_can_not_be_read_ends_the_worker_and_its_successor_does_everything(read: str) -> None:
    world = await one_customer()
    worker = Worker(world, PROGRAM, nonce="n2")
    await worker.assign(0)
    setattr(world.stores[0], read, unreadable)
    world.send("ann", order("ann", world.now_ms, 2))
    world.now_ms += 40 * DAY

    with pytest.raises(StoreDamaged):
        await worker.settle()

    assert world.values("rejected") == []
    delattr(world.stores[0], read)
    successor = Worker(world, PROGRAM, nonce="n3")
    await successor.assign(0)
    await successor.settle()
    assert world.values("rejected") == []
    assert any(b'"to_stage":"inactive"' in (change.value or b"") for change in world.values("changes"))
    assert verified(world, PROGRAM).violations == []
