"""Laws of the engine: the commit cycle on a log in memory, with faults between any two calls."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from stream.codec.instants import to_text
from stream.codec.journal import decode_journal, decode_meta, journal_digest
from stream.engine.interfaces import Fenced
from stream.errors import StartRefused
from tests.engine.shop import PROGRAM, changes, order, shop
from tests.engine.world import DAY, START, Crash, Fault, MemoryStore, Reads, Worker, World


def told(world: World) -> list[tuple[Any, ...]]:
    """The changes as a subscriber compares them, in order per customer."""
    rows = [
        (c["customer_id"], c["sequence"], c.get("to_stage", c.get("member")), c["effective_at"], c["id"])
        for c in changes(world)
    ]
    assert len({row[-1] for row in rows}) == len(rows), "an id came twice"
    return sorted(rows, key=lambda row: row[:2])


async def undisturbed(world: World) -> list[tuple[Any, ...]]:
    """What the same world tells when nothing goes wrong."""
    fresh = World(now_ms=world.now_ms)
    fresh.inputs = world.inputs
    worker = Worker(fresh, PROGRAM)
    await worker.assign(0)
    await worker.settle()
    return told(fresh)


async def test_events_become_changes_memberships_state_and_a_journal_in_one_transaction():
    world = shop(1)
    worker = Worker(world, PROGRAM)
    await worker.assign(0)
    await worker.settle()
    assert [c["to_stage"] for c in changes(world)] == ["active"]
    assert json.loads(world.values("memberships")[0].value)["dimensions"]["lifecycle"]["stage"] == "active"
    journal = [decode_journal(record.value) for record in world.values("journal")]
    assert (journal[0].from_offset, journal[0].to_offset, journal[0].counts["accepted"]) == (0, 1, 1)
    meta = decode_meta(world.values("state")[-1].value)
    assert world.offsets[0] == (meta.next_offset, f"{meta.commit_number}:{meta.nonce}")


async def test_silence_is_noticed_when_the_clock_has_passed_the_due_instant_by_the_grace():
    world = shop(1)
    worker = Worker(world, PROGRAM)
    await worker.assign(0)
    await worker.settle()
    due_ms = world.now_ms + 30 * DAY
    world.now_ms = due_ms + 1_999
    await worker.settle()
    assert [c.get("to_stage") for c in changes(world)] == ["active"]
    world.now_ms = due_ms + 2_000
    await worker.settle()
    lapse = next(c for c in changes(world) if c.get("to_stage") == "inactive")
    assert (lapse["effective_at"], lapse["cause"]) == (to_text(due_ms), {"kind": "clock", "due_at": to_text(due_ms)})


async def test_held_out_customers_change_but_not_on_the_definitions_own_topic():
    world = shop(20)
    worker = Worker(world, PROGRAM)
    world.now_ms += 60 * DAY
    await worker.assign(0)
    await worker.settle()
    entered = {c["customer_id"]: c["control"] for c in changes(world) if c.get("member")}
    assert len(entered) == 20 and set(entered.values()) == {True, False}
    assert {record.key.decode() for record in world.values("win-back")} == {
        customer for customer, control in entered.items() if not control
    }


@pytest.mark.parametrize(
    ("call", "fault"),
    [
        ("begin", Fault.ABORT),
        ("produce", Fault.ABORT),
        ("produce", Fault.REQUEST_LOST),
        ("send_offsets", Fault.ABORT),
        ("send_offsets", Fault.REQUEST_LOST),
        ("commit", Fault.ABORT),
        ("commit", Fault.REPLY_LOST),
        ("commit", Fault.REQUEST_LOST),
    ],
)
async def test_a_transaction_that_fails_at_any_call_leaves_the_changes_as_if_nothing_had_happened(call, fault):
    world = shop()
    world.faults[call] = [None, fault]
    worker = Worker(world, PROGRAM)
    await worker.assign(0)
    await worker.read(most=2)
    await worker.engine.commit()
    world.now_ms += 40 * DAY
    await worker.settle(most=2)
    assert told(world) == await undisturbed(world)


@pytest.mark.parametrize(
    "point", ["before-produce", "after-produce", "before-commit", "after-commit", "before-store", "after-store"]
)
async def test_a_worker_that_dies_at_any_point_is_followed_by_one_that_goes_on_where_the_log_says(point):
    world = shop()
    world.crash_at[point] = 2
    first = Worker(world, PROGRAM, nonce="first")
    await first.assign(0)
    with pytest.raises(Crash):
        for _ in range(5):
            await first.settle(most=2)
            world.now_ms += 10 * DAY
    world.now_ms += 40 * DAY
    second = Worker(world, PROGRAM, nonce="second")
    await second.assign(0)
    await second.settle()
    assert told(world) == await undisturbed(world)


async def test_a_lost_store_is_rebuilt_to_the_same_digest_and_the_same_wakes():
    world = shop()
    first = Worker(world, PROGRAM, nonce="first")
    await first.assign(0)
    await first.settle()
    before = decode_meta(world.values("state")[-1].value)
    world.stores.clear()
    world.now_ms += 40 * DAY
    second = Worker(world, PROGRAM, nonce="second")
    await second.assign(0)
    task = second.engine.tasks[0]
    assert (task.meta.keys, task.meta.digest) == (before.keys, before.digest)
    await second.settle()
    assert told(world) == await undisturbed(world)


async def test_a_new_data_directory_is_filled_and_half_a_copy_set_aside():
    world = shop()
    first = Worker(world, PROGRAM, nonce="first")
    await first.assign(0)
    await first.settle()
    await first.engine.stop()
    whole = world.stores.pop(0)
    await Worker(world, PROGRAM, nonce="second").assign(0)
    assert world.set_aside == [] and world.stores[0].customers == whole.customers
    world.stores[0].meta_bytes = None
    await Worker(world, PROGRAM, nonce="third").assign(0)
    assert world.set_aside == ["it was not finished"] and world.stores[0].customers == whole.customers


async def test_what_a_killed_worker_had_not_written_is_read_from_the_topic():
    world = shop()
    first = Worker(world, PROGRAM, nonce="first")
    await first.assign(0)
    await first.settle()
    unwritten = dict(world.stores[0].customers)
    await Worker(world, PROGRAM, nonce="second").assign(0)
    assert unwritten == {} and len(world.stores[0].customers) == 6
    assert world.set_aside == []


async def test_a_worker_that_is_stopped_leaves_a_whole_copy():
    world = shop()
    first = Worker(world, PROGRAM, nonce="first")
    await first.assign(0)
    await first.settle()
    await first.engine.stop()
    newest = {record.key: record.value for record in world.values("state")}
    assert len(world.stores[0].customers) == 6
    assert world.stores[0].customers.items() <= newest.items()


async def test_a_damaged_store_is_set_aside_and_rebuilt():
    world = shop()
    first = Worker(world, PROGRAM, nonce="first")
    await first.assign(0)
    await first.settle()
    await first.engine.stop()
    store: MemoryStore = world.stores[0]
    store.customers.pop(next(iter(store.customers)))
    second = Worker(world, PROGRAM, nonce="second")
    await second.assign(0)
    assert world.set_aside == ["count or digest differ"]
    world.now_ms += 40 * DAY
    await second.settle()
    assert told(world) == await undisturbed(world)


async def test_a_state_topic_that_was_emptied_is_refused():
    world = shop()
    first = Worker(world, PROGRAM, nonce="first")
    await first.assign(0)
    await first.settle()
    world.topics["state", 0].clear()
    with pytest.raises(StartRefused, match="holds nothing"):
        await Worker(world, PROGRAM, nonce="second").assign(0)
    assert world.set_aside == []  # the copy may be all that is left
    world.stores.clear()
    with pytest.raises(StartRefused, match="holds nothing"):
        await Worker(world, PROGRAM, nonce="third").assign(0)


async def test_offsets_that_were_reset_are_refused():
    world = shop()
    first = Worker(world, PROGRAM, nonce="first")
    await first.assign(0)
    await first.settle()
    world.offsets[0] = (2, "0:")
    with pytest.raises(StartRefused, match="would lose or repeat"):
        await Worker(world, PROGRAM, nonce="second").assign(0)
    assert world.set_aside == []  # the copy is good, and serves again once the offsets are set back


class AnswersFromBefore(Reads):
    """The first answer to the question for committed offsets is older than what is read next."""

    def __init__(self, world: World, before: dict[int, tuple[int, str]]) -> None:
        super().__init__(world)
        self.before = [before]

    def committed(self, partitions):
        now, self.world.offsets = self.world.offsets, self.before.pop() if self.before else self.world.offsets
        found = super().committed(partitions)
        self.world.offsets = now
        return found


async def test_a_partition_on_which_another_owner_commits_while_it_is_restored_is_read_again():
    world = shop()
    first = Worker(world, PROGRAM, nonce="first")
    await first.assign(0)
    await first.engine.handle(first.source.next_batch(0, 3))
    await first.engine.commit()
    before = dict(world.offsets)
    await first.settle()
    second = Worker(world, PROGRAM, nonce="second")
    second.engine.outside.restorer.offsets = AnswersFromBefore(world, before)
    world.now_ms += 40 * DAY
    await second.assign(0)
    await second.settle()
    assert told(world) == await undisturbed(world)


async def test_a_commit_by_another_owner_since_ends_the_process():
    world = shop()
    worker = Worker(world, PROGRAM)
    await worker.assign(0)
    await worker.read(most=2)
    world.faults["commit"] = [Fault.REQUEST_LOST]
    world.offsets[0] = (1, "7:other")
    with pytest.raises(Fenced):
        await worker.engine.commit()


async def test_three_aborts_in_a_row_at_one_offset_end_the_process():
    world = shop()
    world.faults["commit"] = [Fault.ABORT] * 3
    worker = Worker(world, PROGRAM)
    await worker.assign(0)
    with pytest.raises(Fenced, match="3 transactions in a row"):
        for _ in range(4):
            await worker.read()
            await worker.engine.commit()


async def test_records_of_a_partition_that_was_lost_are_neither_processed_nor_committed():
    world = shop()
    worker = Worker(world, PROGRAM)
    await worker.assign(0)
    batch = worker.source.next_batch(0, 3)
    await worker.engine.lost([0])
    await worker.engine.handle(batch)
    await worker.engine.commit()
    worker.raise_failures()
    assert changes(world) == [] and 0 not in world.offsets


async def test_a_revoked_partition_commits_what_was_done():
    world = shop()
    worker = Worker(world, PROGRAM)
    await worker.assign(0)
    await worker.read()
    await worker.engine.revoked([0], "metadata")
    assert world.offsets[0][0] == 6
    second = Worker(world, PROGRAM, nonce="second")
    world.now_ms += 40 * DAY
    await second.assign(0)
    await second.settle()
    assert told(world) == await undisturbed(world)


async def test_a_batch_lost_on_its_way_ends_the_process():
    world = shop()
    worker = Worker(world, PROGRAM)
    await worker.assign(0)
    worker.source.next_batch(0, 2)
    await worker.engine.handle(worker.source.next_batch(0, 2))
    assert "was lost on its way" in str(worker.failures[0])


class FailsOn:
    """The real program, but for one message on which it breaks."""

    def __init__(self, message_id: str) -> None:
        self._message_id = message_id

    def __getattr__(self, name: str) -> Any:
        return getattr(PROGRAM, name)

    def fold(self, cells: list[Any], event: Any) -> bool:
        if event.message_id == self._message_id:
            cells[0] = "half done"
            raise RuntimeError("planted")
        return PROGRAM.fold(cells, event)


async def test_a_failure_of_the_core_rejects_that_record_alone():
    world = shop()
    worker = Worker(world, FailsOn("m3"))
    await worker.assign(0)
    await worker.settle()
    rejected = world.values("rejected")
    assert [(r.key, r.value, dict(r.headers)["segmenter_reason"]) for r in rejected] == [
        (b"c3", world.inputs[0][3].v, b"internal")
    ]
    assert {c["customer_id"] for c in changes(world)} == {"c0", "c1", "c2", "c4", "c5"}
    journal = [decode_journal(record.value) for record in world.values("journal")]
    assert [row for record in journal for row in record.rejected] == [[3, "internal"]]


async def test_the_clock_stands_still_while_records_are_unread():
    world = shop(1)
    worker = Worker(world, PROGRAM)
    await worker.assign(0)
    await worker.settle()
    world.now_ms += 20 * DAY
    world.send("c0", order("c0", world.now_ms, 99))
    world.hidden_end = 1  # in an upstream's open transaction: it counts in the high watermark, but can't be read
    world.now_ms += 20 * DAY
    await worker.settle()
    assert [c.get("to_stage") for c in changes(world)] == ["active"]
    world.hidden_end = None
    await worker.settle()
    world.now_ms += 11 * DAY
    await worker.settle()
    lapse = next(c for c in changes(world) if c.get("to_stage") == "inactive")
    assert lapse["effective_at"] == to_text(START + 51 * DAY)


async def test_journal_records_abut_and_each_names_the_one_before():
    world = shop()
    worker = Worker(world, PROGRAM)
    await worker.assign(0)
    await worker.settle(most=2)
    world.now_ms += 40 * DAY
    await worker.settle()
    raw = [record.value for record in world.values("journal")]
    journal = [decode_journal(value) for value in raw]
    assert len(journal) >= 2
    for before, after, value in zip(journal, journal[1:], raw, strict=False):
        assert (after.from_offset, after.commit_number) == (before.to_offset, before.commit_number + 1)
        assert after.previous == journal_digest(value)


def test_the_loops_run_by_themselves():
    """The only test with real loops: what `start` does, `stop` ends."""

    async def run() -> None:
        world = shop()
        worker = Worker(world, PROGRAM)
        await worker.assign(0)
        worker.engine.start()
        await worker.read()
        await worker.engine.stop()
        worker.raise_failures()
        assert world.offsets[0][0] == 6

    asyncio.run(run())


async def test_nothing_is_restored_before_the_producer_is_initialised():
    """What an earlier life left open would hold up the restore, and the producer's initialisation ends it."""
    world = shop()
    worker = Worker(world, PROGRAM)
    worker.engine.prepare()
    worker.engine.assigned([0])
    for _ in range(100):
        await asyncio.sleep(0)
    assert worker.engine.joined and worker.engine.preparing
    assert not world.stores

    worker.engine.start()
    async with asyncio.timeout(10):
        while not worker.engine.ready:
            await asyncio.sleep(0)
    await worker.engine.stop()
    worker.raise_failures()
