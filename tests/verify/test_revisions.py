"""Laws of verifying a run whose definitions were changed: all follows from the journal, and what does not is told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import pytest

from stream.codec.definitions import definitions_key, is_definitions
from stream.codec.journal import JournalRecord, decode_journal
from stream.rules.compile import CompiledProgram, compile_program
from stream.rules.load import parse_definitions
from stream.verify.check import check
from stream.verify.log import MemoryLog
from stream.verify.report import Kind
from tests.engine.shop import order
from tests.engine.world import DAY, START, Worker, World
from tests.verify.worlds import NAMES, PROGRAM, SHOP, Copy, log_of

KEEN = """  keen:
    when: count("Product Viewed", 20d) == 0 and count(purchase, 90d) >= 3
    topic: keen
"""


def revised(text: str, revision: int) -> CompiledProgram:
    told = text.replace("name: shop", f"name: shop\nrevision: {revision}")
    return compile_program(parse_definitions([("shop.yaml", told)]))


SECOND = revised(SHOP[: SHOP.index("  loyal:")].replace("30d", "60d") + KEEN, 2)
THIRD = revised(SHOP.replace("inactive: otherwise", "sleeping: otherwise").replace('"inactive"', '"sleeping"'), 3)


async def migrated(partitions: int = 2, customers: int = 9) -> World:
    """A shop under three definitions: customers are carried over by their own events, wakes and erasures, and by a
    slow sweep that is overtaken by the next revision."""
    world = World(partitions=partitions, now_ms=START)
    number = 0

    async def live(program: CompiledProgram, nonce: str, days: int, rate: int) -> None:
        nonlocal number
        worker = Worker(world, program, nonce=nonce)
        worker.engine.settings = replace(worker.engine.settings, definitions_rate=rate)
        await worker.assign(*range(partitions))
        for day in range(days):
            world.now_ms += DAY
            if day % 3 == 0:
                number += 1
                name = f"c{(7 * number) % customers}"
                world.send(name, order(name, world.now_ms - 1_000, number), int(name[1:]) % partitions)
            if day % 17 == 16:
                name = f"c{(number + 3) % customers}"
                world.send(name, None, int(name[1:]) % partitions)
            await worker.settle(3)

    await live(PROGRAM, "one", 50, 0)
    await live(SECOND, "two", 2, 0)
    await live(SECOND, "two b", 40, 5_000)
    await live(SECOND, "three", 1, 0)
    await live(THIRD, "four", 70, 5_000)
    return world


@cache
def clean() -> MemoryLog:
    return log_of(asyncio.run(migrated()))


def journal_places(copy: Copy, holds: Callable[[JournalRecord], object]) -> list[int]:
    return [place for place, record in enumerate(copy["journal"]) if holds(decode_journal(record.value or b""))]


def test_a_run_under_three_revisions_is_clean_whatever_file_is_given() -> None:
    for given in (PROGRAM, SECOND, THIRD):
        report = check(clean(), given, NAMES)
        assert report.violations == [] and not any("not replayed" in why for why in report.unchecked)
        assert report.checked["records of keen, byte for byte"] == len(clean().topics["keen"]) > 0
        assert report.checked["records of loyalty, byte for byte"] == len(clean().topics["loyalty"]) > 0
    kinds = {record.value for record in clean().topics["changes"] if b'"kind":"definitions"' in (record.value or b"")}
    assert len(kinds) > 10


def test_a_journal_without_the_text_of_a_later_revision_is_told() -> None:
    copy = Copy(clean())
    (*_, place) = journal_places(copy, lambda journal: journal.definitions_text)
    copy.edit_journal(place, lambda _: {"definitions_text": {}})
    assert Kind.DEFINITIONS in check(copy.log_now(), THIRD, NAMES).kinds


def test_a_revision_that_goes_back_is_told() -> None:
    copy = Copy(clean())
    (*_, place) = journal_places(copy, lambda journal: journal.definitions_text)
    first = decode_journal(copy["journal"][0].value or b"")
    copy.edit_journal(place, lambda _: {"definitions": first.definitions, "definitions_text": first.definitions_text})
    assert Kind.DEFINITIONS in check(copy.log_now(), THIRD, NAMES).kinds


@pytest.mark.parametrize("by", [-1, 1])
def test_a_sweep_that_visited_others_than_it_says_is_told(by: int) -> None:
    copy = Copy(clean())
    place = journal_places(copy, lambda journal: journal.sweeps)[0]

    def visits(journal: JournalRecord) -> dict[str, object]:
        offset, clock_ms, visited, most = journal.sweeps[0]
        return {"sweeps": [[offset, clock_ms, visited + by, most], *journal.sweeps[1:]]}

    copy.edit_journal(place, visits)
    assert Kind.MODEL_DIFFERS in check(copy.log_now(), THIRD, NAMES).kinds


def test_a_text_on_the_state_topic_that_is_missing_or_altered_is_told() -> None:
    for edit in (Copy.drop_text, Copy.alter_text):
        copy = Copy(clean())
        edit(copy, definitions_key(3))
        kinds = check(copy.log_now(), THIRD, NAMES).kinds
        assert kinds & {Kind.MISSING, Kind.ALTERED}


def test_texts_are_not_taken_for_customers() -> None:
    state = clean().topics["state"]
    assert sum(is_definitions(record.key) for record in state) >= 6
    assert check(clean(), THIRD, NAMES).checked["state records"] == len(list(state))
