"""Kafka's log: records and transaction markers at offsets, open transactions, stable offsets, and fencing.

It keeps the broker's promises and no more: a transaction lies open until somebody ends it or its time runs out, a
late request counts if its producer's epoch still stands, and readers of committed records wait behind what is open.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from stream.codec.control import Control
from stream.engine.interfaces import Produce
from tests.simulation.group import Group

TRANSACTION_MS = 2_500
"""A transaction open for longer is aborted, and its producer fenced."""


class ProducerFenced(Exception):
    """The request's producer epoch is no longer the newest of its transactional id."""


class NotAMember(Exception):
    """UNKNOWN_MEMBER_ID or ILLEGAL_GENERATION."""


class TooLarge(Exception):
    """MSG_SIZE_TOO_LARGE."""


NO_MEMBER = ("", -1)
"""Group metadata that names nobody: the broker then fences nobody."""

RECORD_BYTES = 8_192
"""Larger records are refused: the largest of the input, and room for what a rejected one says besides."""


class State(Enum):
    OPEN = "open"
    COMMITTED = "committed"
    ABORTED = "aborted"


@dataclass(eq=False)
class Transaction:
    started_ms: int
    state: State = State.OPEN
    places: dict[tuple[str, int], None] = field(default_factory=dict)
    offsets: dict[int, tuple[int, str]] = field(default_factory=dict)  # of the group, pending


@dataclass(eq=False)
class Entry:
    """What lies at an offset. `record` None: a marker."""

    record: Produce | None
    transaction: Transaction | None
    at_ms: int  # the broker's time when it was appended
    stamp_ms: int  # the record's own timestamp

    @property
    def readable(self) -> bool:
        """Whether a reader of committed records is given it."""
        return self.record is not None and (self.transaction is None or self.transaction.state is State.COMMITTED)


class Log:
    def __init__(self) -> None:
        self.entries: list[Entry | None] = []  # None: compacted away
        self.open: dict[Transaction, int] = {}  # open transaction -> its first offset here

    @property
    def end(self) -> int:
        return len(self.entries)

    @property
    def stable_end(self) -> int:
        return min(self.open.values(), default=self.end)

    def read(self, start: int, most: int) -> tuple[list[tuple[int, Entry]], int]:
        """Up to `most` committed records from `start`, and the position after them."""
        found: list[tuple[int, Entry]] = []
        position, end = start, self.stable_end
        while position < end and len(found) < most:
            entry = self.entries[position]
            if entry is not None and entry.readable:
                found.append((position, entry))
            position += 1
        return found, max(start, position)

    def committed(self) -> list[tuple[int, Entry]]:
        return self.read(0, self.end + 1)[0]

    def compact(self) -> int:
        """Drop what a later record of the same key has replaced, and old markers; the last record stays. How many."""
        newest: dict[bytes | None, int] = {}
        for offset, entry in enumerate(self.entries[: self.stable_end]):
            if entry is not None and entry.readable:
                newest[entry.record.key] = offset
        dropped = 0
        for offset, entry in enumerate(self.entries[: max(0, self.stable_end - 1)]):
            if entry is not None and not (entry.readable and newest[entry.record.key] == offset):
                self.entries[offset] = None
                dropped += 1
        return dropped


@dataclass
class Producer:
    """What the transaction coordinator knows of one transactional id."""

    epoch: int = 0
    transaction: Transaction | None = None


class Broker:
    def __init__(self, partitions: int, now_ms: Callable[[], int], wall_ms: Callable[[], int]) -> None:
        self.now_ms = now_ms
        self.wall_ms = wall_ms
        self.logs: dict[tuple[str, int], Log] = {}
        self.producers: dict[str, Producer] = {}
        self.offsets: dict[int, tuple[int, str]] = {}  # the group's, committed
        self.group = Group(partitions)
        self.controls: dict[str, Control | None] = {}
        self.timed_out = 0

    def log(self, topic: str, partition: int) -> Log:
        return self.logs.setdefault((topic, partition), Log())

    # -- producers

    def append(self, record: Produce, stamp_ms: int | None = None, transaction: Transaction | None = None) -> int:
        """The offset it got."""
        log = self.log(record.topic, record.partition)
        wall_ms = self.wall_ms()
        if transaction is not None:
            transaction.places[record.topic, record.partition] = None
            log.open.setdefault(transaction, log.end)
        log.entries.append(Entry(record, transaction, wall_ms, wall_ms if stamp_ms is None else stamp_ms))
        return log.end - 1

    def initialise(self, transactional_id: str) -> int:
        """A new epoch of the id; what its last producer left open is aborted."""
        producer = self.producers.setdefault(transactional_id, Producer())
        producer.epoch += 1
        if producer.transaction is not None:
            self.end(producer.transaction, State.ABORTED)
            producer.transaction = None
        return producer.epoch

    def produce(self, transactional_id: str, epoch: int, record: Produce) -> int:
        """The offset it got. Raises ProducerFenced, TooLarge."""
        headers = record.headers or []
        if len(record.value or b"") + sum(len(value) for _, value in headers) > RECORD_BYTES:
            raise TooLarge
        return self.append(record, transaction=self._transaction(transactional_id, epoch))

    def send_offsets(
        self, transactional_id: str, epoch: int, offsets: dict[int, tuple[int, str]], member: tuple[str, int] | None
    ) -> None:
        """Raises ProducerFenced, NotAMember."""
        transaction = self._transaction(transactional_id, epoch)
        if member is None or not (member == NO_MEMBER or self.group.accepts(*member)):
            raise NotAMember
        transaction.offsets.update(offsets)

    def end_transaction(self, transactional_id: str, epoch: int, state: State) -> None:
        """The request EndTxn. What is ended already stays as it is."""
        producer = self._producer(transactional_id, epoch)
        if producer.transaction is not None:
            self.end(producer.transaction, state)
            producer.transaction = None

    def end(self, transaction: Transaction, state: State) -> None:
        """Write the markers, and the offsets when it is committed."""
        transaction.state = state
        for place in transaction.places:
            log = self.log(*place)
            log.open.pop(transaction, None)
            log.entries.append(Entry(None, transaction, self.wall_ms(), self.wall_ms()))
        if state is State.COMMITTED:
            self.offsets.update(transaction.offsets)

    def expire(self) -> None:
        """Abort what was open too long; its producer is fenced."""
        for producer in self.producers.values():
            if producer.transaction is not None and self.now_ms() - producer.transaction.started_ms >= TRANSACTION_MS:
                self.end(producer.transaction, State.ABORTED)
                producer.transaction = None
                producer.epoch += 1
                self.timed_out += 1

    def _transaction(self, transactional_id: str, epoch: int) -> Transaction:
        producer = self._producer(transactional_id, epoch)
        if producer.transaction is None:
            producer.transaction = Transaction(self.now_ms())
        return producer.transaction

    def _producer(self, transactional_id: str, epoch: int) -> Producer:
        producer = self.producers[transactional_id]
        if producer.epoch != epoch:
            raise ProducerFenced
        return producer

    # -- readers

    def stable(self, partition: int) -> bool:
        """Whether no open transaction holds back the group's committed offset."""
        producers = self.producers.values()
        return not any(each.transaction is not None and partition in each.transaction.offsets for each in producers)

    def open_transactions(self) -> int:
        return len({id(transaction) for log in self.logs.values() for transaction in log.open})

    def values(self, topic: str, partition: int) -> list[Produce]:
        """What a reader of committed records is given."""
        return [entry.record for _, entry in self.log(topic, partition).committed() if entry.record is not None]
