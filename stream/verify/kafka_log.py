"""A `Log` on Kafka: a consistent cut through the topics of a running pipeline, read without joining any group.

The cut. A commit writes to all its topics in one transaction, but its end reaches each partition in its own time, and
further commits go on while we ask. So the ends are asked in this order:

1. the journal's stable end. Commits before it are `settled`: decided, so all they wrote is in the logs;
2. the high watermarks of the other topics, read_uncommitted: at or beyond everything that settled commits wrote. They
   are read, read_committed, until the position reaches these ends: a transaction open below them must be decided first;
3. the group's committed offsets, which wait for transactions that are open on them;
4. the journal's high watermark: it holds the record of every commit that 2 and 3 may have caught a part of.

Commits between 1 and 4 are at the cut's edge: what is there of them must be right, not all of it need be there yet.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from confluent_kafka import (
    TIMESTAMP_LOG_APPEND_TIME,
    Consumer,
    IsolationLevel,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec

from stream.config import Settings
from stream.errors import LogUnreadable
from stream.verify.log import Committed, Names, Record

BATCH_RECORDS = 2_000
WAIT_S = 0.05
ASK_S = 10.0
ASKS = 6
"""A broker that is being restarted answers within a minute."""

STALL_S = 150.0
"""No record and no end for so long: longer than any transaction time-out in use, so it hangs or the broker is gone."""

NOT_FOR_CONSUMERS = (
    "batch.", "compression.", "linger.", "message.", "queue.buffering.", "queuing.", "retry.", "sticky.",
)  # fmt: skip
CALM = {"log_level": 2}
"""Failures reach our caller as errors; librdkafka's lines would stand between the command's."""

Answer = TypeVar("Answer")


class KafkaLog:
    """Implements `log.Log`. Making one asks the broker and takes the cut. Close it in the end."""

    markers = 1

    def __init__(self, settings: Settings, names: Names, extra: Sequence[str]) -> None:
        self.names = names
        self._properties = {
            **CALM,
            **{
                key: value
                for key, value in settings.kafka_properties().items()
                if not key.startswith(NOT_FOR_CONSUMERS)
            },
            "client.id": f"{settings.name}-verify",
        }
        self._group = settings.name
        self._open: set[Consumer] = set()
        self._admin = _made(AdminClient, dict(self._properties))
        self._asking = _made(Consumer, self._consumer_config())
        self.partitions: Sequence[int] = self._partitions(names.input)
        written = (names.memberships, names.state, names.rejected, *extra, names.changes)
        earliest, latest = OffsetSpec.earliest(), OffsetSpec.latest()
        self._first = {topic: self._ends(topic, earliest) for topic in (names.input, names.journal, *written)}
        self._settled = self._ends(names.journal, latest, IsolationLevel.READ_COMMITTED)
        self._end = {topic: self._ends(topic, latest) for topic in written}
        self._committed = self._ask_committed()
        self._end[names.input] = self._ends(names.input, latest, IsolationLevel.READ_COMMITTED)
        self._end[names.journal] = self._ends(names.journal, latest)

    # -- log.Log

    def records(self, topic: str, partition: int) -> Iterator[Record]:
        self._cut(topic)
        return self._read(topic, partition, self._first[topic][partition], self._end[topic][partition])

    def after(self, topic: str, partition: int, offset: int) -> Iterator[Record]:
        # The input's open transactions are other people's: nothing of ours lies beyond its stable end.
        stable = topic == self.names.input
        level = IsolationLevel.READ_COMMITTED if stable else IsolationLevel.READ_UNCOMMITTED
        end = self._ends(topic, OffsetSpec.latest(), level)[partition]
        yield from self._read(topic, partition, offset, end)

    def first(self, topic: str, partition: int) -> int:
        self._cut(topic)
        return self._first[topic][partition]

    def settled(self, partition: int) -> int | None:
        return self._settled[partition]

    def committed(self, partition: int) -> Committed:
        return self._committed[partition]

    def end(self, topic: str, partition: int) -> int:
        self._cut(topic)
        return self._end[topic][partition]

    def close(self) -> None:
        for consumer in (*self._open, self._asking):
            consumer.close()
        self._open.clear()

    def _cut(self, topic: str) -> None:
        """A topic that only the journal told of, written under definitions of before: its end is asked now. Raises
        LogUnreadable when it is gone."""
        if topic not in self._end:
            self._first[topic] = self._ends(topic, OffsetSpec.earliest())
            self._end[topic] = self._ends(topic, OffsetSpec.latest())

    # -- asking

    def _partitions(self, topic: str) -> list[int]:
        found = _ask(lambda: self._asking.list_topics(topic, timeout=ASK_S), f"partitions of {topic}").topics[topic]
        if found.error is not None:
            raise LogUnreadable(f"topic {topic}: {found.error.str()}; `segmenter topics check` says what is missing")
        return sorted(found.partitions)

    def _ends(
        self, topic: str, spec: OffsetSpec, level: IsolationLevel = IsolationLevel.READ_UNCOMMITTED
    ) -> dict[int, int]:
        def ask() -> dict[int, int]:
            wanted = {TopicPartition(topic, partition): spec for partition in self.partitions}
            answers = self._admin.list_offsets(wanted, isolation_level=level, request_timeout=ASK_S)
            return {place.partition: answer.result(2 * ASK_S).offset for place, answer in answers.items()}

        return _ask(ask, f"offsets of {topic}")

    def _ask_committed(self) -> dict[int, Committed]:
        def ask() -> dict[int, Committed]:
            places = [TopicPartition(self.names.input, partition) for partition in self.partitions]
            found = {}
            for place in self._asking.committed(places, ASK_S):
                if place.error is not None:
                    raise KafkaException(place.error)
                offset = place.offset if place.offset >= 0 else None
                found[place.partition] = Committed(offset, place.metadata or "")
            return found

        return _ask(ask, f"committed offsets of group {self._group}")

    # -- reading

    def _consumer_config(self) -> dict[str, Any]:
        return {
            "fetch.wait.max.ms": 20,
            "queued.max.messages.kbytes": 8_192,
            "queued.min.messages": 2_000,
            "fetch.queue.backoff.ms": 10,
            **self._properties,
            "group.id": self._group,  # its offsets are asked for; it is never joined, nothing is committed
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "error",
        }

    def _read(self, topic: str, partition: int, start: int, end: int) -> Iterator[Record]:
        if start >= end:
            return
        consumer = _made(Consumer, self._consumer_config())
        self._open.add(consumer)
        try:
            consumer.assign([TopicPartition(topic, partition, start)])
            position, heard_s = start, time.monotonic()
            while position < end:
                for message in consumer.consume(BATCH_RECORDS, WAIT_S):
                    before = position
                    error = message.error()
                    if error is None:
                        record = _record(message)
                        position = record.offset + 1
                        if record.offset < end:
                            yield record
                            heard_s = time.monotonic()  # whoever takes them may take his time
                    else:
                        position = max(position, _end_told(error, message, topic, partition))
                    if position != before:
                        heard_s = time.monotonic()
                if position < end and time.monotonic() - heard_s > STALL_S:
                    raise LogUnreadable(
                        f"{topic}, partition {partition}: nothing came for {STALL_S:.0f} s at offset {position} of "
                        f"{end}. Either the broker is away, or a transaction is open there for ever "
                        "(`kafka-transactions.sh find-hanging` names it)"
                    )
        finally:
            if consumer in self._open:
                self._open.discard(consumer)
                consumer.close()


def _record(message: Message) -> Record:
    kind, timestamp_ms = message.timestamp()
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    assert topic is not None and partition is not None and offset is not None
    appended = kind == TIMESTAMP_LOG_APPEND_TIME
    headers: Any = None
    unreadable = False
    try:
        headers = message.headers()
    except SystemError:
        unreadable = True  # a name that is not UTF-8
    return Record(topic, partition, offset, timestamp_ms, message.key(), message.value(), headers, appended, unreadable)


def _end_told(error: KafkaError, message: Message, topic: str, partition: int) -> int:
    """The offset an end-of-partition event names, 0 for an error that passes. Raises LogUnreadable for the others."""
    if error.code() == KafkaError._PARTITION_EOF:
        return message.offset() or 0
    if error.code() == KafkaError._AUTO_OFFSET_RESET:
        raise LogUnreadable(f"{topic}, partition {partition}: records were deleted while they were read; run it again")
    if error.fatal() or error.code() in (
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError._AUTHENTICATION,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
    ):
        raise LogUnreadable(f"{topic}, partition {partition}: {error.str()} ({error.name()})")
    return 0


def _made(client: Callable[[dict[str, Any]], Answer], config: dict[str, Any]) -> Answer:
    try:
        return client(config)
    except KafkaException as exception:
        raise LogUnreadable(f"kafka: {exception.args[0].str()}; expected properties librdkafka knows") from None


def _ask(ask: Callable[[], Answer], what: str) -> Answer:
    """Ask again while the error may pass."""
    problem = "no answer"
    for attempt in range(ASKS):
        if attempt:
            time.sleep(min(2.0, 0.25 * 2**attempt))
        with suppress(TimeoutError):
            try:
                return ask()
            except KafkaException as exception:
                error: KafkaError = exception.args[0]
                problem = f"{error.str()} ({error.name()})"
                if error.fatal() or not (error.retriable() or error.code() < 0):
                    break
    raise LogUnreadable(f"{what}: {problem}. Are the brokers up, and is kafka.bootstrap.servers right?")
