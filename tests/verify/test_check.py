"""Laws of the whole check: what the real engine writes is clean, whatever happened to it on the way; a cut through a
running pipeline is, too; and what can't be checked is said."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest

from stream.core.events import Reason
from stream.rules.compile import compile_program
from stream.rules.load import parse_definitions
from stream.verify.check import check
from stream.verify.log import MemoryLog, Record
from stream.verify.report import Kind
from tests.engine.shop import order
from tests.engine.world import DAY, START, Crash, Fault, Worker, World
from tests.verify.worlds import NAMES, PROGRAM, lived, log_of, verified


async def go_on(world: World, worker: Worker, customers: int = 5, days: int = 3) -> None:
    for number in range(customers):
        world.now_ms += DAY
        world.send(f"c{number}", order(f"c{number}", world.now_ms - 1_000, 500 + world.now_ms % 9_973 + number))
        await worker.settle(2)
    world.now_ms += days * DAY
    await worker.settle(2)


@pytest.mark.parametrize(("partitions", "most"), [(1, 1), (1, 100), (3, 2)])
async def test_what_the_engine_writes_is_clean_however_it_is_cut_into_batches(partitions, most):
    report = verified(await lived(partitions, most), PROGRAM)
    assert report.violations == []
    assert report.checked["partitions"] == partitions


@pytest.mark.parametrize("fault", list(Fault))
@pytest.mark.parametrize("call", ["begin", "produce", "send_offsets", "commit"])
async def test_what_is_written_across_failing_transactions_is_clean(call, fault):
    world = await lived()
    worker = Worker(world, PROGRAM, nonce="second")
    await worker.assign(0)
    world.faults[call] = [None, fault, None, fault]
    await go_on(world, worker)
    assert verified(world, PROGRAM).violations == []


@pytest.mark.parametrize(
    "point", ["before-produce", "after-produce", "before-commit", "after-commit", "before-store", "after-store"]
)
async def test_what_follows_a_crash_is_clean(point):
    world = await lived()
    world.crash_at[point] = 2
    first = Worker(world, PROGRAM, nonce="first")
    await first.assign(0)
    with pytest.raises(Crash):
        await go_on(world, first)
    second = Worker(world, PROGRAM, nonce="second")
    await second.assign(0)
    await go_on(world, second)
    assert verified(world, PROGRAM).violations == []


async def test_what_is_written_after_a_rebuild_from_the_state_topic_is_clean():
    world = await lived()
    world.stores.clear()
    worker = Worker(world, PROGRAM, nonce="second")
    await worker.assign(0)
    await go_on(world, worker, days=70)
    assert verified(world, PROGRAM).violations == []


async def test_nothing_written_yet_is_nothing_to_check_and_said_so():
    report = verified(World(), PROGRAM)
    assert (report.violations, report.unchecked) == ([], ["partition 0: nothing is committed yet"])


async def test_headers_that_the_client_cannot_read_make_the_record_rejected_in_the_model_too():
    log = log_of(await lived())
    place = next(at for at, record in enumerate(log.topics["events"]) if record.value == b"{bad")
    log.topics["events"][place] = log.topics["events"][place]._replace(headers=None, unreadable_headers=True)
    report = check(log, PROGRAM, NAMES)
    (differs,) = [found for found in report.violations if found.kind is Kind.REJECTED_DIFFERS]
    assert differs.expected is not None
    assert ("segmenter_reason", Reason.INVALID_UTF8.value.encode()) in (differs.expected.headers or [])


async def test_a_grace_that_was_changed_between_two_starts_is_taken_from_the_journal():
    world = await lived()
    worker = Worker(world, PROGRAM, nonce="second")
    settings = worker.engine.settings
    hours = dataclasses.replace(settings.task, grace_ms=7_200_000, versions={"code": "test", "grace_ms": "7200000"})
    worker.engine.settings = dataclasses.replace(settings, task=hours)
    await worker.assign(0)
    await go_on(world, worker, days=30)
    assert verified(world, PROGRAM).violations == []


# -- a pipeline that goes on while it is read


@dataclasses.dataclass(slots=True)
class MovingLog(MemoryLog):
    """A cut through a running pipeline: some topics end before the last commits, the rest comes with `after`."""

    ends: dict[str, int] = dataclasses.field(default_factory=dict)
    settled_at: int = 0

    def records(self, topic: str, partition: int) -> Iterator[Record]:
        whole = MemoryLog.records(self, topic, partition)
        return (record for record in whole if record.offset < self.ends.get(topic, 1 << 60))

    def after(self, topic: str, partition: int, offset: int) -> Iterator[Record]:
        return (record for record in MemoryLog.records(self, topic, partition) if record.offset >= offset)

    def settled(self, partition: int) -> int | None:
        return self.settled_at

    def end(self, topic: str, partition: int) -> int:
        whole = MemoryLog.end(self, topic, partition)
        return min(whole, self.ends.get(topic, whole))


def moving(log: MemoryLog, settled: int, commits: dict[str, int]) -> MovingLog:
    """`commits`: topic -> so many commits' records are before the cut there."""
    ends = {}
    for topic, number in commits.items():
        journal = log.topics["journal"][number - 1]
        ends[topic] = _records_of(log, topic, number, journal)
    return MovingLog(log.topics, log.group, log.partitions, ends=ends, settled_at=settled)


