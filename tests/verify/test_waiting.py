"""What is due and not looked at is told: at once, or, where a worker has parked customers to look through, in time."""

from __future__ import annotations

from dataclasses import replace

from stream.codec.journal import decode_journal
from stream.core.holds import PARKED_AT_MS
from stream.verify.journal_laws import Commit
from stream.verify.model import Replayed
from stream.verify.report import Kind
from stream.verify.waiting import LOOKED_AT_ONCE, PATIENCE, Waiting
from tests.engine.test_holds import CLOCK, Shop
from tests.verify.test_corruptions import clean
from tests.verify.worlds import PROGRAM, verified

OVERDUE = Replayed({}, {}, [], 0, "", overdue_ms=70)
FIRED = Replayed({}, {}, [], 0, "")
FORGOTTEN = Replayed({}, {}, [], 0, "", released=True, parked=1, ever_parked=1)


def told(replayed: list[Replayed], nonces: str = "") -> list[int]:
    """At which of the commits something is told; `nonces`: whose they are, one process's if it is left out."""
    record = clean().topics["journal"][0]
    journal = decode_journal(record.value or b"")
    found: list[Kind] = []
    waiting = Waiting(lambda kind, *_: found.append(kind))
    places = []
    for place, each in enumerate(replayed):
        before = len(found)
        waiting.take(Commit(record, replace(journal, nonce=nonces[place : place + 1]), ""), each)
        places += [place] * (len(found) - before)
    return places


def test_a_wake_left_behind_by_a_step_that_met_nothing_is_told_at_once_where_nobody_ever_was_parked() -> None:
    assert told([FIRED, OVERDUE, FIRED, OVERDUE]) == [1, 3]


def test_where_some_were_parked_it_is_told_once_all_entries_can_have_been_looked_at() -> None:
    few, many = replace(OVERDUE, ever_parked=1), replace(OVERDUE, ever_parked=10 * LOOKED_AT_ONCE)
    assert told([few] * PATIENCE) == [PATIENCE - 1]
    assert told([many] * (PATIENCE + 30)) == [PATIENCE + 29]
    assert told([*[few] * (PATIENCE - 1), FIRED, *[few] * (PATIENCE - 1)]) == []


def test_another_process_looks_at_all_of_them_again() -> None:
    few = replace(OVERDUE, ever_parked=1)
    assert told([few] * 2 * (PATIENCE - 1), "a" * (PATIENCE - 1) + "b" * (PATIENCE - 1)) == []


def test_a_customer_who_stays_parked_though_nothing_is_held_is_told_in_time() -> None:
    assert told([FORGOTTEN] * PATIENCE) == [PATIENCE - 1]
    assert told([replace(FORGOTTEN, released=False)] * PATIENCE) == []
    assert told([replace(FORGOTTEN, parked=0)] * PATIENCE) == []


async def forgetful(others: bool) -> tuple[set[Kind], set[str]]:
    """What is told of a worker whose index has lost a parked customer, when the hold is released; kinds and messages.
    `others`: another customer's silence is due then."""
    shop = Shop()
    worker = await shop.worker()
    for customer in ("c0", "c2") if others else ("c0",):
        shop.buys(customer)
    await worker.settle()
    shop.board.held["clock"] = CLOCK
    await worker.settle()
    shop.days(31)
    shop.buys("c0", "Product Viewed")
    await worker.settle()
    index = shop.world.stores[0].wakes
    (parked,) = [entry for entry in index if entry[0] == PARKED_AT_MS]
    index.remove(parked)
    shop.board.held.clear()
    for _ in range(PATIENCE + 1):
        shop.days(1)
        await worker.settle()
    assert shop.lapsed() == (["c2"] if others else []), "c0 is parked, and forgotten"
    violations = verified(shop.world, PROGRAM).violations
    return {violation.kind for violation in violations}, {violation.message for violation in violations}


async def test_a_worker_that_forgets_who_is_parked_is_told_even_when_nothing_else_is_due() -> None:
    kinds, messages = await forgetful(others=False)
    assert kinds == {Kind.WAKE_UNFIRED}
    assert all("nothing is held, and 1 customers stay parked" in message for message in messages)


async def test_a_worker_that_tells_another_customer_instead_does_not_agree_with_the_replay() -> None:
    kinds, _ = await forgetful(others=True)
    assert {Kind.MODEL_DIFFERS, Kind.UNEXPECTED, Kind.MISSING} <= kinds
