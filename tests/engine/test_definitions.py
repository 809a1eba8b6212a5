"""Laws of deploying changed definitions: what is refused, what is carried over, where the texts are, what is left."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from stream.codec.definitions import decode_definitions, definitions_key
from stream.codec.journal import META_KEY, decode_journal, decode_meta
from stream.codec.snapshot import revision_of
from stream.errors import StartRefused
from stream.rules.compile import CompiledProgram, compile_program
from stream.rules.load import parse_definitions
from tests.engine.shop import PROGRAM, SHOP, changes, order, shop
from tests.engine.world import DAY, START, Crash, Fault, MemoryStore, Worker, World


def revised(text: str, revision: int) -> CompiledProgram:
    return compile_program(
        parse_definitions([("shop.yaml", text.replace("name: shop", f"name: shop\nrevision: {revision}"))])
    )


LONGER = SHOP.replace("ago(30d)", "ago(60d)")
WITHOUT_LOST = SHOP[: SHOP.index("segments:")]
SECOND = revised(LONGER, 2)


async def lived(world: World, program: CompiledProgram = PROGRAM, nonce: str = "first") -> Worker:
    worker = Worker(world, program, nonce=nonce)
    await worker.assign(0)
    await worker.settle()
    return worker


def meta_of(world: World) -> Any:
    return decode_meta(next(record.value for record in reversed(world.values("state")) if record.key == META_KEY))


def texts_of(world: World) -> dict[int, bytes | None]:
    """Revision -> the newest text on the state topic."""
    keys = {definitions_key(revision): revision for revision in range(1, 9)}
    return {keys[record.key]: record.value for record in world.values("state") if record.key in keys}


# -- refused


async def test_changed_definitions_of_the_same_revision_are_refused():
    world = shop()
    await lived(world)
    with pytest.raises(StartRefused, match=r"raise `revision` to 2"):
        await Worker(world, revised(LONGER, 1), nonce="second").assign(0)


async def test_an_earlier_revision_than_the_states_is_refused():
    world = shop()
    await lived(world)
    await lived(world, SECOND, "second")
    with pytest.raises(StartRefused, match="deploy revision 2 or later"):
        await Worker(world, PROGRAM, nonce="third").assign(0)


async def test_customers_whose_definitions_text_is_not_there_are_not_guessed():
    world = shop()
    await (await lived(world)).engine.stop()  # else the copy is brought up to date from the topic, which has it
    world.stores[0].own.clear()
    with pytest.raises(StartRefused, match="Start this release once with the former file"):
        await Worker(world, SECOND, nonce="second").assign(0)


async def test_cells_laid_out_otherwise_by_another_release_are_refused(monkeypatch: pytest.MonkeyPatch):
    world = shop()
    await lived(world)
    other = revised(SHOP, 1)
    monkeypatch.setattr(other, "fingerprint", "0" * 12)
    with pytest.raises(StartRefused, match="lays out what it keeps of customers otherwise"):
        await Worker(world, other, nonce="second").assign(0)


async def test_before_anything_is_committed_definitions_may_change_at_will():
    world = World()
    await Worker(world, PROGRAM, nonce="first").assign(0)
    world.send("c1", order("c1", world.now_ms, 1))
    await lived(world, revised(LONGER, 1), "second")
    assert meta_of(world).program["hash"] == SECOND.hash


# -- the texts


async def test_the_text_is_written_by_the_first_commit_and_by_no_other():
    world = shop()
    worker = await lived(world)
    world.send("c1", order("c1", world.now_ms, 99))
    await worker.settle()
    written = [record for record in world.values("state") if record.key == definitions_key(1)]
    assert len(written) == 1
    assert decode_definitions(written[0].value).files == (("shop.yaml", SHOP),)
    first, *others = [decode_journal(record.value) for record in world.values("journal")]
    assert first.definitions_text["files"] == [["shop.yaml", SHOP]] and others
    assert not any(journal.definitions_text for journal in others)


async def test_a_text_that_differs_in_comments_alone_is_written_anew_without_a_migration():
    world = shop()
    await lived(world)
    commented = compile_program(parse_definitions([("shop.yaml", "# ours\n" + SHOP)]))
    worker = await lived(world, commented, "second")
    world.send("c1", order("c1", world.now_ms, 99))
    await worker.settle()
    text = texts_of(world)[1]
    assert text is not None and decode_definitions(text).files[0][1].startswith("# ours")
    assert meta_of(world).earlier == {}


async def test_a_text_is_dropped_with_the_last_customer_of_its_revision():
    world = shop()
    await lived(world)
    await lived(world, SECOND, "second")
    assert texts_of(world)[1] is None and texts_of(world)[2] is not None
    assert set(world.stores[0].own) == {definitions_key(2)}


@pytest.mark.parametrize("lost", ["disk lost", "disk behind"])
async def test_texts_are_restored_from_the_state_topic(lost: str):
    world = shop()
    await lived(world)
    copy = MemoryStore()
    if lost == "disk behind":
        store = world.stores[0]
        copy.customers, copy.wakes, copy.meta_bytes = dict(store.customers), set(store.wakes), store.meta_bytes
        copy.own = dict(store.own)
    second = Worker(world, SECOND, nonce="second")
    second.engine.settings = replace(second.engine.settings, definitions_rate=5)
    await second.assign(0)
    world.send("c1", order("c1", world.now_ms, 99))
    await second.read()
    await second.engine.commit()
    world.stores[0] = copy
    await Worker(world, SECOND, nonce="third").assign(0)
    assert set(world.stores[0].own) == {definitions_key(1), definitions_key(2)}
    assert meta_of(world).earlier == {"1": 5}


# -- the migration


async def test_all_customers_are_carried_over_while_the_clock_runs():
    world = shop()
    world.now_ms += 40 * DAY
    await lived(world)
    assert sum(change.get("to_stage") == "inactive" for change in changes(world)) == 6
    await (await lived(world, SECOND, "second")).engine.stop()
    back = [change for change in changes(world) if change["cause"]["kind"] == "definitions"]
    assert [change.get("to_stage", change.get("member")) for change in back] == ["active", False] * 6
    assert {str(change["cause"]) for change in back} == {
        str({"kind": "definitions", "from_version": 1, "to_version": 2})
    }
    assert {change["definitions"]["version"] for change in back} == {2}
    assert {revision_of(value) for value in world.stores[0].customers.values()} == {2}
    meta = meta_of(world)
    assert (meta.earlier, meta.sweep_after, meta.program["version"]) == ({}, "", 2)
    assert meta.members == {"lifecycle/active": 6}
    swept = [decode_journal(record.value).sweeps for record in world.values("journal")]
    assert sum(visited for sweeps in swept for _, _, visited, _ in sweeps) == 6


async def test_exits_of_a_removed_segment_go_to_its_topic_too():
    world = shop(20)
    world.now_ms += 40 * DAY
    await lived(world)
    entered = {record.key for record in world.values("win-back")}
    await lived(world, revised(WITHOUT_LOST, 2), "second")
    exits = [change for change in changes(world) if change.get("member") is False]
    assert len(exits) == 20 and {change["definitions"]["version"] for change in exits} == {1}
    told = world.values("win-back")[len(entered) :]
    assert {record.key for record in told} == entered
    assert meta_of(world).members == {"lifecycle/inactive": 20}


async def test_a_migration_goes_on_where_it_was_after_crashes_and_aborts(monkeypatch: pytest.MonkeyPatch):
    async def through(world: World, broken: bool) -> list[Any]:
        await lived(world)
        for attempt in range(30):
            worker = Worker(world, SECOND, nonce=f"second {attempt}")
            world.faults["commit"] = [Fault.ABORT, None, Fault.REPLY_LOST, None, Fault.REQUEST_LOST] if broken else []
            world.crash_at["before-store"] = 3 if broken else 0
            try:
                await worker.assign(0)
                await worker.settle()
                break
            except Crash:
                pass
        return [(c["customer_id"], c["sequence"], c.get("to_stage"), c["effective_at"]) for c in changes(world)]

    monkeypatch.setattr("stream.engine.sweep.SWEEP_CHUNK", 2)
    calm, torn = shop(12), shop(12)
    for world in (calm, torn):
        world.now_ms += 40 * DAY
    assert sorted(await through(torn, True)) == sorted(await through(calm, False))
    assert meta_of(torn).earlier == {}


async def test_a_partition_that_is_behind_carries_nobody_over_but_those_it_hears_of():
    world = shop()
    await lived(world)
    second = Worker(world, SECOND, nonce="second")
    await second.assign(0)
    world.now_ms += DAY
    world.hidden_end = len(world.inputs[0])
    world.send("c1", order("c1", world.now_ms, 99))
    await second.settle()
    assert meta_of(world).program["version"] == 1
    world.hidden_end = None
    await second.settle()
    assert meta_of(world).earlier == {}


async def test_a_revision_begins_after_all_that_was_taken_in_before_it_though_the_clock_stood_behind():
    views = SHOP.replace("segments:", "segments:\n  looked: {when: 'count(\"Product Viewed\", 365d) >= 1'}", 1)
    idle = revised(views.replace("looked:", "idle: {when: 'count(\"Product Viewed\", 10d) == 0'}\n  looked:"), 2)
    world = World(now_ms=START)
    first = await lived(world, revised(views, 1))
    for day in range(20):
        world.now_ms += DAY
        world.send("c", order("c", world.now_ms, day, "Product Viewed"))
        await first.read()  # up to the end, but nobody asks where that is: the clock stands
        await first.engine.commit()
    assert meta_of(world).clock_ms < START + DAY

    second = Worker(world, idle, nonce="second")
    await second.assign(0)
    second.engine.tasks[0].backlog = True  # as after a release while no worker ran
    await second.engine.commit()
    world.now_ms += 1_000
    await second.settle()

    text = decode_definitions(texts_of(world)[2] or b"")
    assert text.began_ms >= START + 20 * DAY
    assert not [change for change in changes(world) if change.get("segment") == "idle"]


async def test_a_sweep_visits_no_more_than_its_rate_however_many_partitions_there_are():
    world = World(now_ms=START, partitions=4)
    for number in range(40):
        world.send(f"c{number}", order(f"c{number}", world.now_ms, number), partition=number % 4)
    first = Worker(world, PROGRAM, nonce="first")
    await first.assign(*range(4))
    await first.settle()
    second = Worker(world, SECOND, nonce="second")
    second.engine.settings = replace(second.engine.settings, definitions_rate=10)
    await second.assign(*range(4))

    await second.engine.tick()  # a fifth of a second

    assert sum(sum(task.partition.pending.left.values()) for task in second.engine.tasks.values()) == 2


async def test_going_back_needs_a_higher_revision_and_brings_everybody_back():
    world = shop()
    world.now_ms += 40 * DAY
    await lived(world)
    await lived(world, SECOND, "second")
    await lived(world, revised(SHOP, 3), "third")
    stages = [change["to_stage"] for change in changes(world) if change["customer_id"] == "c0" and "to_stage" in change]
    assert stages == ["active", "inactive", "active", "inactive"]


async def test_an_erased_customer_of_before_is_told_where_its_former_definitions_told_of_it():
    world = shop(20)
    world.now_ms += 40 * DAY
    await lived(world)
    entered = [record.key for record in world.values("win-back")]
    assert entered
    second = Worker(world, revised(WITHOUT_LOST, 2), nonce="second")
    second.engine.settings = replace(second.engine.settings, definitions_rate=5)
    await second.assign(0)
    world.send(entered[0].decode(), None)
    await second.read()
    await second.engine.commit()
    assert world.values("win-back")[-1].key == entered[0]
    assert meta_of(world).earlier == {"1": 19}
    assert meta_of(world).members["lost"] == 19
