"""How long an event waited for its change to be committed is counted from when its own record was appended."""

from __future__ import annotations

from stream.codec.journal import Meta
from stream.engine.interfaces import Batch
from stream.engine.task import PartitionTask, TaskSettings
from tests.engine.shop import PROGRAM, order
from tests.engine.world import START, MemoryStore, Message

SETTINGS = TaskSettings(
    name="shop", input_topic="events", changes_topic="changes", memberships_topic="memberships",
    rejected_topic="rejected", state_topic="state", journal_topic="journal", output_prefix="", max_event_bytes=65_536,
    grace_ms=2_000, cache_customers=100, nonce="n", versions={},
)  # fmt: skip


def a_task() -> PartitionTask:
    program = {"name": PROGRAM.name, "version": PROGRAM.version, "hash": PROGRAM.hash}
    meta = Meta.first(
        next_offset=0, run_id="00000001", partition_count=1, program=program, replay_until_offset=0, replay_until_ms=0
    )
    return PartitionTask(0, PROGRAM, MemoryStore(), meta, 0, SETTINGS)


def lags_of(offsets: list[int]) -> list[int]:
    """Each a new customer's order, appended so many ms after START as its offset says; committed at START + 100."""
    task = a_task()
    records = [
        Message(offset, b"c-%d" % offset, order(f"c-{offset}", START, offset), None, START + offset)
        for offset in offsets
    ]
    task.process(Batch(0, 0, START + 90, records, None, 0))
    prepared = task.prepare()
    task.committed(prepared, 0, START + 100)
    return prepared.report.event_lags_ms


def test_an_event_waits_since_its_own_record_was_appended() -> None:
    assert lags_of([0, 1, 2, 3]) == [100, 99, 98, 97]


def test_offsets_that_miss_between_records_make_no_difference() -> None:
    assert lags_of([2, 3, 7, 8, 20, 41]) == [98, 97, 93, 92, 80, 59]
