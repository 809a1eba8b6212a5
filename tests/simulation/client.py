"""A process's Kafka clients on the simulated broker, as `stream.kafka` behaves on a real one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from stream.codec.control import Control
from stream.codec.journal import META_KEY
from stream.engine.engine import Engine
from stream.engine.interfaces import (
    Batch,
    Committed,
    Fenced,
    Keyed,
    OutcomeUnknown,
    Produce,
)
from stream.kafka.broker_clock import BrokerClock
from tests.simulation.broker import State
from tests.simulation.host import Host

INPUT, CHANGES, MEMBERSHIPS, REJECTED = "events", "changes", "memberships", "rejected"
STATE, JOURNAL = "state", "journal"

INIT_MS = 3_000
PATIENT_MS = 3_000
POLL_MS = 60
CHUNK = 5
"""Changelog records at a time: small, so that a restore is cut at many places."""
ANSWER_MS = 10


@dataclass(frozen=True, slots=True)
class Message:
    """As librdkafka's."""

    at: int
    record: Produce
    stamp_ms: int

    def offset(self) -> int:
        return self.at

    def key(self) -> bytes | None:
        return self.record.key

    def value(self) -> bytes | None:
        return self.record.value

    def headers(self) -> list[tuple[str, bytes]] | None:
        return self.record.headers

    def timestamp(self) -> tuple[int, int]:
        return (1, self.stamp_ms)


class SimulatedTransactions:
    """Implements `engine.interfaces.Transactions`. Records go to the log as they are produced; what can't be sent is
    kept for the commit, as librdkafka does."""

    def __init__(self, host: Host, transactional_id: str) -> None:
        self._host = host
        self._id = transactional_id
        self._epoch = 0
        self._begun = False
        self._begun_ms = 0
        self._unsent: list[Produce] = []
        self._broker_clock = BrokerClock(
            lambda: host.world.wall_ms
        )  # the world's time is every machine's monotonic clock
        self._broker_clock.appended(host.world.wall_ms, host.world.wall_ms)  # measured at the start
        self._meta_offsets: dict[int, int] = {}

    def begin(self) -> None:
        self._host.reach("begin")
        assert not self._begun, "a transaction is open already"
        self._begun = True
        self._begun_ms = self._host.world.wall_ms

    def produce(self, records: Iterable[Produce]) -> None:
        host = self._host
        fault = host.instance.fault_of("produce")
        for record in records:
            host.reach("before record")
            if fault is not None or not host.reachable or self._unsent:
                self._unsent.append(record)
            else:
                host._by_broker(lambda record=record: self._append(record, self._epoch))
        if fault is not None:
            host.world.happened("produce: kept back")
        host.wait_a_little()

    def send_offsets(self, offsets: dict[int, tuple[int, str]], group_metadata: Any) -> None:
        broker, epoch = self._host.world.broker, self._epoch
        self._host.ask("send offsets", lambda: broker.send_offsets(self._id, epoch, dict(offsets), group_metadata))

    def commit(self) -> None:
        broker, epoch = self._host.world.broker, self._epoch
        if self._unsent:
            self._host.ask("flush", lambda: self._append_all(epoch))
        self._host.ask("commit", lambda: broker.end_transaction(self._id, epoch, State.COMMITTED))
        self._begun = False

    def abort(self) -> None:
        broker, epoch = self._host.world.broker, self._epoch
        self._unsent = []
        self._host.ask("abort", lambda: broker.end_transaction(self._id, epoch, State.ABORTED))
        self._begun = False

    def renew(self) -> None:
        host = self._host
        give_up_ms = host.world.now_ms + INIT_MS
        while True:
            try:
                self._epoch = host.ask("renew", lambda: host.world.broker.initialise(self._id))
                break
            except OutcomeUnknown:
                if host.world.now_ms >= give_up_ms:
                    raise Fenced("the producer could not be initialised") from None
        self._begun = False
        self._unsent = []

    def ahead_ms(self) -> int | None:
        return self._broker_clock.ahead_ms(self._host.clock)

    def meta_offset(self, partition: int) -> int | None:
        return self._meta_offsets.get(partition)

    def _append(self, record: Produce, epoch: int) -> None:
        world = self._host.world
        offset = world.broker.produce(self._id, epoch, record)
        if record.topic == JOURNAL:
            self._broker_clock.appended(world.wall_ms, self._begun_ms)
        elif record.topic == STATE and record.key == META_KEY:
            self._meta_offsets[record.partition] = offset

    def _append_all(self, epoch: int) -> None:
        for record in self._unsent:
            self._append(record, epoch)
        self._unsent = []


