"""Hands for scenario tests: create topics, write events, read all there is, ask a group's offsets.

Works on every broker; `address` is always its bootstrap address, `host:port`.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

import stamina
from confluent_kafka import (
    Consumer,
    IsolationLevel,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec

from stream.kafka.asking import until_connected
from stream.kafka.topics import make_topic
from stream.kafka.transactions import init_transactions

CALL_SECONDS = 30.0  # for one answer of a broker that shares its cores with a test
TRY_SECONDS = 8.0  # after so long it is asked anew: a client that met it as it came back may wait for nothing

T = TypeVar("T")
Headers = list[tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic to create. Time-based retention is off: tests write records with timestamps of last year."""

    name: str
    partitions: int = 4
    config: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A record to write. `timestamp_ms` None: now."""

    key: bytes | None
    value: bytes | None
    partition: int
    timestamp_ms: int | None = None
    headers: Headers | None = None


@dataclass(frozen=True, slots=True)
class Incoming:
    """A record as read."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    timestamp_ms: int

    def header(self, name: str) -> bytes | None:
        """The value of the first header of that name."""
        return next((value for key, value in self.headers if key == name), None)


def admin_of(address: str) -> AdminClient:
    """A client for the helpers below. Keep it in a name until they are done: a dropped one never answers."""
    return AdminClient({"bootstrap.servers": address})


def create_topics(admin: AdminClient, topics: Iterable[Topic]) -> None:
    """Create them and wait until the broker knows them. A `retention.ms` in a topic's config wins over ours."""
    wanted = [
        NewTopic(topic.name, topic.partitions, 1, config={"retention.ms": "-1", **topic.config}) for topic in topics
    ]
    for new in wanted:
        assert make_topic(admin, new), f"{new.topic} is there already"
    until_known(admin, {new.topic for new in wanted})


def until_known(admin: AdminClient, names: set[str]) -> None:
    """Wait until the broker shows these topics: what the controller has made it learns a moment later."""
    give_up = time.monotonic() + CALL_SECONDS
    while missing := {name for name in names if not _is_known(admin, name)}:
        assert time.monotonic() < give_up, f"made, and not known to the broker: {sorted(missing)}"
        time.sleep(0.05)


def _is_known(admin: AdminClient, name: str) -> bool:
    found = admin.list_topics(timeout=CALL_SECONDS).topics.get(name)
    return found is not None and found.error is None and bool(found.partitions)


def delete_topics(admin: AdminClient, names: Iterable[str]) -> None:
    """Delete them; those that are not there are passed over."""
    for deleted in admin.delete_topics(list(names), operation_timeout=CALL_SECONDS).values():
        _pass_over(deleted, KafkaError.UNKNOWN_TOPIC_OR_PART)


def produce(address: str, topic: str, records: Iterable[Outgoing]) -> list[int]:
    """Write the records, in order per partition, and wait for the broker; returns their offsets in the given order.

    Raises `KafkaException` when one of them was not taken.
    """
    producer = Producer({"bootstrap.servers": address, "enable.idempotence": True, "linger.ms": 5})
    until_connected(producer)
    receipts = _send(producer, topic, records)
    producer.flush(CALL_SECONDS)
    return _offsets(receipts)


class OpenTransaction:
    """A transaction of another program: its records stay undecided until `commit` or `abort`.

    `timeout_ms` is the instant at which the broker aborts it by itself, counted from the first record.
    """

    def __init__(self, address: str, transactional_id: str | None = None, timeout_ms: int = 60_000) -> None:
        self._producer = Producer(
            {
                "bootstrap.servers": address,
                "transactional.id": transactional_id or f"test-{uuid.uuid4()}",
                "transaction.timeout.ms": timeout_ms,
            }
        )
        init_transactions(self._producer, CALL_SECONDS)
        self._producer.begin_transaction()

    def produce(self, topic: str, records: Iterable[Outgoing]) -> list[int]:
        """Write the records and wait until the broker has them; returns their offsets."""
        receipts = _send(self._producer, topic, records)
        self._producer.flush(CALL_SECONDS)
        return _offsets(receipts)

    def commit(self) -> None:
        self._producer.commit_transaction(CALL_SECONDS)

    def abort(self) -> None:
        self._producer.abort_transaction(CALL_SECONDS)


def read_all(address: str, topic: str, *, committed: bool = True, start: int = 0) -> list[Incoming]:
    """Every record from offset `start` up to the end at the time of the call, partition by partition in offset order.

    `committed` False also shows records of open and aborted transactions. Raises `TimeoutError` when the end is not
    reached.
    """
    ends = end_offsets(address, topic, committed=committed)
    reader = _reader(address, committed=committed)
    try:
        open_ends = {partition: end for partition, end in ends.items() if end > start}
        reader.assign([TopicPartition(topic, partition, start) for partition in open_ends])
        found: dict[int, list[Incoming]] = {partition: [] for partition in ends}
        last_news = time.monotonic()
        while open_ends:
            messages = reader.consume(10_000, 0.02)  # it waits the whole time unless it gets all it may
            if messages:
                last_news = time.monotonic()
            elif time.monotonic() - last_news > CALL_SECONDS:
                raise TimeoutError(f"{topic}: read {sum(map(len, found.values()))} records, not up to {open_ends}")
            for message in messages:
                _take(message, found, open_ends)
        return [record for partition in sorted(found) for record in found[partition]]
    finally:
        reader.close()


def end_offsets(address: str, topic: str, *, committed: bool = False) -> dict[int, int]:
    """Per partition the offset after the newest record: the high watermark, or with `committed` the last stable one."""
    return _offsets_at(address, topic, OffsetSpec.latest(), committed=committed)


