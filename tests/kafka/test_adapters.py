"""The adapters of `stream.kafka`, each against the broker alone, without an engine."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from stream.codec.journal import META_KEY
from stream.config import Settings, load_settings
from stream.engine.interfaces import Aborted, Batch, Committed, Fenced, Produce
from stream.errors import StartRefused
from stream.kafka.changelog import KafkaChangelogReader
from stream.kafka.errors import KafkaUnreachable
from stream.kafka.offsets import KafkaOffsets
from stream.kafka.settings import MOST_RECORD_BYTES
from stream.kafka.source import HIGH_RECORDS, KafkaSource, SourceFailed
from stream.kafka.topics import check_topics, create_topics, input_partitions, limits_bytes
from stream.kafka.transactions import KafkaTransactions
from tests.kafka.fixtures import Topics
from tests.kafka.kit import OpenTransaction, Outgoing, produce, read_all

PARTITIONS = 2
PATIENCE_S = 30.0


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def settings_of(topics: Topics, **overrides: Any) -> Settings:
    given = {
        "name": topics.name("shop"),
        "input": topics.name("in"),
        "output_prefix": topics.prefix,
        "definitions": Path("x"),
        "instance": "one",
        "session_timeout": "6s",
        "kafka": {"bootstrap.servers": topics.address},
    }
    return load_settings(None, given | overrides)


@pytest.fixture
def settings(topics: Topics) -> Settings:
    made = settings_of(topics)
    create_topics(made, [], PARTITIONS, 1)
    return made


class Owner:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.owned: set[int] = set()
        self.revokes: list[tuple[list[int], Any]] = []

    def assigned(self, partitions: list[int]) -> None:
        self.owned |= set(partitions)

    async def revoked(self, partitions: list[int], group_metadata: Any) -> None:
        self.owned -= set(partitions)
        self.revokes.append((partitions, group_metadata))

    async def lost(self, partitions: list[int]) -> None:
        self.owned -= set(partitions)


class Running:
    """A source with its owner and what came of it."""

    def __init__(self, settings: Settings) -> None:
        self.batches: asyncio.Queue[Batch] = asyncio.Queue()
        self.failures: list[BaseException] = []
        self.owner = Owner()
        self.source = KafkaSource(settings, self.batches, now_ms, self.failures.append)
        self.source.owner = self.owner
        self.source.start_polling(asyncio.get_running_loop())

    async def until(self, true: Callable[[], bool], what: str) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not true():
                assert not self.failures, self.failures
                await asyncio.sleep(0.01)
        assert true(), what

    async def read(self, partition: int, until_offset: int) -> list[Batch]:
        """Batches of the partition up to the end event at `until_offset`, all reported as done."""
        found: list[Batch] = []
        async with asyncio.timeout(PATIENCE_S):
            while not found or found[-1].eof_offset != until_offset:
                batch = await self.batches.get()
                self.source.done(len(batch.records))
                if batch.partition == partition:
                    found.append(batch)
        return found

    async def stop(self, leave: bool = False) -> None:
        await asyncio.get_running_loop().run_in_executor(None, self.source.stop, leave)


@pytest.fixture
async def running(settings: Settings) -> AsyncIterator[Running]:
    source = Running(settings)
    yield source
    await source.stop(leave=True)


@pytest.fixture
def transactions(settings: Settings) -> KafkaTransactions:
    made = KafkaTransactions(settings, now_ms)
    made.renew()
    return made


def offsets_of(batches: list[Batch]) -> list[int]:
    return [message.offset() for batch in batches for message in batch.records]


def send(settings: Settings, count: int, partition: int = 0) -> None:
    produce(
        settings.kafka["bootstrap.servers"],
        settings.input,
        [Outgoing(b"k", b"%d" % n, partition) for n in range(count)],
    )


# -- topics


def test_topics_are_made_as_they_must_be_and_only_once(topics: Topics) -> None:
    settings = settings_of(topics)
    topics.create("in", partitions=3, max_message_bytes="2000000")

    made = create_topics(settings, ["win-back"], 7, 1)

    assert sorted(made) == sorted([*settings.topics.own[1:], topics.prefix + "win-back"])
    assert input_partitions(settings) == 3
    assert limits_bytes(settings, [settings.input]) == {settings.input: 2_000_000}
    assert check_topics(settings, ["win-back"]) == []
    assert create_topics(settings, ["win-back"], 7, 1) == []


def test_every_fault_of_the_topics_is_told_with_what_was_found_and_expected(topics: Topics) -> None:
    settings = settings_of(topics)
    topics.create("in", partitions=2, cleanup_policy="compact")
    topics.create("segment-changes", partitions=3)
    topics.create("segment-memberships", partitions=2)
    topics.create("segmenter-state", partitions=2, cleanup_policy="compact,delete")
    topics.create("segmenter-journal", partitions=2, retention_ms="1000")
    own = topics.prefix + "segmenter-state"

    problems = check_topics(settings, ["segmenter-state"])

    for expected in (
        f"{topics.name('in')}: found cleanup.policy=compact, expected delete",
        f"{topics.name('segment-changes')}: found 3 partitions, expected 2",
        f"{topics.name('segment-memberships')}: found cleanup.policy=delete, expected compact",
        f"{own}: found cleanup.policy=compact,delete, expected compact",
        f"{own}: found a definition's topic that is one of the pipeline's own",
        f"{topics.name('segmenter-journal')}: found message.timestamp.type=CreateTime, expected LogAppendTime",
        f"{topics.name('segmenter-journal')}: found retention.ms=1000, expected at least",
        f"{settings.topics.rejected}: found no such topic, expected one for rejected events with 2 partitions",
    ):
        assert any(problem.startswith(expected) for problem in problems), (expected, problems)


def test_without_an_input_nothing_starts(topics: Topics) -> None:
    settings = settings_of(topics)

    with pytest.raises(StartRefused, match="topics create"):
        input_partitions(settings)
    assert check_topics(settings, []) == [f"{settings.input}: found no such topic, expected the input"]


# -- transactions and offsets


async def test_a_commit_shows_its_records_its_offset_and_its_number_together(
    settings: Settings, transactions: KafkaTransactions, running: Running
) -> None:
    offsets = KafkaOffsets(settings)
    names = settings.topics
    await running.until(lambda: running.owner.owned == {0, 1}, "both assigned")
    metadata = await running.source.group_metadata()
    assert offsets.committed([0, 1]) == {0: Committed(None, 0, ""), 1: Committed(None, 0, "")}

    transactions.begin()
    transactions.produce([
        Produce(names.changes, 1, b"ann", b"{}", [("ce_id", b"1")]),
        Produce(names.state, 1, b"ann", None),
        Produce(names.state, 1, META_KEY, b"meta"),
        Produce(names.journal, 1, b"1", b"journal"),
    ])  # fmt: skip
    transactions.send_offsets({1: (42, "7:nonce")}, metadata)
    transactions.commit()

    assert offsets.committed([0, 1]) == {0: Committed(None, 0, ""), 1: Committed(42, 7, "nonce")}
    (change,) = read_all(settings.kafka["bootstrap.servers"], names.changes)
    assert (change.partition, change.key, change.value, change.headers) == (1, b"ann", b"{}", [("ce_id", b"1")])
    assert transactions.meta_offset(1) == 1 and transactions.meta_offset(0) is None
    ahead_ms = transactions.ahead_ms()
    assert ahead_ms is not None and abs(ahead_ms) < 5_000
    assert offsets.changelog_bounds(1) == (0, 3)  # two records and the commit marker


async def offsets_in_an_open_transaction(
    settings: Settings, transactions: KafkaTransactions, running: Running
) -> KafkaOffsets:
    """Partition 0 is to be committed at 5; whether it is, is open. Returns who can be asked."""
    await running.until(lambda: bool(running.owner.owned), "assigned")
    transactions.begin()
    transactions.send_offsets({0: (5, "1:a")}, await running.source.group_metadata())
    return KafkaOffsets(settings)


async def test_committed_offsets_wait_for_an_open_transaction(
    settings: Settings, transactions: KafkaTransactions, running: Running
) -> None:
    offsets = await offsets_in_an_open_transaction(settings, transactions, running)

    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(offsets.committed, [0])
        with pytest.raises(TimeoutError):
            asked.result(0.5)
        transactions.commit()

        assert asked.result(PATIENCE_S) == {0: Committed(5, 1, "a")}


def test_an_aborted_transaction_leaves_nothing_and_the_next_one_commits(
    settings: Settings, transactions: KafkaTransactions
) -> None:
    name = settings.topics.changes
    for value, finish in ((b"dropped", transactions.abort), (b"kept", transactions.commit)):
        transactions.begin()
        transactions.produce([Produce(name, 0, b"ann", value)])
        finish()

    assert [record.value for record in read_all(settings.kafka["bootstrap.servers"], name)] == [b"kept"]


def test_a_record_that_is_too_large_aborts_and_the_largest_of_the_input_with_headers_is_not(
    settings: Settings, transactions: KafkaTransactions
) -> None:
    limit = limits_bytes(settings, [settings.input])[settings.input]
    transactions.begin()
    with pytest.raises(Aborted):
        transactions.produce([Produce(settings.topics.rejected, 0, None, bytes(MOST_RECORD_BYTES + 1))])
        transactions.commit()
    transactions.abort()

    # What came compressed may be far larger than the limit, and compressed it is within it again.
    largest = [os.urandom(limit - 1_000), bytes(limit + (8 << 20))]
    for value in largest:
        transactions.begin()
        transactions.produce([Produce(settings.topics.rejected, 0, None, value, [("reason", os.urandom(30_000))])])
        transactions.commit()

    found = read_all(settings.kafka["bootstrap.servers"], settings.topics.rejected)
    assert [len(record.value or b"") for record in found] == [len(value) for value in largest]


def test_a_record_that_the_broker_refuses_aborts_the_commit(topics: Topics) -> None:
    settings = settings_of(topics)
    topics.create("in", partitions=1, max_message_bytes="7000000")
    create_topics(settings, [], PARTITIONS, 1)
    transactions = KafkaTransactions(settings, now_ms)
    transactions.renew()
    transactions.begin()

    with pytest.raises(Aborted):  # random bytes do not compress, and this topic has the usual limit
        transactions.produce([Produce(settings.topics.changes, 0, None, os.urandom(6_000_000))])
        transactions.commit()
    transactions.abort()


def test_a_producer_that_was_replaced_is_fenced_and_its_work_undone(
    settings: Settings, transactions: KafkaTransactions
) -> None:
    transactions.begin()
    transactions.produce([Produce(settings.topics.changes, 0, b"ann", b"zombie")])
    successor = KafkaTransactions(settings, now_ms)
    successor.renew()

    with pytest.raises(Fenced):
        transactions.commit()
    assert read_all(settings.kafka["bootstrap.servers"], settings.topics.changes) == []


def test_a_renewed_producer_goes_on_and_what_was_open_is_undone(
    settings: Settings, transactions: KafkaTransactions
) -> None:
    name = settings.topics.changes
    transactions.begin()
    transactions.produce([Produce(name, 0, b"ann", b"open")])

    transactions.renew()
    transactions.begin()
    transactions.produce([Produce(name, 0, b"ann", b"after")])
    transactions.commit()

    assert [record.value for record in read_all(settings.kafka["bootstrap.servers"], name)] == [b"after"]


async def test_offsets_of_a_member_that_left_the_group_abort(
    settings: Settings, transactions: KafkaTransactions
) -> None:
    running = Running(settings)
    await running.until(lambda: bool(running.owner.owned), "assigned")
    metadata = await running.source.group_metadata()
    await running.stop(leave=True)
    transactions.begin()

    with pytest.raises(Aborted):
        transactions.send_offsets({0: (1, "1:x")}, metadata)
        transactions.commit()
    transactions.abort()


async def test_a_partition_held_back_does_not_hold_up_questions_of_other_threads(
    settings: Settings, transactions: KafkaTransactions, running: Running
) -> None:
    offsets = await offsets_in_an_open_transaction(settings, transactions, running)

    with ThreadPoolExecutor(2) as pool:
        held_back = pool.submit(offsets.committed, [0])
        with pytest.raises(TimeoutError):
            held_back.result(0.3)
        assert pool.submit(offsets.committed, [1]).result(10) == {1: Committed(None, 0, "")}
        transactions.commit()
        held_back.result(PATIENCE_S)


def test_watermarks_count_an_upstreams_open_transaction(settings: Settings) -> None:
    offsets = KafkaOffsets(settings)
    upstream = OpenTransaction(settings.kafka["bootstrap.servers"])
    upstream.produce(settings.input, [Outgoing(b"k", b"v", 1)])

    assert offsets.high_watermarks([0, 1]) == {0: 0, 1: 1}
    assert offsets.low_watermarks([0, 1]) == {0: 0, 1: 0}
    upstream.abort()


def test_a_broker_that_does_not_answer_is_told_within_seconds(topics: Topics) -> None:
    offsets = KafkaOffsets(settings_of(topics, kafka={"bootstrap.servers": "127.0.0.1:9"}))
    started = time.monotonic()

    with pytest.raises(KafkaUnreachable):
        offsets.high_watermarks([0])
    assert time.monotonic() - started < 20


# -- the changelog


def test_the_changelog_is_read_to_its_end_over_aborted_and_marker_records(settings: Settings) -> None:
    address, name = settings.kafka["bootstrap.servers"], settings.topics.state
    for value, kept in ((b"1", True), (b"2", False), (b"3", True)):
        transaction = OpenTransaction(address)
        transaction.produce(name, [Outgoing(b"ann", value, 0)])
        transaction.commit() if kept else transaction.abort()
    first, end = KafkaOffsets(settings).changelog_bounds(0)

    batches = list(KafkaChangelogReader(settings).read(0, first, end))

    assert [record for records, _ in batches for record in records] == [(b"ann", b"1"), (b"ann", b"3")]
    assert batches[-1][1] == end == 6
    assert list(KafkaChangelogReader(settings).read(0, end, end)) == []


def test_the_changelog_waits_for_an_open_transaction_and_can_be_given_up(settings: Settings) -> None:
    transaction = OpenTransaction(settings.kafka["bootstrap.servers"])
    transaction.produce(settings.topics.state, [Outgoing(b"ann", b"1", 0)])
    reading = KafkaChangelogReader(settings).read(0, 0, 1)

    assert [next(reading) for _ in range(20)] == [([], 0)] * 20
    transaction.commit()
    assert [value for records, _ in reading for _, value in records] == [b"1"]

    given_up = KafkaChangelogReader(settings).read(0, 0, 1000)
    next(given_up)
    given_up.close()


# -- the source


async def test_nothing_is_handed_out_before_the_start_then_all_in_order_with_the_end(
    settings: Settings, running: Running
) -> None:
    send(settings, 5_000)
    await running.until(lambda: running.owner.owned == {0, 1}, "both assigned")
    assert running.batches.empty()

    running.source.start(0, 1_000, 7)
    batches = await running.read(0, 5_000)
    running.source.start(1, 0, 8)
    (empty,) = await running.read(1, 0)

    assert offsets_of(batches) == list(range(1_000, 5_000))
    assert [batch.serial for batch in batches] == list(range(len(batches)))
    assert {batch.epoch for batch in batches} == {7}
    assert all(abs(now_ms() - batch.read_ms) < 60_000 for batch in batches)
    assert (empty.records, empty.eof_offset, empty.epoch) == ([], 0, 8)


async def test_a_new_start_seeks_back_and_stamps_what_follows_with_its_epoch(
    settings: Settings, running: Running
) -> None:
    send(settings, 100)
    await running.until(lambda: 0 in running.owner.owned, "assigned")
    running.source.start(0, 0, 1)
    await running.read(0, 100)

    running.source.start(0, 90, 2)
    again = await running.read(0, 100)

    assert offsets_of(again) == list(range(90, 100))
    assert {batch.epoch for batch in again} == {2}
    assert again[0].serial == 0


async def test_a_full_house_pauses_reading_and_goes_on_without_a_gap(settings: Settings, running: Running) -> None:
    count = 3 * HIGH_RECORDS
    send(settings, count)
    await running.until(lambda: 0 in running.owner.owned, "assigned")
    running.source.start(0, 0, 1)

    await running.until(lambda: running.source.paused, "paused")
    before_ms = now_ms()
    assert await running.source.group_metadata() is not None
    assert now_ms() - before_ms < 10_000
    batches = await running.read(0, count)

    assert offsets_of(batches) == list(range(count))
    assert [batch.serial for batch in batches] == list(range(len(batches)))


async def test_a_second_worker_takes_half_and_gives_it_back_when_it_leaves(topics: Topics, settings: Settings) -> None:
    send(settings, 10, 0)
    send(settings, 10, 1)
    one = Running(settings)
    await one.until(lambda: one.owner.owned == {0, 1}, "one has both")
    two = Running(settings_of(topics, instance="two"))
    await two.until(lambda: len(two.owner.owned) == 1 and len(one.owner.owned) == 1, "each has one")
    assert one.owner.owned | two.owner.owned == {0, 1}
    ((revoked, metadata),) = one.owner.revokes
    assert set(revoked) == two.owner.owned and metadata is not None

    (theirs,) = two.owner.owned
    two.source.start(theirs, 0, 1)
    assert offsets_of(await two.read(theirs, 10)) == list(range(10))
    await two.stop(leave=True)

    await one.until(lambda: one.owner.owned == {0, 1}, "one has both again")
    assert two.owner.owned == set() and not two.failures
    await one.stop(leave=True)


async def test_a_restart_under_the_same_name_gets_its_partitions_without_waiting(
    topics: Topics, settings: Settings
) -> None:
    patient = settings_of(topics, session_timeout="40s")
    one = Running(patient)
    await one.until(lambda: one.owner.owned == {0, 1}, "assigned")
    await one.stop()
    assert one.owner.owned == set()

    again = Running(patient)
    await again.until(lambda: again.owner.owned == {0, 1}, "assigned again")  # in less than the session: PATIENCE_S

    await again.stop(leave=True)


async def test_of_two_workers_with_one_name_the_older_ends(settings: Settings) -> None:
    one = Running(settings)
    await one.until(lambda: one.owner.owned == {0, 1}, "assigned")
    two = Running(settings)

    async with asyncio.timeout(PATIENCE_S):
        while not one.failures:
            await asyncio.sleep(0.01)

    assert isinstance(one.failures[0], SourceFailed)
    assert "instance" in str(one.failures[0])
    await two.stop(leave=True)


async def test_an_offset_that_retention_took_ends_the_source_with_the_remedy(
    settings: Settings, running: Running
) -> None:
    send(settings, 3)
    await running.until(lambda: 0 in running.owner.owned, "assigned")

    running.source.start(0, 1_000, 1)

    async with asyncio.timeout(PATIENCE_S):
        while not running.failures:
            await asyncio.sleep(0.01)
    assert isinstance(running.failures[0], StartRefused)
    assert "retention" in str(running.failures[0])
