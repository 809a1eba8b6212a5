"""Laws of a wall clock that is wrong: silence is not judged by it, whenever it steps; a hold has the right date."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from stream.codec.control import Control
from stream.codec.instants import to_text
from stream.codec.journal import decode_journal
from tests.engine.shop import PROGRAM, changes, order, shop
from tests.engine.test_holds import Switchboard
from tests.engine.world import DAY, Worker, World

HOUR = 3_600_000
AHEAD = 31 * DAY


def stages(world: World) -> list[str]:
    return [change["to_stage"] for change in changes(world) if "to_stage" in change]


async def settled(world: World, board: Switchboard | None = None) -> Worker:
    worker = Worker(world, PROGRAM, controls=board)
    await worker.assign(0)
    await worker.settle()
    return worker


@pytest.mark.parametrize("skew_ms", [AHEAD, -HOUR])
async def test_silence_is_not_judged_by_a_wrong_clock_and_goes_on_once_it_is_right(skew_ms):
    world = shop(1)
    worker = await settled(world)
    world.now_ms += 0 if skew_ms > 0 else AHEAD
    world.skew_ms = skew_ms

    for _ in range(3):
        await worker.engine.tick()
        await worker.engine.commit()

    assert stages(world) == ["active"]
    assert worker.engine.blocked_reason == "clock-skew"
    world.skew_ms = 0
    world.now_ms += AHEAD
    await worker.settle()
    assert stages(world) == ["active", "inactive"]
    assert worker.engine.blocked_reason is None


async def test_a_clock_that_was_wrong_when_it_was_asked_is_not_believed_though_it_is_right_when_the_end_is_known():
    world = shop(1)
    worker = await settled(world)
    ends = worker.reads.high_watermarks

    def right_again(partitions: Sequence[int]) -> dict[int, int]:
        world.skew_ms = 0
        return ends(partitions)

    worker.reads.high_watermarks = right_again  # type: ignore[method-assign]
    world.skew_ms = AHEAD

    await worker.engine.tick()
    await worker.engine.commit()

    assert stages(world) == ["active"]


async def test_a_hold_found_while_the_clock_is_wrong_is_in_force_since_the_brokers_time():
    world, board = shop(1), Switchboard()
    worker = await settled(world, board)
    world.skew_ms = AHEAD
    board.held["clock"] = Control("ann", world.now_ms, "the shop's tracker is broken")

    await worker.engine.tick()
    await worker.engine.commit()

    (since_ms,) = worker.engine.tasks[0].partition.holds.values()
    assert since_ms == world.now_ms
    assert [hold[2] for entry in world.values("journal") for hold in decode_journal(entry.value).holds] == [since_ms]


async def test_events_are_taken_in_while_the_clock_is_wrong():
    world = shop(1)
    worker = await settled(world)
    world.skew_ms = AHEAD
    world.send("c9", order("c9", world.now_ms, 99))

    await worker.read()
    await worker.engine.commit()

    assert stages(world) == ["active", "active"]


async def test_an_event_taken_in_while_the_clock_is_behind_keeps_its_time():
    """No event is later than it was read: by a clock that is an hour behind it would be an hour too early for good."""
    world = shop(1)
    worker = await settled(world)
    world.skew_ms = -HOUR
    world.send("c9", order("c9", world.now_ms, 99))

    await worker.read()
    await worker.engine.commit()

    (change,) = [each for each in changes(world) if each["customer_id"] == "c9" and "to_stage" in each]
    assert change["effective_at"] == to_text(world.now_ms)
