"""Laws of holds in the engine: when they take effect, that they are kept and journaled, and that a replay agrees."""

from __future__ import annotations

import json

import pytest

from stream.app.watch import count_held
from stream.codec.control import Control
from stream.codec.journal import decode_journal, decode_meta
from stream.core.holds import PARKED_AT_MS
from stream.engine.holding import ControlsUnreachable, Holding
from stream.engine.interfaces import OutcomeUnknown
from stream.verify.check import check
from tests.engine.shop import order
from tests.engine.world import DAY, START, Fault, Worker, World
from tests.verify.worlds import NAMES, PROGRAM, Copy, log_of, verified

CLOCK = Control("ann", START, "the shop's tracker is broken")


class Switchboard:
    """The control topic, in memory; survives workers."""

    def __init__(self) -> None:
        self.held: dict[str, Control | None] = {}
        self.silent = False
        self.hears_only = False

    def read(self) -> dict[str, Control | None]:
        if self.silent or self.hears_only:
            raise OutcomeUnknown
        return dict(self.held)

    def write(self, key: str, control: Control | None) -> None:
        if self.silent:
            raise OutcomeUnknown
        assert control is not None
        self.held[key] = control


class Shop:
    def __init__(self, customers: int = 3) -> None:
        self.world = World(now_ms=START)
        self.board = Switchboard()
        self.number = 0
        self.customers = customers

    async def worker(self, nonce: str = "n1") -> Worker:
        worker = Worker(self.world, PROGRAM, nonce=nonce, controls=self.board)
        await worker.assign(0)
        return worker

    def buys(self, customer: str, event: str = "Order Completed") -> None:
        self.number += 1
        self.world.send(customer, order(customer, self.world.now_ms - 1_000, self.number, event))

    def days(self, days: float) -> None:
        self.world.now_ms += int(days * DAY)

    def lapsed(self) -> list[str]:
        changes = [json.loads(record.value or b"") for record in self.world.values("changes")]
        return [each["customer_id"] for each in changes if each.get("to_stage") == "inactive"]

    def effective(self, customer: str) -> list[str]:
        changes = [json.loads(record.value or b"") for record in self.world.values("changes")]
        return [
            each["effective_at"]
            for each in changes
            if each.get("to_stage") == "inactive" and each["customer_id"] == customer
        ]

    def meta(self):
        return decode_meta(self.world.values("state")[-1].value or b"")


async def held_shop() -> tuple[Shop, Worker]:
    """Three customers bought; the clock is held before any has lapsed; c0 looked on since then, c1 bought again."""
    shop = Shop()
    worker = await shop.worker()
    for customer in ("c0", "c1", "c2"):
        shop.buys(customer)
    await worker.settle()
    shop.board.held["clock"] = CLOCK
    await worker.settle()
    shop.days(31)
    shop.buys("c0", "Product Viewed")
    shop.buys("c1")
    await worker.settle()
    shop.days(1)
    return shop, worker


async def test_nothing_lapses_while_the_clock_is_held_and_the_clock_goes_on() -> None:
    shop, worker = await held_shop()
    await worker.settle()
    assert shop.lapsed() == []
    task = worker.engine.tasks[0]
    assert task is not None and task.partition.clock_ms == shop.world.now_ms
    assert worker.engine.blocked_reason is None


async def test_those_who_wait_for_the_release_are_counted_and_no_wake_is_called_overdue() -> None:
    shop, worker = await held_shop()
    await worker.settle()
    task = worker.engine.tasks[0]
    assert task is not None
    assert count_held(task) == 2, "c0 is parked, c2 is due; c1 bought again"
    assert task.next_wake_ms is None
    shop.board.held.clear()
    await worker.settle()
    assert count_held(task) == 0 and task.next_wake_ms is not None


async def test_after_the_release_those_lapse_who_are_silent_at_the_instant_they_were_due() -> None:
    shop, worker = await held_shop()
    del shop.board.held["clock"]
    await worker.settle()
    assert sorted(shop.lapsed()) == ["c0", "c2"]
    assert shop.effective("c2") == ["2026-01-30T23:59:59.000Z"]
    assert verified(shop.world, PROGRAM).violations == []