def begin_offsets(address: str, topic: str) -> dict[int, int]:
    """Per partition the offset of the oldest record still there."""
    return _offsets_at(address, topic, OffsetSpec.earliest(), committed=False)


def committed_offsets(address: str, group: str, topic: str) -> dict[int, tuple[int, str]]:
    """Per partition on which the group committed: (next offset, metadata)."""
    partitions = [TopicPartition(topic, partition) for partition in partitions_of(address, topic)]
    reader = _reader(address, group=group)
    try:
        found = []
        for attempt in _attempts():
            with attempt:  # right after a start the coordinator may still be loading
                found = reader.committed(partitions, CALL_SECONDS)
    finally:
        reader.close()
    return {place.partition: (place.offset, place.metadata or "") for place in found if place.offset >= 0}


def wait_for(probe: Callable[[], T], what: str, seconds: float = CALL_SECONDS) -> T:
    """Ask `probe` until it answers something true, and return that. Raises `TimeoutError` naming `what` and the last
    answer."""
    end = time.monotonic() + seconds
    while not (answer := probe()):
        if time.monotonic() > end:
            raise TimeoutError(f"not within {seconds:.0f} s: {what}; the last answer was {answer!r}")
        time.sleep(0.02)
    return answer


def delete_group(admin: AdminClient, group: str) -> None:
    """Forget the group's offsets; nothing happens when it never was."""
    for deleted in admin.delete_consumer_groups([group]).values():
        _pass_over(deleted, KafkaError.GROUP_ID_NOT_FOUND)


def partitions_of(address: str, topic: str) -> list[int]:
    """The topic's partition numbers."""
    admin = admin_of(address)
    found: list[int] = []
    for attempt in _attempts():
        with attempt:
            told = admin.list_topics(topic, timeout=CALL_SECONDS).topics[topic]
            if told.error is not None:
                raise KafkaException(told.error)
            found = sorted(told.partitions)
    return found


def _send(producer: Producer, topic: str, records: Iterable[Outgoing]) -> list[list[Message | KafkaError]]:
    """Hand the records over; each gets a list that the delivery report fills with one message or error."""
    receipts: list[list[Message | KafkaError]] = []
    for record in records:
        receipt: list[Message | KafkaError] = []
        receipts.append(receipt)

        def report(error: KafkaError | None, message: Message, into: list[Message | KafkaError] = receipt) -> None:
            into.append(message if error is None else error)

        stamp: dict[str, Any] = {} if record.timestamp_ms is None else {"timestamp": record.timestamp_ms}
        while True:
            try:
                producer.produce(
                    topic,
                    record.value,
                    record.key,
                    record.partition,
                    on_delivery=report,
                    headers=cast(Any, record.headers or []),
                    **stamp,
                )
                break
            except BufferError:  # the producer's queue is full: let it send some
                producer.poll(0.1)
    return receipts


def _offsets(receipts: list[list[Message | KafkaError]]) -> list[int]:
    offsets = []
    for receipt in receipts:
        if not receipt:
            raise TimeoutError(f"the broker did not acknowledge a record within {CALL_SECONDS:.0f} s")
        if isinstance(receipt[0], KafkaError):
            raise KafkaException(receipt[0])
        offsets.append(cast(int, receipt[0].offset()))
    return offsets


def _reader(address: str, *, committed: bool = True, group: str | None = None) -> Consumer:
    return Consumer(
        {
            "bootstrap.servers": address,
            "group.id": group or f"test-{uuid.uuid4()}",
            "isolation.level": "read_committed" if committed else "read_uncommitted",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
        }
    )


def _take(message: Message, found: dict[int, list[Incoming]], open_ends: dict[int, int]) -> None:
    """Keep one polled message, or note how far an end-of-partition event says we are."""
    partition, offset = cast(int, message.partition()), cast(int, message.offset())
    error = message.error()
    if error is not None and error.code() != KafkaError._PARTITION_EOF:
        raise KafkaException(error)
    end = open_ends.get(partition)
    if end is None:  # written after the call began
        return
    position = offset
    if error is None:
        if offset < end:
            found[partition].append(_incoming(message))
        position = offset + 1
    if position >= end:
        del open_ends[partition]


def _incoming(message: Message) -> Incoming:
    return Incoming(
        topic=cast(str, message.topic()),
        partition=cast(int, message.partition()),
        offset=cast(int, message.offset()),
        key=message.key(),
        value=message.value(),
        headers=cast(Headers, message.headers() or []),
        timestamp_ms=message.timestamp()[1],
    )


def _offsets_at(address: str, topic: str, spec: OffsetSpec, *, committed: bool) -> dict[int, int]:
    level = IsolationLevel.READ_COMMITTED if committed else IsolationLevel.READ_UNCOMMITTED
    wanted = {TopicPartition(topic, partition): spec for partition in partitions_of(address, topic)}
    admin = admin_of(address)  # its answers never come when it is gone before them
    found: dict[int, int] = {}
    for attempt in _attempts():
        with attempt:  # right after a restart the broker's leaders may still be changing
            admin.list_topics(topic, timeout=CALL_SECONDS)  # else the leaders' former epochs are used for minutes
            answers = admin.list_offsets(wanted, isolation_level=level, request_timeout=TRY_SECONDS)
            found = {place.partition: answer.result(2 * TRY_SECONDS).offset for place, answer in answers.items()}
    return found


def _attempts() -> Iterable[stamina.Attempt]:
    """A broker that was frozen or restarted a moment ago refuses, or has no leaders to name."""
    return stamina.retry_context(on=(KafkaException, TimeoutError), attempts=None, timeout=CALL_SECONDS, wait_max=0.5)


def _pass_over(answer: Future[None], code: int) -> None:
    try:
        answer.result(CALL_SECONDS)
    except KafkaException as error:
        if error.args[0].code() != code:
            raise
