"""The expectation of the simulation against the general oracle: two independent readings of the same definitions."""

from __future__ import annotations

import pytest

from stream.codec.inbound import decode
from stream.codec.journal import decode_journal
from stream.core.events import Erasure, Event
from tests.oracle.history import Log, Oracle, Step
from tests.simulation.check import history, of_one_revision
from tests.simulation.client import INPUT, JOURNAL
from tests.simulation.definitions import BREAKS, BROWSING_MS, DEFINITIONS, KEEN_MS
from tests.simulation.events import BROWSE, PURCHASE, Sent
from tests.simulation.expected import expect
from tests.simulation.items import program
from tests.simulation.lives import Row
from tests.simulation.process import MAX_EVENT_BYTES
from tests.simulation.run import settled
from tests.simulation.world import World

OTHERWISE = ("hold", "deploy")
CALM = [
    seed for seed in range(60) if not World(seed).stormy and all(item.what not in OTHERWISE for item in program(seed))
][:8]
"""Worlds in which nothing is held and the definitions stay: of that the general oracle knows nothing."""


@pytest.mark.parametrize("seed", CALM)
def test_the_expectation_is_what_the_oracle_tells(seed: int) -> None:
    with settled(seed) as world:
        assert not world.stormy, "take another seed: how far a step came in a storm only a replay can tell"
        for partition in (0, 1):
            journal = [decode_journal(record.value or b"") for record in world.broker.values(JOURNAL, partition)]
            items = of_one_revision(list(history(world, partition, journal)))
            log = oracle_log(world, partition, items)

            told = sorted(map(row_of, Oracle(DEFINITIONS).run(log)), key=lambda row: row[0])

            assert told == sorted(expect(items).rows, key=lambda row: row[0])


def sent(kind: str, at_ms: int) -> Sent:
    return Sent("c", kind, at_ms, at_ms, f"m-{kind}-{at_ms}")


def test_of_a_held_answer_that_came_and_went_a_late_event_tells_nothing() -> None:
    released_ms = BROWSING_MS + KEEN_MS
    items = [
        (0, ("hold", 0, "segment/keen")),
        (0, ("record", 9, sent(PURCHASE, 1))),
        (1, ("record", 9, sent(PURCHASE, 2))),
        (2, ("record", 9, sent(BROWSE, 3))),
        (3, ("clock", released_ms, None)),
        (3, ("record", released_ms, sent("other", 0))),
        (4, ("release", released_ms, "segment/keen")),
        (4, ("clock", released_ms, None)),
    ]

    assert [row[2] for row in expect(items).rows] == ["lifecycle", "browsing", "browsing"]


def test_a_browse_asks_nothing_of_purchases_at_an_instant_that_silence_has_passed() -> None:
    """Kept back and gone again while it was held: it is not told, though the late browse is judged where it was."""
    released_ms = KEEN_MS + 2
    items = [
        (0, ("record", 0, sent(PURCHASE, 0))),
        (1, ("hold", 1, "segment/keen")),
        (1, ("record", 1, sent(PURCHASE, 1))),
        (2, ("clock", released_ms, None)),
        (2, ("release", released_ms, "segment/keen")),
        (2, ("clock", released_ms, None)),
        (2, ("record", released_ms, sent(BROWSE, 1))),
    ]

    assert [row[2] for row in expect(items).rows] == ["lifecycle", "browsing"]


def oracle_log(world: World, partition: int, items: list) -> Log:
    """The same history as the oracle takes it: what can be decoded, and the steps of the clock."""
    log: Log = []
    for offset, (what, at_ms, _) in items:
        if what == "clock":
            if log and isinstance(log[-1], Step):
                log.pop()  # the later one does it all
            log.append(Step(at_ms))
            continue
        entry = world.broker.log(INPUT, partition).entries[offset]
        record = entry.record
        item = decode(
            record.key, record.value, record.headers, entry.stamp_ms, offset, at_ms, max_bytes=MAX_EVENT_BYTES
        )
        broken = isinstance(item, Event) and (item.message_id or "").startswith(BREAKS)
        if isinstance(item, Event | Erasure) and not broken:
            log.append(item)
    return log


def row_of(change: dict) -> Row:
    return (
        change["customer"], change["sequence"], change["definition"], change["from"], change["to"],
        change["effective_ms"], change["nth"] if change["definition"] else None, change["cause"],
    )  # fmt: skip
