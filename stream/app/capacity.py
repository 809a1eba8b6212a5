"""What a pipeline needs, reckoned from few inputs. Every line shows its formula and the measured figures it rests on.

The figures are those of docs/performance.md, of one machine with two cores: measure yours before you buy
(`make bench`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured value. `what` says of what; docs/performance.md has a row for each."""

    value: float
    unit: str
    what: str


WARM = Figure(23_204, "events/s", "one worker, 50,000 customers")
COLD = Figure(16_801, "events/s", "one worker, 300,000 customers, cold cache")
RESTORE = Figure(152_627, "customers/s", "restore from the state topic alone")
REOPEN = Figure(149_761, "customers/s", "start with the local copy, after a kill")
CHANGES = Figure(0.22, "changes/event", "customers who order, browse and fall silent")
EVENT = Figure(277, "bytes", "an event")
STATE = Figure(930, "bytes", "a customer's state record")
CHANGE = Figure(1_242, "bytes", "a change, with key and headers")
MEMBERSHIP = Figure(1_248, "bytes", "a membership record, with key and headers")
JOURNAL = Figure(571, "bytes", "a journal record")
IDLE = Figure(105, "MB", "memory of a worker that holds nothing yet")

FIGURES = (WARM, COLD, RESTORE, REOPEN, CHANGES, EVENT, STATE, CHANGE, MEMBERSHIP, JOURNAL, IDLE)

WARM_CUSTOMERS = 50_000
"""More customers a worker were measured with a cold cache only."""

BUSY_SHARE = 0.8
"""A worker busier than that has no room for the load after an outage."""

PARTITIONS_A_WORKER = 4
"""At the beginning: the number of partitions is fixed for life, and is the ceiling of workers."""

OBJECT_BYTES = 200
"""What a customer's record costs in Python beside its bytes; reckoned, not measured."""

DIRTY_SHARE = 0.2
"""Of a compacted topic, before it is cleaned: min.cleanable.dirty.ratio of `segmenter topics create`."""

SEGMENT_BYTES = 64 << 20
"""A compacted topic's active segment, never cleaned: segment.bytes of `segmenter topics create`."""

COMMITS_S = 10.0
"""At the default commit_interval."""

PENDING = 20_000
"""Events and changes that wait for a commit at most (`stream.engine.turns.EARLY_COMMIT`)."""

KEPT_DAYS = {"changes": 30, "journal": 90}
"""Retention by `segmenter topics create`."""


@dataclass(frozen=True, slots=True)
class Load:
    """What is asked: at the peak, over everything. Sizes in bytes, uncompressed."""

    events_s: float
    customers: int
    changes_per_event: float = CHANGES.value
    event_bytes: float = EVENT.value
    replication: int = 3
    cache_customers: int = 200_000
    cache_memory_bytes: int = 512 << 20


@dataclass(frozen=True, slots=True)
class Line:
    """One answer. `value` in `unit` (bytes as B); `rests_on`: the figures in the formula."""

    name: str
    value: float
    unit: str
    formula: str
    rests_on: tuple[Figure, ...] = ()


def reckon(load: Load) -> list[Line]:
    """The whole page."""
    workers, speed = _workers(load)
    partitions = max(PARTITIONS_A_WORKER, workers * PARTITIONS_A_WORKER)
    share = load.customers / workers
    return [
        Line(
            "workers", workers, "", f"events/s / ({BUSY_SHARE} busy x measured events/s), rounded up", (speed,)
        ),
        Line("partitions", partitions, "",
             f"{PARTITIONS_A_WORKER} x workers: room to grow as many times; fixed for life"),
        _memory(load, share),
        Line("disk a worker", 2 * share * STATE.value, "B",
             "2 (a rebuild beside) x customers / workers x state", (STATE,)),
        Line("restore, disk lost", share / RESTORE.value, "s", "customers / workers / measured rate", (RESTORE,)),
        Line("restart, disk kept", share / REOPEN.value, "s", "customers / workers / measured rate", (REOPEN,)),
        Line("input a day", load.events_s * load.event_bytes * DAY_S * load.replication, "B",
             "events/s x event x a day x copies", (EVENT,)),
        *_topics(load, partitions),
        Line("written", _written_s(load, partitions) * load.replication, "B/s",
             "(events/s x (state + changes/event x (change + membership)) + journal) x copies",
             (STATE, CHANGES, CHANGE, MEMBERSHIP, JOURNAL)),
    ]  # fmt: skip


def _workers(load: Load) -> tuple[int, Figure]:
    """How many, and by which measured speed: each worker's share of customers decides."""
    for speed in (WARM, COLD):
        workers = max(1, math.ceil(load.events_s / (BUSY_SHARE * speed.value)))
        if speed is COLD or load.customers / workers <= WARM_CUSTOMERS:
            break
    return workers, speed


def _memory(load: Load, share: float) -> Line:
    held = min(load.cache_customers, share) * (STATE.value + OBJECT_BYTES)
    pending = PENDING * (load.event_bytes + STATE.value + load.changes_per_event * (CHANGE.value + MEMBERSHIP.value))
    return Line(
        "memory a worker",
        IDLE.value * 1e6 + load.cache_memory_bytes + held + pending,
        "B",
        f"idle + cache_memory + min(cache_customers, customers / workers) x (state + {OBJECT_BYTES}) + {PENDING:,} "
        "pending x (event + state + changes/event x (change + membership))",
        (IDLE, EVENT, STATE, CHANGES, CHANGE, MEMBERSHIP),
    )


def _topics(load: Load, partitions: int) -> list[Line]:
    copies, days = load.replication, KEPT_DAYS
    changes = load.events_s * load.changes_per_event * CHANGE.value * DAY_S * days["changes"] * copies
    journal = COMMITS_S * partitions * JOURNAL.value * DAY_S * days["journal"] * copies
    return [
        Line("segment-changes", changes, "B", f"events/s x changes/event x change x {days['changes']} days x copies",
             (CHANGES, CHANGE)),
        _compacted("segment-memberships", MEMBERSHIP, "membership", load, partitions),
        _compacted("segmenter-state", STATE, "state", load, partitions),
        Line("segmenter-journal", journal, "B",
             f"{COMMITS_S:.0f} commits/s x partitions x journal record x {days['journal']} days x copies", (JOURNAL,)),
    ]  # fmt: skip


def _compacted(name: str, record: Figure, word: str, load: Load, partitions: int) -> Line:
    clean = load.customers * record.value / (1 - DIRTY_SHARE)
    formula = f"(customers x {word} / {1 - DIRTY_SHARE} + partitions x {SEGMENT_BYTES >> 20} MiB) x copies"
    return Line(name, (clean + partitions * SEGMENT_BYTES) * load.replication, "B", formula, (record,))


def _written_s(load: Load, partitions: int) -> float:
    per_event = STATE.value + load.changes_per_event * (CHANGE.value + MEMBERSHIP.value)
    return load.events_s * per_event + COMMITS_S * partitions * JOURNAL.value


def figures_table() -> str:
    """The table of docs/performance.md that this page rests on, as Markdown."""
    rows = [f"| {each.what} | {each.value:,} {each.unit} |" for each in FIGURES]
    return "\n".join(["| figure | value |", "|---|---|", *rows]) + "\n"