def _records_of(log: MemoryLog, topic: str, number: int, journal: Record) -> int:
    """How many records of the topic the first `number` commits wrote: what a replay of them finds there."""
    if topic in ("events", "journal"):
        return number if topic == "journal" else len(list(log.topics["events"]))
    upto = dict(log.topics)
    upto["journal"] = list(log.topics["journal"])[:number]
    report = check(MemoryLog(upto, {}, log.partitions), PROGRAM, NAMES)
    return report.checked[f"records of {topic}, byte for byte"]


@pytest.mark.parametrize("ahead", ["changes", "memberships", "state", "win-back", "rejected"])
async def test_a_cut_in_which_one_topic_is_commits_ahead_of_the_others_is_clean(ahead):
    log = log_of(await lived())
    commits = len(log.topics["journal"])
    settled = commits - 8
    topics = dict.fromkeys(("changes", "memberships", "state", "win-back", "loyalty", "rejected", "journal"), settled)
    topics[ahead] = commits - 1
    report = check(moving(log, settled, topics), PROGRAM, NAMES)
    assert report.violations == []


async def test_a_cut_in_the_midst_of_the_first_commit_finds_no_committed_offset_missing():
    log = log_of(await lived())
    written = ("changes", "memberships", "state", "win-back", "loyalty", "rejected")
    cut = MovingLog(log.topics, {}, ends=dict.fromkeys(written, 0) | {"journal": 1}, settled_at=0)

    assert check(cut, PROGRAM, NAMES).violations == []

    cut.settled_at = 1
    assert check(cut, PROGRAM, NAMES).kinds == {Kind.COMMITTED_OFFSET}


async def test_a_record_lost_before_the_cut_is_found_though_the_pipeline_goes_on():
    log = log_of(await lived())
    commits = len(log.topics["journal"])
    topics = dict.fromkeys(("changes", "memberships", "state", "journal"), commits - 2)
    cut = moving(log, commits - 4, topics)
    changes = [record for record in log.topics["changes"] if record.offset != 11]
    cut.topics = {**log.topics, "changes": changes}
    assert Kind.MISSING in check(cut, PROGRAM, NAMES).kinds


# -- compaction


def compacted(records: list[Record], keep_from: int) -> list[Record]:
    """As the broker's cleaner leaves them: below `keep_from` only each key's newest; offsets stay."""
    newest = {record.key: record.offset for record in records}
    return [record for record in records if record.offset >= keep_from or newest[record.key] == record.offset]


@pytest.mark.parametrize("share", [0.3, 0.6, 1.0])
async def test_topics_that_are_compacted_are_clean(share):
    log = log_of(await lived(), appended=True)
    gone = 0
    for topic in ("state", "memberships"):
        whole = log.topics[topic]
        log.topics[topic] = compacted(whole, int(len(whole) * share))
        gone += len(whole) - len(log.topics[topic])
    report = check(log, PROGRAM, NAMES)
    assert (report.violations, report.unchecked) == ([], [])
    told = [count for what, count in report.checked.items() if what.endswith("compacted away")]
    assert sum(told) == gone > 0