class SimulatedControls:
    """Implements `engine.interfaces.Controls`; whether they can be reached is the host's affair."""

    def __init__(self, host: Host) -> None:
        self._controls = host.world.broker.controls

    def read(self) -> dict[str, Control | None]:
        return dict(self._controls)

    def write(self, key: str, control: Control | None) -> None:
        self._controls[key] = control


class SimulatedReads:
    """Implements `engine.interfaces.Offsets` and `ChangelogReader`."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._broker = host.world.broker
        host.ends_of = self._ends

    def committed(self, partitions: Sequence[int]) -> dict[int, Committed]:
        host = self._host
        give_up_ms = host.world.now_ms + PATIENT_MS
        while True:
            try:
                found = host.ask("committed", lambda: self._stable(partitions))
            except OutcomeUnknown:
                found = None
            if found is not None:
                return found
            if host.world.now_ms >= give_up_ms:
                raise OutcomeUnknown
            host.wait(50)

    def high_watermarks(self, partitions: Sequence[int]) -> dict[int, int]:
        return self._patiently("bounds", lambda: self._ends(partitions))

    def low_watermarks(self, partitions: Sequence[int]) -> dict[int, int]:
        return self._patiently("bounds", lambda: dict.fromkeys(partitions, 0))

    def changelog_bounds(self, partition: int) -> tuple[int, int]:
        return self._patiently("bounds", lambda: (0, self._broker.log(STATE, partition).end))

    def read(self, partition: int, start: int, end: int) -> Iterator[tuple[list[Keyed], int]]:
        host, log = self._host, self._broker.log(STATE, partition)
        position = start
        while position < end:
            host.reach("read changelog")
            host.wait_a_little()
            found, after = log.read(position, CHUNK) if host.reachable else ([], position)
            if after == position:
                host.wait(POLL_MS)
                if host.reachable:
                    host.world.happened("restore waits for an open transaction")
            position = after
            yield [(entry.record.key or b"", entry.record.value) for _, entry in found], position

    def _ends(self, partitions: Sequence[int]) -> dict[int, int]:
        return {partition: self._broker.log(INPUT, partition).end for partition in partitions}

    def _stable(self, partitions: Sequence[int]) -> dict[int, Committed] | None:
        if not all(map(self._broker.stable, partitions)):
            self._host.world.happened("committed offsets wait for an open transaction")
            return None
        found = {}
        for partition in partitions:
            offset, text = self._broker.offsets.get(partition, (None, "0:"))
            number, _, nonce = text.partition(":")
            found[partition] = Committed(offset, int(number), nonce)
        return found

    def _patiently(self, call: str, act: Callable[[], Any]) -> Any:
        give_up_ms = self._host.world.now_ms + PATIENT_MS
        while True:
            try:
                return self._host.ask(call, act)
            except OutcomeUnknown:
                if self._host.world.now_ms >= give_up_ms:
                    raise


class SimulatedSource:
    """Implements `engine.interfaces.Source`: the poll thread's round as a task, batches to a queue."""

    def __init__(self, host: Host, clock: Callable[[], int]) -> None:
        self.owner: Engine | None = None
        self._clock = clock
        self.batches: asyncio.Queue[Batch] = asyncio.Queue()
        self._host = host
        self._broker = host.world.broker
        self._polls = False
        self._member = ""
        self._generation = 0
        self._joined = 0
        self._held: set[int] = set()
        self._epochs: dict[int, int] = {}
        self._serials: dict[int, int] = {}
        self._positions: dict[int, int] = {}
        self._ends_told: dict[int, int] = {}
        self._commands: dict[int, tuple[int, int] | None] = {}
        self._questions: list[asyncio.Future[Any]] = []
        self.underway = 0

    # -- the engine's side

    def start(self, partition: int, offset: int, epoch: int) -> None:
        self._commands[partition] = (offset, epoch)

    def halt(self, partition: int) -> None:
        self._commands[partition] = None

    async def group_metadata(self) -> Any:
        if not self._polls:
            return None
        question: asyncio.Future[Any] = self._host.loop.create_future()
        self._questions.append(question)
        return await question

    def done(self, records: int) -> None:
        self.underway -= records

    # -- the poll thread

    async def run(self) -> None:
        self._polls = True
        while True:
            self._carry_out_commands()
            self._answer_questions()
            if self._host.reachable:
                await self._take_part()
                self._hand_out()
            await asyncio.sleep(self._host.world.rng.randint(POLL_MS // 2, POLL_MS) / 1000)

    def _carry_out_commands(self) -> None:
        commands, self._commands = self._commands, {}
        for partition, command in commands.items():
            if partition in self._held and command is None:
                self._epochs[partition] = 0
            elif partition in self._held:
                offset, epoch = command
                self._positions[partition], self._epochs[partition] = offset, epoch
                self._serials[partition] = 0
                self._ends_told.pop(partition, None)

    def _answer_questions(self) -> None:
        for question in self._questions:
            if not question.done():
                question.set_result((self._member, self._generation))
        self._questions = []

    async def _take_part(self) -> None:
        """The group: join, be seen, give partitions away and take them."""
        assert self.owner is not None
        group, world = self._broker.group, self._host.world
        if self._member not in group.members:
            if self._held:
                world.happened("thrown out of the group")
                await self._owner_done(self.owner.lost(sorted(self._held)))
                self._let_go(set(self._held))
            self._joined += 1
            self._member = f"{self._host.name}-{self._joined}"
            group.join(self._member, self._host.instance.name, world.now_ms)
        group.heartbeat(self._member, world.now_ms)
        if group.joining:
            return
        self._generation = group.generation
        taken_away = self._held - group.members[self._member].assigned
        if taken_away:
            world.happened("revoked")
            await self._owner_done(self.owner.revoked(sorted(taken_away), (self._member, self._generation)))
            self._let_go(taken_away)
            if self._member in group.members:
                group.holds(self._member, self._held, let_go=True)
            return
        given = group.members[self._member].assigned - self._held
        if given:
            world.happened("assigned")
            self._held |= given
            group.holds(self._member, self._held, let_go=False)
            self._epochs.update(dict.fromkeys(given, 0))
            self.owner.assigned(sorted(given))

    async def _owner_done(self, owner: Coroutine[Any, Any, None]) -> None:
        """Wait for the owner; questions are answered meanwhile."""
        released = asyncio.ensure_future(owner)
        while not released.done():
            self._answer_questions()
            await asyncio.wait([released], timeout=ANSWER_MS / 1000)
        released.result()

    def _let_go(self, partitions: set[int]) -> None:
        self._held -= partitions
        for partition in partitions:
            for known in (self._epochs, self._serials, self._positions, self._ends_told, self._commands):
                known.pop(partition, None)

    def _hand_out(self) -> None:
        """One poll: some records of each started partition, and an EOF event once per arrival at the end."""
        read_ms = self._clock()
        for partition in sorted(self._held):
            epoch = self._epochs[partition]
            if not epoch:
                continue
            log, start = self._broker.log(INPUT, partition), self._positions[partition]
            found, position = log.read(start, self._host.world.rng.randint(1, 6))
            eof_offset = None
            if position == log.stable_end and (found or self._ends_told.get(partition) != position):
                eof_offset = self._ends_told[partition] = position
            if not found and eof_offset is None:
                continue
            self._positions[partition] = position
            serial = self._serials[partition]
            self._serials[partition] = serial + 1
            messages = [Message(at, entry.record, entry.stamp_ms) for at, entry in found if entry.record is not None]
            self.underway += len(messages)
            self.batches.put_nowait(Batch(partition, epoch, read_ms, messages, eof_offset, serial))
