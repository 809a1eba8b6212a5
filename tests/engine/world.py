"""A fake world for the engine: a log with transactions, offsets, stores and a source, all in memory, time by hand.

Faults are put in by name: `world.faults["commit"] = [Lost.REPLY]` makes the next commit land with its reply lost.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from stream.codec.levels import NEWEST_LEVEL
from stream.codec.snapshot import digest
from stream.core.program import Program
from stream.engine.engine import Engine, EngineSettings, Outside
from stream.engine.holding import NoControls
from stream.engine.interfaces import (
    Aborted,
    Batch,
    Committed,
    Controls,
    Keyed,
    OutcomeUnknown,
    Produce,
)
from stream.engine.observer import Observer
from stream.engine.restore import Beginning, Restorer
from stream.engine.task import TaskSettings
from stream.engine.wall_clock import WallClock

DAY = 86_400_000
START = 1_767_225_600_000  # 2026-01-01T00:00:00Z


class Fault(Enum):
    ABORT = "the call says the transaction must be aborted"
    REPLY_LOST = "the call takes effect, its reply is lost"
    REQUEST_LOST = "the call has no effect, and times out"


class Crash(Exception):
    """The process dies here."""


@dataclass(frozen=True)
class Message:
    """As librdkafka's."""

    at: int
    k: bytes | None
    v: bytes | None
    h: list[tuple[str, bytes]] | None
    ts: int

    def offset(self) -> int:
        return self.at

    def key(self) -> bytes | None:
        return self.k

    def value(self) -> bytes | None:
        return self.v

    def headers(self) -> list[tuple[str, bytes]] | None:
        return self.h

    def timestamp(self) -> tuple[int, int]:
        return (1, self.ts)


class MemoryStore:
    unchanged = False

    def __init__(self) -> None:
        self.customers: dict[bytes, bytes] = {}
        self.wakes: set[tuple[int, bytes]] = set()
        self.meta_bytes: bytes | None = None
        self.own: dict[bytes, bytes] = {}

    def meta(self) -> bytes | None:
        return self.meta_bytes

    def get(self, key: bytes) -> bytes | None:
        return self.customers.get(key)

    def following(self, key: bytes, limit: int) -> list[tuple[bytes, bytes]]:
        return sorted(entry for entry in self.customers.items() if entry[0] > key)[:limit]

    def reserved(self) -> dict[bytes, bytes]:
        return dict(self.own)

    def write(self, customers, wakes_added, wakes_removed, meta, reserved=()) -> None:
        for key, value in reserved:
            if value is None:
                self.own.pop(key, None)
            else:
                self.own[key] = value
        for key, value in customers:
            if value is None:
                self.customers.pop(key, None)
            else:
                self.customers[key] = value
        self.wakes.update(wakes_added)
        self.wakes.difference_update(wakes_removed)
        if meta is not None:
            self.meta_bytes = meta

    def due(self, from_ms: int, until_ms: int, from_key: bytes = b"") -> Iterator[tuple[int, bytes]]:
        return iter(sorted(wake for wake in self.wakes if (from_ms, from_key) <= wake and wake[0] <= until_ms))

    def scan(self) -> Iterator[tuple[bytes, bytes]]:
        return iter(sorted(self.customers.items()))

    def check(self, keys: int, total: int) -> str | None:
        found = sum(digest(key, value) for key, value in self.customers.items()) % (1 << 128)
        return None if (len(self.customers), found) == (keys, total) else "count or digest differ"

    def close(self) -> None: ...

    def sizes(self) -> dict[str, int]:
        return {}


