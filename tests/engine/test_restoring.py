"""Copies are counted one at a time."""

from __future__ import annotations

import asyncio

import pytest

from stream.engine.restore import GivenUp, Restored, Restorer
from tests.engine.shop import PROGRAM, shop
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
