"""Laws of a worker that is told to stop, and of partitions that come and go while others are restored."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from stream.app.recent import Recent
from stream.app.status import EngineStatus
from stream.codec.control import Control
from stream.engine.holding import NoControls
from stream.engine.interfaces import OutcomeUnknown
from stream.store.errors import StoreFull
from tests.engine.shop import PROGRAM, changes, shop
from tests.engine.world import Fault, MemoryStore, Worker, World

TIMEOUT_S = 10


class HeldUp:
    """A restorer that waits before it ends, for the partitions `of`, until it may; with `error`, if one is set."""

    def __init__(self, worker: Worker, of: set[int]) -> None:
        self._restorer: Any = worker.engine.outside.restorer
        self._of = of
        self.began = threading.Event()
        self.go_on = threading.Event()
        self.error: Exception | None = None
        object.__setattr__(worker.engine.outside, "restorer", self)

    def restore(self, partition: int, given_up: Callable[[], bool]) -> Any:
        restored = self._restorer.restore(partition, given_up)
        if partition in self._of:
            self.began.set()
            assert self.go_on.wait(TIMEOUT_S)
            if self.error is not None:
                raise self.error
        return restored


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(TIMEOUT_S):
        while not holds():
            await asyncio.sleep(0.001)


def unready(worker: Worker) -> list[str]:
    status = EngineStatus(worker.engine, CollectorRegistry(), Recent(lambda: 0))
    return [check.name for check in status.ready_checks() if not check.ok]


async def test_a_worker_that_is_leaving_begins_nothing_with_partitions_it_is_still_given() -> None:
    """The group may share out partitions between its last commit and its leave."""
    world = shop()
    world.partitions = 2
    worker = Worker(world, PROGRAM)
    await worker.assign(0)
    await worker.engine.stop()

    await worker.assign(1)

    assert 1 not in world.stores


async def test_what_a_last_commit_may_have_written_is_not_written_again_when_it_fails() -> None:
    world = shop()
    worker = Worker(world, PROGRAM)
    await worker.assign(0)
    await worker.read()

    def full(*_: Any) -> None:
        raise StoreFull("no space left")

    world.stores[0].write = full  # type: ignore[method-assign, assignment]
    with pytest.raises(StoreFull):
        await worker.engine.stop()
    await worker.engine.commit()  # the commit loop's next turn, where nothing has ended it yet

    assert [type(failure) for failure in worker.failures] == [StoreFull]
    ids = [change["id"] for change in changes(world)]
    assert ids and len(ids) == len(set(ids))


async def test_a_partition_is_live_when_it_is_restored_however_long_others_take() -> None:
    world = World(partitions=4)
    worker = Worker(world, PROGRAM)
    slow = HeldUp(worker, of={2, 3})

    worker.engine.assigned([0, 1, 2, 3])

    await until(lambda: [task.number for task in worker.engine._live()] == [0, 1])
    assert worker.engine.tasks[2] is None
    slow.go_on.set()
    await until(lambda: worker.engine.ready)
    worker.raise_failures()


@pytest.fixture
def closed(monkeypatch: pytest.MonkeyPatch) -> list[MemoryStore]:
    """The stores that were closed."""
    found: list[MemoryStore] = []

    def close(self: MemoryStore) -> None:
        found.append(self)

    monkeypatch.setattr(MemoryStore, "close", close)
    return found


async def test_a_store_that_is_opened_while_the_worker_stops_is_closed(closed: list[MemoryStore]) -> None:
    """Else the next start would read it all: only a folder closed in order has a seal."""
    world = shop()
    worker = Worker(world, PROGRAM)
    slow = HeldUp(worker, of={0})
    worker.engine.assigned([0])
    await asyncio.to_thread(slow.began.wait, TIMEOUT_S)
    closed.clear()  # a rebuild closes it, and opens it anew

    await worker.engine.stop()
    assert closed == []
    slow.go_on.set()

    await until(lambda: closed == [world.stores[0]])
    worker.raise_failures()


class Hesitant(NoControls):
    """A control topic that takes its time."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = threading.Event()
        self.answer = threading.Event()

    def read(self) -> Mapping[str, Control | None]:
        self.asked.set()
        assert self.answer.wait(TIMEOUT_S)
        return super().read()


async def test_a_store_that_waits_for_what_is_held_is_closed_when_the_worker_stops(closed: list[MemoryStore]) -> None:
    world, controls = shop(), Hesitant()
    worker = Worker(world, PROGRAM, controls=controls)
    worker.engine.assigned([0])
    await asyncio.to_thread(controls.asked.wait, TIMEOUT_S)
    closed.clear()

    await worker.engine.stop()
    controls.answer.set()

    assert closed == [world.stores[0]]
    worker.raise_failures()


async def test_a_restore_that_fails_when_its_partition_is_another_workers_ends_nothing() -> None:
    world = shop()
    worker = Worker(world, PROGRAM)
    slow = HeldUp(worker, of={0})
    worker.engine.assigned([0])
    await asyncio.to_thread(slow.began.wait, TIMEOUT_S)
    await worker.engine.lost([0])

    slow.error = OutcomeUnknown("no answer")
    slow.go_on.set()
    await until(lambda: not worker.engine._jobs)

    assert worker.failures == []


async def test_a_worker_that_is_left_without_partitions_is_ready_whatever_was_wrong_with_them() -> None:
    world = shop(1)
    worker = Worker(world, PROGRAM)
    await worker.assign(0)
    world.faults["send_offsets"] = [Fault.ABORT]
    await worker.read()
    await worker.engine.commit()
    ends = worker.reads.high_watermarks

    def away(_: Any) -> dict[int, int]:
        raise OutcomeUnknown

    worker.reads.high_watermarks = away  # type: ignore[method-assign, assignment]
    await worker.engine.tick()
    assert unready(worker) == ["broker", "commit"]

    await worker.engine.lost([0])
    worker.engine.assigned([])
    await worker.engine.tick()
    assert "broker" in unready(worker)  # they still do not answer

    worker.reads.high_watermarks = ends  # type: ignore[method-assign]
    await worker.engine.tick()

    assert unready(worker) == []