@dataclass
class World:
    """Survives the worker: what the broker and the disk hold."""

    partitions: int = 1
    now_ms: int = START
    skew_ms: int = 0  # the worker's clock is ahead by so much
    inputs: dict[int, list[Message]] = field(default_factory=lambda: defaultdict(list))
    topics: dict[tuple[str, int], list[Produce]] = field(default_factory=lambda: defaultdict(list))
    offsets: dict[int, tuple[int, str]] = field(default_factory=dict)
    stores: dict[int, MemoryStore] = field(default_factory=dict)
    set_aside: list[str] = field(default_factory=list)
    faults: dict[str, list[Fault | None]] = field(default_factory=lambda: defaultdict(list))
    crash_at: dict[str, int] = field(default_factory=dict)
    hidden_end: int | None = None  # records from here on are in an upstream's open transaction
    first_kept: int = 0  # offsets of the input before it were deleted by retention
    run_ids: int = 0

    def send(
        self, key: str, value: bytes | None, partition: int = 0, timestamp_ms: int | None = None, headers: Any = None
    ) -> int:
        log = self.inputs[partition]
        log.append(
            Message(len(log), key.encode(), value, headers, self.now_ms if timestamp_ms is None else timestamp_ms)
        )
        return len(log) - 1

    def fault(self, call: str) -> Fault | None:
        return self.faults[call].pop(0) if self.faults[call] else None

    def values(self, topic: str, partition: int = 0) -> list[Produce]:
        """What a read_committed reader sees."""
        return self.topics[topic, partition]


class Producer:
    """Transactions on the world's log."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.open: list[Produce] = []
        self.open_offsets: dict[int, tuple[int, str]] = {}
        self.undecided: tuple[list[Produce], dict[int, tuple[int, str]], bool] | None = None
        self.metas: dict[int, int] = {}
        self.renewed = 0

    def begin(self) -> None:
        assert not self.open and not self.open_offsets
        self._strike("begin")

    def produce(self, records: Iterable[Produce]) -> None:
        self._strike("produce")
        self.open.extend(records)

    def send_offsets(self, offsets: dict[int, tuple[int, str]], group_metadata: Any) -> None:
        self._strike("send_offsets")
        self.open_offsets.update(offsets)

    def commit(self) -> None:
        fault = self.world.fault("commit")
        if fault is Fault.ABORT:
            raise Aborted
        if fault is None or fault is Fault.REPLY_LOST:
            self._land()
        if fault is not None:
            raise OutcomeUnknown

    def _land(self) -> None:
        for record in self.open:
            log = self.world.topics[record.topic, record.partition]
            log.append(record)
            if record.key == b"\x00meta":
                self.metas[record.partition] = len(log) - 1
        self.world.offsets.update(self.open_offsets)
        self.open, self.open_offsets = [], {}

    def abort(self) -> None:
        self._strike("abort")
        self.open, self.open_offsets = [], {}

    def renew(self) -> None:
        self.renewed += 1
        self.open, self.open_offsets = [], {}

    def ahead_ms(self) -> int | None:
        return self.world.skew_ms

    def meta_offset(self, partition: int) -> int | None:
        return self.metas.get(partition)

    def _strike(self, call: str) -> None:
        fault = self.world.fault(call)
        if fault is Fault.ABORT:
            raise Aborted
        if fault is not None:
            raise OutcomeUnknown


class Reads:
    """Offsets and the changelog."""

    def __init__(self, world: World) -> None:
        self.world = world

    def committed(self, partitions: Sequence[int]) -> dict[int, Committed]:
        found = {}
        for partition in partitions:
            offset, text = self.world.offsets.get(partition, (None, "0:"))
            number, _, nonce = text.partition(":")
            found[partition] = Committed(offset, int(number), nonce)
        return found

    def high_watermarks(self, partitions: Sequence[int]) -> dict[int, int]:
        return {partition: len(self.world.inputs[partition]) for partition in partitions}

    def low_watermarks(self, partitions: Sequence[int]) -> dict[int, int]:
        return dict.fromkeys(partitions, self.world.first_kept)

    def changelog_bounds(self, partition: int) -> tuple[int, int]:
        return 0, len(self.world.topics["state", partition])

    def read(self, partition: int, start: int, end: int) -> Iterator[tuple[list[Keyed], int]]:
        log = self.world.topics["state", partition]
        records = [(log[at].key or b"", log[at].value) for at in range(start, end)]
        yield records, end

    def open(self, partition: int) -> MemoryStore:
        return self.world.stores.setdefault(partition, MemoryStore())

    def set_aside(self, partition: int, reason: str) -> None:
        self.world.set_aside.append(reason)
        self.world.stores.pop(partition, None)


class HandSource:
    """A source that delivers when told to."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.positions: dict[int, int] = {}
        self.epochs: dict[int, int] = {}
        self.serials: dict[int, int] = {}
        self.underway = 0
        self.wall = WallClock(lambda: world.now_ms + world.skew_ms, lambda: world.skew_ms)

    def start(self, partition: int, offset: int, epoch: int) -> None:
        self.positions[partition], self.epochs[partition], self.serials[partition] = offset, epoch, 0

    def halt(self, partition: int) -> None:
        self.positions.pop(partition, None)

    async def group_metadata(self) -> Any:
        return "metadata"

    def done(self, records: int) -> None:
        self.underway -= records

    def next_batch(self, partition: int, most: int) -> Batch | None:
        if partition not in self.positions:
            return None
        position, log = self.positions[partition], self.world.inputs[partition]
        end = len(log) if self.world.hidden_end is None else min(len(log), self.world.hidden_end)
        records = log[position : min(end, position + most)]
        if not records:
            return None
        self.positions[partition] = position + len(records)
        serial = self.serials[partition]
        self.serials[partition] += 1
        self.underway += len(records)
        return Batch(partition, self.epochs[partition], self.wall.believed_ms(), records, None, serial)


