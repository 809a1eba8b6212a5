"""A bug that only silence shows: no record is to blame. One partition's clock stands, the rest goes on."""

from __future__ import annotations

from collections import Counter
from typing import Any

from stream.engine.observer import Observer
from stream.rules.compile import CompiledProgram
from tests.engine.shop import order
from tests.engine.world import DAY, START, Worker, World
from tests.verify.worlds import PROGRAM, verified

BAD_DUE_MS = START + DAY + 31 * DAY
"""When the customer `bad` falls silent."""


class Stumbling:
    """The real program, but for one instant."""

    def __init__(self, program: CompiledProgram) -> None:
        self._program = program

    def __getattr__(self, name: str) -> Any:
        return getattr(self._program, name)

    def explain(self, index: int, cells: list[Any], now_ms: int) -> Any:
        if now_ms == BAD_DUE_MS:
            raise ZeroDivisionError("a bug of ours")
        return self._program.explain(index, cells, now_ms)


class Told(Observer):
    def __init__(self) -> None:
        self.failed_at: list[int] = []

    def wake_failed(self, partition: int) -> None:
        self.failed_at.append(partition)


async def stumbled() -> tuple[World, Worker, Told]:
    """`bad` and `good` on partition 0, `far` on 1, each with one order; then 40 days of silence."""
    world, told = World(partitions=2, now_ms=START + 6 * DAY), Told()
    worker = Worker(world, Stumbling(PROGRAM), told)  # type: ignore[arg-type]
    await worker.assign(0, 1)
    world.send("bad", order("bad", START + 2 * DAY, 1))
    world.send("good", order("good", START + 5 * DAY, 2))
    world.send("far", order("far", START + 2 * DAY + 5, 3), 1)
    await worker.settle()
    world.now_ms += 40 * DAY
    await worker.settle()
    return world, worker, told


def lapsed(world: World) -> Counter[str]:
    return Counter(
        (record.key or b"").decode()
        for partition in (0, 1)
        for record in world.values("changes", partition)
        if b'"to_stage":"inactive"' in (record.value or b"")
    )


async def test_the_clock_of_its_partition_stands_and_the_others_go_on() -> None:
    world, worker, told = await stumbled()

    assert worker.failures == []
    assert told.failed_at == [0]
    assert lapsed(world) == {"far": 1}


async def test_records_of_its_partition_go_on() -> None:
    world, worker, told = await stumbled()
    world.send("new", order("new", world.now_ms, 4))
    await worker.settle()

    assert any(record.key == b"new" for record in world.values("changes"))
    assert told.failed_at == [0]
    assert verified(world, PROGRAM).violations == []


async def test_no_commit_waits_for_what_is_released_while_the_clock_stands() -> None:
    world, worker, _ = await stumbled()
    task = worker.engine.tasks[0]
    assert task is not None
    task.hold(["clock"], world.now_ms)
    task.hold([], world.now_ms)

    assert not task.backlog


async def test_with_the_bug_mended_all_that_was_due_comes_at_its_instant() -> None:
    world, _, _ = await stumbled()
    mended = Worker(world, PROGRAM, nonce="n2")
    await mended.assign(0, 1)
    await mended.settle()

    assert lapsed(world) == {"bad": 1, "good": 1, "far": 1}
    assert verified(world, PROGRAM).violations == []
