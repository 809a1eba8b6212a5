"""Whoever is restored is counted: copies one at a time, a rebuild while the changelog is read, or behind it."""

from __future__ import annotations

import asyncio

import pytest

from stream.codec.snapshot import wake_of
from stream.engine.restore import MOST_COUNTED, GivenUp, Restored, Restorer
from stream.errors import StartRefused
from tests.engine.shop import PROGRAM, order, shop
from tests.engine.world import Worker, World

TURN_S = 10.0


async def copied() -> tuple[World, Restorer]:
    """A partition with a copy that was not closed in order, and a restorer that will find it."""
    world = shop(1)
    worker = Worker(world, PROGRAM)
    await worker.assign(0)
    await worker.settle()
    return world, Worker(world, PROGRAM, nonce="n2").engine.outside.restorer


async def restored(restorer: Restorer, *given_up: bool) -> Restored:
    """`given_up`: the answers, when that is asked."""
    answers = list(given_up)
    restoring = asyncio.to_thread(restorer.restore, 0, lambda: answers.pop(0))
    return await asyncio.wait_for(restoring, TURN_S)


async def test_while_another_copy_is_counted_one_waits_and_can_be_given_up() -> None:
    world, restorer = await copied()

    with restorer.counting, pytest.raises(GivenUp):
        await restored(restorer, False, False, True)

    assert world.set_aside == []


async def test_it_is_counted_when_its_turn_has_come_and_lets_the_next_one() -> None:
    _, restorer = await copied()

    assert (await restored(restorer, False)).meta.keys == 1
    assert (await restored(restorer, False)).meta.keys == 1


async def test_one_that_is_as_it_was_left_waits_for_nobody() -> None:
    world, restorer = await copied()
    world.stores[0].unchanged = True

    with restorer.counting:
        assert (await restored(restorer, False)).meta.keys == 1


async def heard_of_again() -> World:
    """A changelog that names customers several times, an erased one among them, and no copy."""
    world = shop(4)
    worker = Worker(world, PROGRAM)
    await worker.assign(0)
    await worker.settle()
    world.send("c1", order("c1", world.now_ms, 10))
    world.send("c2", None)
    await worker.settle()
    world.stores.clear()
    return world


def rebuilding(world: World, most_counted: int) -> Restorer:
    restorer = Worker(world, PROGRAM, nonce="n2").engine.outside.restorer
    restorer.most_counted = most_counted
    return restorer


@pytest.mark.parametrize("most_counted", [MOST_COUNTED, 2])
async def test_a_rebuild_counts_the_newest_of_each_customer_and_names_their_wakes(most_counted: int) -> None:
    world = await heard_of_again()

    found = await restored(rebuilding(world, most_counted), *[False] * 20)

    assert found.rebuilt and found.meta.keys == 3
    assert world.stores[0].wakes == {(wake_of(state), key) for key, state in world.stores[0].customers.items()}
    assert world.stores[0].customers.keys() == {b"c0", b"c1", b"c3"}


@pytest.mark.parametrize("most_counted", [MOST_COUNTED, 2])
async def test_a_state_topic_that_lost_a_customer_is_refused_however_it_is_counted(most_counted: int) -> None:
    world = await heard_of_again()
    lost = [record for record in world.topics["state", 0] if record.key != b"c1"]
    assert len(lost) < len(world.topics["state", 0])
    world.topics["state", 0][:] = lost

    with pytest.raises(StartRefused, match="holds 2 customers, the last commit counted 3"):
        await restored(rebuilding(world, most_counted), *[False] * 20)


@pytest.mark.parametrize("most_counted", [MOST_COUNTED, 2])
async def test_a_rebuild_can_be_given_up_until_all_wakes_are_named(most_counted: int) -> None:
    world = await heard_of_again()
    asked = 0

    def never() -> bool:
        nonlocal asked
        asked += 1
        return False

    await asyncio.to_thread(rebuilding(world, most_counted).restore, 0, never)
    world.stores.clear()

    with pytest.raises(GivenUp):
        await restored(rebuilding(world, most_counted), *[False] * (asked - 1), True)