async def test_a_new_owner_goes_on_with_what_is_held_whatever_it_had_on_disk() -> None:
    for disk in ("kept", "lost"):
        shop, _ = await held_shop()
        if disk == "lost":
            shop.world.stores.clear()
        again = await shop.worker("n2")
        await again.settle()
        assert shop.lapsed() == []
        assert shop.meta().holds.keys() == {"clock"}
        del shop.board.held["clock"]
        await again.settle()
        assert sorted(shop.lapsed()) == ["c0", "c2"]
        assert not [entry for entry in shop.world.stores[0].wakes if entry[0] == PARKED_AT_MS]
        assert verified(shop.world, PROGRAM).violations == []


async def test_a_hold_made_while_no_worker_ran_is_known_before_the_first_record_is_taken_in() -> None:
    shop = Shop()
    worker = await shop.worker()
    shop.buys("c0")
    await worker.settle()
    shop.board.held["clock"] = CLOCK
    shop.days(31)
    shop.buys("c0", "Product Viewed")
    again = await shop.worker("n2")
    await again.settle()
    assert shop.lapsed() == []


async def test_what_a_worker_held_and_was_killed_before_it_told_is_told_by_the_next_and_released_like_any() -> None:
    shop, _ = await held_shop()
    del shop.board.held["clock"]  # as if it had never been written
    again = await shop.worker("n2")
    await again.settle()
    assert shop.board.held["clock"].by == "kept-state" and shop.lapsed() == []
    shop.board.held["clock"] = None
    await again.settle()
    assert sorted(shop.lapsed()) == ["c0", "c2"]
    third = await shop.worker("n3")
    await third.settle()
    assert shop.board.held["clock"] is None
    assert verified(shop.world, PROGRAM).violations == []


async def test_what_was_written_is_not_written_again_over_a_release_when_the_answer_did_not_come() -> None:
    board = Switchboard()
    holding = Holding(board)
    holding.hold("clock", CLOCK)
    board.hears_only = True
    with pytest.raises(ControlsUnreachable):
        holding.refresh()
    assert holding.in_force.keys() == board.held.keys() == {"clock"}

    board.held["clock"] = None  # somebody releases it
    board.hears_only = False
    holding.refresh()

    assert board.held == {"clock": None} and not holding.in_force


async def test_while_nobody_knows_what_is_held_the_clock_stands_still_and_says_why() -> None:
    shop, worker = await held_shop()
    shop.board.silent = True
    clock_ms = worker.engine.tasks[0].partition.clock_ms
    shop.days(1)
    await worker.engine.tick()
    assert worker.engine.tasks[0].partition.clock_ms == clock_ms
    assert worker.engine.blocked_reason == "control-unreachable"


async def test_a_hold_is_journaled_where_it_took_effect_and_again_after_an_abort() -> None:
    shop = Shop()
    worker = await shop.worker()
    shop.buys("c0")
    await worker.settle()
    shop.board.held["clock"] = CLOCK
    shop.world.faults["commit"] = [Fault.ABORT]
    await worker.settle()
    shop.days(31)
    await worker.settle()
    journaled = [hold for record in shop.world.values("journal") for hold in decode_journal(record.value or b"").holds]
    assert [(key, held) for *_, key, held in journaled] == [("clock", 1)]
    assert shop.lapsed() == []
    assert verified(shop.world, PROGRAM).violations == []


async def test_a_replay_that_leaves_out_a_hold_does_not_agree() -> None:
    shop, worker = await held_shop()
    del shop.board.held["clock"]
    await worker.settle()
    copy = Copy(log_of(shop.world))
    place = next(i for i, r in enumerate(copy["journal"]) if decode_journal(r.value or b"").holds)
    copy.edit_journal(place, lambda journal: {"holds": []})
    assert check(copy.log_now(), PROGRAM, NAMES).violations


async def test_a_stopped_partition_takes_in_nothing_until_it_is_released() -> None:
    shop = Shop()
    worker = await shop.worker()
    shop.buys("c0")
    await worker.settle()
    shop.board.held["partition/0"] = Control("ann", START, "poison")
    await worker.settle()
    shop.buys("c1")
    await worker.settle()
    assert shop.meta().next_offset == 1 and shop.meta().holds.keys() == {"partition/0"}
    again = await shop.worker("n2")
    await again.settle()
    assert shop.meta().next_offset == 1
    del shop.board.held["partition/0"]
    await again.settle()
    assert shop.meta().next_offset == 2
    assert verified(shop.world, PROGRAM).violations == []