class Worker:
    """One worker process on the world; `crashed` tells that it died."""

    def __init__(
        self,
        world: World,
        program: Program,
        observer: Observer | None = None,
        nonce: str = "n1",
        controls: Controls | None = None,
        level: int = NEWEST_LEVEL,
    ) -> None:
        self.world = world
        self.producer = Producer(world)
        self.reads = Reads(world)
        self.source = HandSource(world)
        self.failures: list[BaseException] = []
        task = TaskSettings(
            name="shop", input_topic="events", changes_topic="changes", memberships_topic="memberships",
            rejected_topic="rejected", state_topic="state", journal_topic="journal", output_prefix="",
            max_event_bytes=262_144,
            grace_ms=2_000, cache_customers=10_000, nonce=nonce, versions={"code": "test"},
        )  # fmt: skip
        beginning = Beginning("earliest", world.partitions, self._run_id, lambda: world.now_ms, level)
        observer = observer or Observer()
        restorer = Restorer(program, self.reads, self.reads, self.reads, beginning, observer)
        outside = Outside(
            self.source, self.producer, self.reads, restorer, lambda: world.now_ms + world.skew_ms,
            self.failures.append, self._crash, controls or NoControls(),
        )  # fmt: skip
        self.engine = Engine(program, EngineSettings(0.1, task), outside, observer)

    def _run_id(self) -> str:
        self.world.run_ids += 1
        return f"{self.world.run_ids:08x}"

    def _crash(self, point: str) -> None:
        left = self.world.crash_at.get(point, 0)
        if left:
            self.world.crash_at[point] = left - 1
            if left == 1:
                raise Crash(point)

    async def assign(self, *partitions: int) -> None:
        self.engine.assigned(list(partitions))
        while self.engine._jobs:
            await asyncio.gather(*self.engine._jobs)
        if self.failures:
            raise self.failures[0]

    async def read(self, most: int = 1_000_000) -> None:
        """Read everything there is, in batches of `most`."""
        for partition in list(self.source.positions):
            while (batch := self.source.next_batch(partition, most)) is not None:
                await self.engine.handle(batch)
                self.raise_failures()

    async def settle(self, most: int = 1_000_000) -> None:
        """Read, let the clock go on, commit, until nothing moves."""
        quiet = 0  # rounds in which nothing happened: after an abort one such round is not the end
        for _ in range(50):
            commits = sum(len(log) for log in self.world.topics.values())
            await self.read(most)
            await self.engine.tick()
            await self.engine.commit()
            self.raise_failures()
            unchanged = commits == sum(len(log) for log in self.world.topics.values())
            quiet = quiet + 1 if unchanged and not self.engine._moved() else 0
            if quiet == 2:
                return
        raise AssertionError("the worker does not come to rest")

    def raise_failures(self) -> None:
        if self.failures:
            raise self.failures[0]
