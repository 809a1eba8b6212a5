"""Laws of starting: what a worker refuses to go on from, and what is new when a state begins anew."""

from __future__ import annotations

import pytest

from stream.errors import StartRefused
from stream.rules.compile import compile_program
from stream.rules.load import parse_definitions
from tests.engine.test_engine import PROGRAM, SHOP, changes, shop
from tests.engine.world import Worker

CHANGED = compile_program(parse_definitions([("shop.yaml", SHOP.replace("ago(30d)", "ago(20d)"))]))


async def test_changed_definitions_are_refused():
    world = shop()
    first = Worker(world, PROGRAM, nonce="first")
    await first.assign(0)
    await first.settle()
    with pytest.raises(StartRefused, match="definitions have changed"):
        await Worker(world, CHANGED, nonce="second").assign(0)


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
