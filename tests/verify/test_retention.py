"""Laws of a pipeline that is older than its topics keep: what retention may have deleted is no breach."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stream.codec.journal import decode_journal
from stream.codec.levels import NEWEST_LEVEL, level_key
from stream.verify.check import check
from stream.verify.log import MemoryLog
from stream.verify.partition_check import PartitionCheck
from stream.verify.report import Kind, Report
from tests.engine.shop import order
from tests.engine.test_levels import ASKED, former_shop
from tests.engine.world import START, Worker, World
from tests.verify.test_check import trimmed
from tests.verify.test_revisions import SECOND, THIRD, clean, revised
from tests.verify.worlds import NAMES, PROGRAM, SHOP, lived, log_of, verified


@pytest.fixture
async def log() -> MemoryLog:
    return log_of(await lived())


def found(report: Report) -> dict[Kind, int]:
    return dict(report.found)


@pytest.mark.parametrize("topic", ["changes", "rejected", "loyalty", "win-back"])
def test_a_topic_of_which_retention_has_left_nothing_misses_nothing(log: MemoryLog, topic: str) -> None:
    assert found(check(trimmed(log, **{topic: len(log.topics[topic])}), PROGRAM, NAMES)) == {}


def test_the_end_of_a_topic_is_missed_when_what_was_before_it_is_there(log: MemoryLog) -> None:
    """Retention deletes from the beginning."""
    kept = {**log.topics, "loyalty": log.topics["loyalty"][:-1]}

    assert found(check(MemoryLog(kept, log.group, log.partitions), PROGRAM, NAMES)) == {Kind.MISSING: 1}


@pytest.mark.parametrize("kept", [0, 1])
def test_copies_of_rejected_events_that_retention_has_deleted_are_not_missed(log: MemoryLog, kept: int) -> None:
    report = check(trimmed(log, journal=3, rejected=len(log.topics["rejected"]) - kept), PROGRAM, NAMES)

    assert report.unchecked and found(report) == {}


def test_rejected_events_of_before_the_journals_beginning_are_nobodys_fault(log: MemoryLog) -> None:
    last = max(place for place, each in enumerate(log.topics["journal"]) if decode_journal(each.value or b"").rejected)

    assert found(check(trimmed(log, journal=last), PROGRAM, NAMES)) == {}


def test_a_rejected_event_of_which_nothing_is_kept_is_missed_where_nothing_was_deleted(log: MemoryLog) -> None:
    kept = {**trimmed(log, journal=3).topics, "rejected": []}

    report = check(MemoryLog(kept, log.group, log.partitions, starts={("journal", 0): 3}), PROGRAM, NAMES)

    assert found(report).keys() == {Kind.MISSING}


def test_a_revision_whose_text_is_deleted_is_no_breach_when_a_later_one_is_given() -> None:
    whole = clean()
    journals = {
        partition: [each for each in whole.topics["journal"] if each.partition == partition]
        for partition in whole.partitions
    }
    first = [decode_journal(each.value or b"") for each in journals[0]]
    second, third = [place for place, each in enumerate(first) if each.definitions_text][1:3]
    begins = (second + third) // 2
    kept = [each for part in journals.values() for each in part[begins:]]
    starts = {("journal", partition): part[begins].offset for partition, part in journals.items()}
    log = MemoryLog({**whole.topics, "journal": kept}, whole.group, whole.partitions, starts=starts)

    assert Kind.DEFINITIONS not in found(check(log, THIRD, NAMES))
    assert Kind.DEFINITIONS not in found(check(log, SECOND, NAMES))
    assert Kind.DEFINITIONS in found(check(log, PROGRAM, NAMES))


def test_of_a_partition_that_is_not_replayed_no_changes_are_kept_in_memory(
    log: MemoryLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[int] = []
    end = PartitionCheck._end

    def noted(self: PartitionCheck, restored: object) -> None:
        end(self, restored)  # type: ignore[arg-type]
        kept.append(len(self.change_laws.fresh))

    monkeypatch.setattr(PartitionCheck, "_end", noted)

    assert check(trimmed(log, journal=3), PROGRAM, NAMES).checked["changes"] > 0
    assert set(kept) == {0}


async def test_a_topic_of_definitions_that_are_given_no_longer_is_known_since_the_first_format_level() -> None:
    shop, worker = await former_shop()
    shop.days(1)
    shop.buys("c0")
    shop.buys("c1")
    await worker.settle()
    assert shop.world.values("loyalty")
    shop.board.held[level_key(NEWEST_LEVEL)] = ASKED
    await worker.settle()
    without = revised(SHOP[: SHOP.index("  loyal:")], 2)
    shop.days(1)
    successor = Worker(shop.world, without, nonce="n3", controls=shop.board)
    await successor.assign(0)
    shop.buys("c0")
    await successor.settle()

    assert found(verified(shop.world, without)) == {}


@pytest.mark.parametrize("comment", ["", "# who: marketing\n"])
async def test_a_sweep_goes_on_where_it_was_when_only_a_comment_of_the_definitions_changed(comment: str) -> None:
    first, second = SHOP.replace("30d", "60d"), comment + SHOP.replace("30d", "60d")
    world = World(now_ms=START)
    worker = Worker(world, PROGRAM, nonce="one")
    await worker.assign(0)
    for number in range(30):
        world.now_ms += 1_000
        world.send(f"c{number:02}", order(f"c{number:02}", world.now_ms - 500, number))
    await worker.settle(10)

    for nonce, text, ticks in (("two", first, 4), ("three", second, 30)):
        worker = Worker(world, revised(text, 2), nonce=nonce)
        worker.engine.settings = replace(worker.engine.settings, definitions_rate=10)  # two customers a tick
        await worker.assign(0)
        for _ in range(ticks):
            world.now_ms += 1_000
            await worker.engine.tick()
            await worker.engine.commit()
            worker.raise_failures()

    assert worker.engine.tasks[0].remaining == 0  # type: ignore[union-attr]
    assert found(verified(world, revised(second, 2))) == {}
