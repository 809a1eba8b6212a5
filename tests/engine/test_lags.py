"""How long an event waited for its change to be committed is counted from when its own record was appended."""

from __future__ import annotations

from stream.engine.interfaces import Batch
from tests.engine.shop import a_task, order
from tests.engine.world import START, Message


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
