"""Laws of starting: what a worker refuses to go on from, and what is new when a state begins anew."""

from __future__ import annotations

import pytest

from stream.errors import StartRefused
from tests.engine.shop import PROGRAM, changes, shop
from tests.engine.world import Worker


async def test_events_that_were_deleted_before_they_were_read_are_missed():
    world = shop()
    first = Worker(world, PROGRAM, nonce="first")
    await first.assign(0)
    await first.read(most=2)
    await first.engine.commit()
    world.first_kept = 7
    with pytest.raises(StartRefused, match="retention has deleted 1 unread events"):
        await Worker(world, PROGRAM, nonce="second").assign(0)


async def test_a_state_that_begins_anew_gives_no_id_again():
    world = shop()
    first = Worker(world, PROGRAM, nonce="first")
    await first.assign(0)
    await first.settle()
    before = {change["id"] for change in changes(world)}
    for topic in ("state", "changes", "journal"):
        world.topics[topic, 0].clear()
    world.offsets.clear()
    world.stores.clear()
    second = Worker(world, PROGRAM, nonce="second")
    await second.assign(0)
    await second.settle()
    assert len(before) == 6 and not before & {change["id"] for change in changes(world)}