@pytest.mark.parametrize("topic", ["state", "memberships"])
async def test_in_a_compacted_topic_each_record_that_is_altered_dropped_or_foreign_is_found(topic):
    log = log_of(await lived())
    whole = compacted(log.topics[topic], int(len(log.topics[topic]) * 0.8))
    foreign = Record(topic, 0, 0, 0, b"stranger", b"{}", [])
    for place, record in enumerate(whole):
        damaged: dict[str, list[Record]] = {
            "dropped": whole[:place] + whole[place + 1 :],
            "altered": [*whole[:place], record._replace(value=(record.value or b"") + b" "), *whole[place + 1 :]],
            "foreign": [*whole[:place], foreign._replace(offset=record.offset), *whole[place + 1 :]],
        }
        for damage, records in damaged.items():
            newest = all(later.key != record.key for later in whole[place + 1 :])
            if damage == "dropped" and (record.value is None or not newest):
                continue  # just what compaction may do
            log.topics[topic] = records
            assert not check(log, PROGRAM, NAMES).clean, f"{damage} at {place} of {topic} was not found"


async def test_what_a_later_record_superseded_while_it_was_read_is_not_missing():
    log = log_of(await lived())
    commits = len(log.topics["journal"])
    cut = moving(log, commits - 6, dict.fromkeys(("changes", "memberships", "state", "journal"), commits - 4))
    newest = {record.key: record.offset for record in log.topics["state"]}
    cut.topics = {**log.topics, "state": [r for r in log.topics["state"] if newest[r.key] == r.offset]}
    assert check(cut, PROGRAM, NAMES).violations == []


# -- what retention has deleted


def trimmed(log: MemoryLog, **first: int) -> MemoryLog:
    """Without what lies before these offsets."""
    starts = {(topic, 0): offset for topic, offset in first.items()}
    topics = {
        topic: [record for record in records if record.offset >= first.get(topic, 0)]
        for topic, records in log.topics.items()
    }
    return MemoryLog(topics, log.group, log.partitions, starts=starts)


@pytest.mark.parametrize("first", [{"journal": 3}, {"events": 4}, {"journal": 3, "events": 9, "changes": 8}])
async def test_where_the_beginning_is_deleted_the_rest_is_checked_and_said_to_be_all(first):
    report = check(trimmed(log_of(await lived()), **first), PROGRAM, NAMES)
    assert report.violations == []
    assert any("not replayed" in why for why in report.unchecked)
    assert "commits done again" not in report.checked
    assert report.checked["journal records"] and report.checked["customers' memberships against their changes"]


async def test_changes_deleted_by_retention_are_counted_and_the_rest_is_replayed():
    log = log_of(await lived(), appended=True)
    report = check(trimmed(log, changes=20, rejected=1), PROGRAM, NAMES)
    assert report.violations == []
    assert report.unchecked == [
        "changes, partition 0: 20 records are deleted by retention",
        "rejected, partition 0: 1 records are deleted by retention",
    ]
    assert report.checked["records of changes, byte for byte"] == len(log.topics["changes"]) - 20


@pytest.mark.parametrize(
    ("topic", "place", "fields", "kind"),
    [
        ("changes", 30, {"value": b"{}"}, Kind.CHANGE_UNREADABLE),
        ("memberships", -1, {"value": None}, Kind.MEMBERSHIP_FOLD),
        ("state", 41, {"value": b"other"}, Kind.STATE_FOLD),
        ("rejected", -1, {"value": b"other"}, Kind.REJECTED_DIFFERS),
        ("journal", -2, {"value": b"{}"}, Kind.JOURNAL_UNREADABLE),
    ],
)
async def test_without_replay_faults_of_what_is_there_are_still_found(topic, place, fields: dict[str, Any], kind):
    log = trimmed(log_of(await lived()), journal=2)
    log.topics[topic][place] = log.topics[topic][place]._replace(**fields)
    assert kind in check(log, PROGRAM, NAMES).kinds


async def test_who_is_erased_and_seen_again_in_one_commit_without_a_change_has_no_membership():
    buyers = compile_program(
        parse_definitions(
            [("shop.yaml", "definitions: 1\nname: shop\nsegments: {buyer: {when: 'count(\"Order\") > 0'}}\n")]
        )
    )
    world = World(now_ms=START)
    worker = Worker(world, buyers)
    await worker.assign(0)
    world.send("kim", order("kim", world.now_ms, 1, "Order"))
    await worker.settle()
    world.send("kim", None)
    world.send("kim", order("kim", world.now_ms, 2, "Other"))
    await worker.settle()

    assert [record.value is None for record in world.values("memberships")] == [False, True]
    assert verified(world, buyers).violations == []
