"""Laws of the format level of a partition's state: what is written at each, what is refused, and the way up."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from stream.codec.control import Control
from stream.codec.journal import META_KEY, RESERVED, decode_journal
from stream.codec.levels import FORMER_LEVEL, NEWEST_LEVEL, level_key
from stream.errors import StartRefused
from stream.verify.check import check
from stream.verify.report import Kind
from tests.engine.test_holds import CLOCK, Shop
from tests.engine.world import Fault, Worker
from tests.verify.test_revisions import revised
from tests.verify.worlds import NAMES, PROGRAM, SHOP, Copy, log_of, verified

ASKED = Control("ann", 0, "segmenter state upgrade")
GOLDEN = Path(__file__).parents[1] / "codec" / "golden"


async def former_shop(customers: int = 3) -> tuple[Shop, Worker]:
    """A shop whose state began with the former release, and goes on with this one."""
    shop = Shop()
    former = Worker(shop.world, PROGRAM, nonce="former", controls=shop.board, level=FORMER_LEVEL)
    await former.assign(0)
    for customer in range(customers):
        shop.buys(f"c{customer}")
    await former.settle()
    return shop, await shop.worker()


def levels(shop: Shop) -> list[int]:
    return [decode_journal(record.value or b"").level for record in shop.world.values("journal")]


async def test_at_level_1_every_record_of_the_state_is_as_the_former_release_writes_it() -> None:
    shop, worker = await former_shop()
    shop.days(1)
    shop.buys("c1")
    await worker.settle()
    shop.days(40)
    await worker.settle()

    records = shop.world.values("state")
    assert {record.key for record in records if (record.key or b"").startswith(RESERVED)} == {META_KEY}
    former = json.loads((GOLDEN / "meta.v1.json").read_text())
    assert {tuple(json.loads(record.value or b"")) for record in records if record.key == META_KEY} == {tuple(former)}
    assert {(record.value or b"")[0] for record in records if record.key != META_KEY} == {1}
    former = json.loads((GOLDEN / "journal.v1.json").read_text())
    journal = [json.loads(record.value or b"") for record in shop.world.values("journal")]
    assert {tuple(record) for record in journal} == {tuple(former)} and {record["v"] for record in journal} == {1}
    assert len(shop.lapsed()) == 3
    assert verified(shop.world, PROGRAM).violations == []


async def test_what_begins_anew_begins_at_the_newest_level() -> None:
    shop = Shop()
    worker = await shop.worker()
    shop.buys("c0")
    await worker.settle()
    assert set(levels(shop)) == {NEWEST_LEVEL}


async def test_asked_for_the_level_rises_with_the_next_commit_and_stays_over_a_restart() -> None:
    shop, worker = await former_shop()
    shop.board.held[level_key(NEWEST_LEVEL)] = ASKED
    await worker.settle()
    assert levels(shop)[-1] == shop.meta().level == NEWEST_LEVEL
    assert shop.meta().holds == {} and not worker.engine.holding.in_force
    shop.board.held.clear()
    worker = await shop.worker("n2")
    shop.buys("c0")
    await worker.settle()
    assert levels(shop)[-1] == NEWEST_LEVEL
    assert verified(shop.world, PROGRAM).violations == []


@pytest.mark.parametrize("fault", list(Fault))
async def test_a_rise_whose_commit_fails_comes_with_the_one_that_does_not(fault: Fault) -> None:
    shop, worker = await former_shop()
    shop.board.held[level_key(NEWEST_LEVEL)] = ASKED
    shop.world.faults["commit"] = [fault]
    await worker.settle()
    assert levels(shop) == sorted(levels(shop)) and shop.meta().level == NEWEST_LEVEL
    assert verified(shop.world, PROGRAM).violations == []


async def test_a_hold_is_refused_at_level_1_and_kept_after_the_rise() -> None:
    shop, worker = await former_shop()
    shop.board.held["clock"] = CLOCK
    with pytest.raises(StartRefused, match=r"partition 0: .*level 1.*\(clock\): run `segmenter state upgrade`"):
        await worker.settle()
    shop.board.held[level_key(NEWEST_LEVEL)] = ASKED
    worker = await shop.worker("n2")
    await worker.settle()
    shop.days(40)
    await worker.settle()
    assert shop.lapsed() == [] and list(shop.meta().holds) == ["clock"]
    shop.board.held["clock"] = None
    await worker.settle()
    assert sorted(shop.lapsed()) == ["c0", "c1", "c2"]
    assert verified(shop.world, PROGRAM).violations == []


async def test_a_silence_guard_is_refused_at_level_1() -> None:
    shop, _ = await former_shop()
    worker = Worker(shop.world, PROGRAM, nonce="n2", controls=shop.board)
    worker.engine.settings = replace(worker.engine.settings, silence_hold_ms=60_000)
    with pytest.raises(StartRefused, match=r"\(silence_hold\): run `segmenter state upgrade`"):
        await worker.assign(0)


async def test_a_partition_stops_reading_at_level_1_too_and_its_state_says_nothing_of_it_before_the_rise() -> None:
    shop, worker = await former_shop()
    read = shop.meta().next_offset
    shop.board.held["partition/0"] = CLOCK
    await worker.settle()
    shop.buys("c0")
    await worker.settle()
    assert (shop.meta().next_offset, shop.meta().level, shop.meta().holds) == (read, FORMER_LEVEL, {})
    shop.board.held[level_key(NEWEST_LEVEL)] = ASKED
    await worker.settle()
    assert shop.meta().next_offset == read and list(shop.meta().holds) == ["partition/0"]
    shop.board.held["partition/0"] = None
    await worker.settle()
    assert shop.meta().next_offset == read + 1
    assert verified(shop.world, PROGRAM).violations == []


async def test_changed_definitions_are_refused_at_level_1_and_taken_after_the_rise() -> None:
    shop, worker = await former_shop()
    second = revised(SHOP.replace("60d", "30d"), 2)
    with pytest.raises(StartRefused, match=r"start with revision 1 .*run `segmenter state upgrade`, then deploy"):
        await Worker(shop.world, second, nonce="n2", controls=shop.board).assign(0)
    shop.board.held[level_key(NEWEST_LEVEL)] = ASKED
    await worker.settle()
    shop.days(1)
    worker = Worker(shop.world, second, nonce="n3", controls=shop.board)
    await worker.assign(0)
    shop.buys("c0")
    await worker.settle()
    assert shop.meta().program["version"] == 2
    for given in (PROGRAM, second):
        assert verified(shop.world, given).violations == []


async def test_a_level_that_goes_down_is_told() -> None:
    shop, worker = await former_shop()
    shop.board.held[level_key(NEWEST_LEVEL)] = ASKED
    await worker.settle()
    shop.buys("c0")
    await worker.settle()
    copy = Copy(log_of(shop.world))
    copy.edit_journal(len(copy["journal"]) - 1, lambda _: {"level": FORMER_LEVEL})
    assert Kind.JOURNAL_CHAIN in check(copy.log_now(), PROGRAM, NAMES).kinds
