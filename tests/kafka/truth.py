"""What the oracle says of an input topic as it lies there, customer by customer.

Customers do not touch each other, and of the clock's steps between two of a customer's records only the last matters.
So each customer's log is short, however long the topic and however often the clock moved.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable
from typing import Any

from stream.codec.inbound import decode
from stream.codec.journal import decode_journal
from stream.core.events import Erasure, Event
from stream.rules.tree import Definitions
from tests.kafka.kit import Incoming
from tests.oracle.history import Oracle, Step

Row = tuple[Any, ...]
"""customer, sequence, definition, from, to, effective ms, nth, kind of cause"""

ClockSteps = dict[int, list[tuple[int, int]]]
"""per partition, in order: (offset, instant up to which silence had been judged before the record there)"""


def clock_steps(journal: Iterable[Incoming], grace_ms: int) -> ClockSteps:
    """How far the clock had come between two records: an event that arrives after the clock has passed it is late, one
    that was read before is not."""
    steps: ClockSteps = {}
    for record in journal:
        assert record.value is not None, "the journal has no erasures"
        for offset, clock_ms, _ in decode_journal(record.value).steps:
            steps.setdefault(record.partition, []).append((offset, clock_ms - grace_ms))
    return steps


def expected_rows(
    definitions: Definitions,
    events: Iterable[Incoming],
    steps: ClockSteps,
    until_ms: int,
    wanted: Callable[[str], bool] = lambda _customer_id: True,
) -> list[Row]:
    """All changes of the customers wanted, silence judged up to `until_ms`."""
    logs: dict[str, list[tuple[int, Event | Erasure]]] = {}
    partition_of: dict[str, int] = {}
    for record in events:
        item = decode(record.key, record.value, record.headers, record.timestamp_ms, record.offset, until_ms)
        if isinstance(item, Event | Erasure) and wanted(item.customer_id):
            logs.setdefault(item.customer_id, []).append((record.offset, item))
            partition_of[item.customer_id] = record.partition
    rows: list[Row] = []
    for customer_id, records in logs.items():
        offsets, instants = _columns(steps.get(partition_of[customer_id], []))
        log: list[Event | Erasure | Step] = []
        seen = 0
        for offset, item in records:
            passed = bisect_right(offsets, offset)
            if passed > seen:
                log.append(Step(instants[passed - 1]))
                seen = passed
            log.append(item)
        rows += map(_row, Oracle(definitions).run([*log, Step(until_ms)]))
    return rows


def _columns(steps: list[tuple[int, int]]) -> tuple[list[int], list[int]]:
    return [offset for offset, _ in steps], [instant for _, instant in steps]


def _row(change: dict[str, Any]) -> Row:
    return (
        change["customer"], change["sequence"], change["definition"], change["from"], change["to"],
        change["effective_ms"], change["nth"], change["cause"],
    )  # fmt: skip
