"""Small clients for commands: write events, tail a topic, read a topic to its end. No transactions, no group."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from stream.errors import SegmenterError
from stream.kafka.errors import create, describe, error_of
from stream.kafka.metadata import Heard, ask_topics

CALL_S = 10.0
READ_BATCH = 5_000
QUEUED_KBYTES = 8_192
"""Read ahead of us, of all partitions; librdkafka's own 64 MB would be most of a command's memory."""
FLUSH_S = 10.0
SILENCE_S = 30.0
"""A broker that tells neither a record nor an end for so long is gone."""

LOG_LEVEL = {"log_level": 2}
"""Critical only: what fails is told by our own errors, and librdkafka's lines would stand between a command's."""


class BrokerUnreachable(SegmenterError):
    """No broker answered, or it refused us: what was asked, and of whom."""


@dataclass(frozen=True, slots=True)
class Read:
    """One record as read, committed."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None


class EventWriter:
    """Writes keyed events where Java producers would put them. `properties` are librdkafka's, with the brokers."""

    def __init__(self, properties: Mapping[str, str], topic: str) -> None:
        self._producer = create(
            Producer,
            {**LOG_LEVEL, **properties, "enable.idempotence": True, "linger.ms": 5, "partitioner": "murmur2_random"},
        )
        self._topic = topic
        self._failed: list[KafkaError] = []

    def write(self, key: bytes, value: bytes | None, timestamp_ms: int) -> None:
        """Hand one over; a failure shows at the next call or at `flush`."""
        while True:
            try:
                self._producer.produce(self._topic, value, key, timestamp=timestamp_ms, on_delivery=self._delivered)
                break
            except BufferError:
                self._producer.poll(0.1)
        self._producer.poll(0)
        self._raise()

    def flush(self) -> None:
        if self._producer.flush(FLUSH_S):
            raise BrokerUnreachable(f"{self._topic}: the broker did not take all events within {FLUSH_S:.0f} s")
        self._raise()

    def _delivered(self, error: KafkaError | None, _message: object) -> None:
        if error is not None:
            self._failed.append(error)

    def _raise(self) -> None:
        if self._failed:
            raise BrokerUnreachable(f"{self._topic}: an event was not taken: {self._failed[0].str()}")


class TopicReader:
    """Reads whole partitions, read_committed, from their beginning."""

    def __init__(self, properties: Mapping[str, str], topic: str) -> None:
        self._topic = topic
        heard = Heard()
        self._consumer = create(
            Consumer,
            {
                **LOG_LEVEL,
                **properties,
                "group.id": f"segmenter-read-{uuid.uuid4()}",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "queued.max.messages.kbytes": QUEUED_KBYTES,
                "auto.offset.reset": "earliest",
                "error_cb": heard.hear,
            },
        )
        servers = properties.get("bootstrap.servers", "")
        metadata = ask_topics(self._consumer, heard, servers, CALL_S, topic)[topic]
        if metadata.error is not None:
            raise BrokerUnreachable(f"topic {topic}: {metadata.error.str()}; `segmenter topics create` makes it")
        self._partitions = sorted(metadata.partitions)
        self._consumer.assign([TopicPartition(topic, partition, 0) for partition in self._partitions])
        self._positions: dict[int, int] = {}  # how far each partition was read

    def poll(self, seconds: float) -> list[Read]:
        """What has come; may be empty."""
        found = []
        for message in self._consumer.consume(READ_BATCH, seconds):
            error = message.error()
            if error is None:
                self._positions[message.partition()] = message.offset() + 1
                found.append(
                    Read(
                        message.topic(), message.partition(), message.offset(), message.timestamp()[1],
                        message.key(), message.value(),
                    )
                )  # fmt: skip
            elif error.code() == KafkaError._PARTITION_EOF:
                self._positions[message.partition()] = message.offset()
            elif not error.retriable() and error.fatal():
                raise BrokerUnreachable(f"topic {self._topic}: {error.str()}")
        return found

    def to_end(self) -> Iterator[Read]:
        """Everything up to where each partition ended when this was asked, and what came with it. Raises
        BrokerUnreachable when the broker falls silent."""
        # Where it ends is asked for: what is written without a pause never has an end at which it says so.
        left = {partition: end for partition in self._partitions if (end := self._end(partition))}
        heard_s = time.monotonic()
        while left:
            before = dict(self._positions)
            yield from self.poll(0.1)
            left = {partition: end for partition, end in left.items() if self._positions.get(partition, 0) < end}
            if self._positions != before:
                heard_s = time.monotonic()
            elif time.monotonic() - heard_s > SILENCE_S:
                raise BrokerUnreachable(f"topic {self._topic}: no answer from the broker for {SILENCE_S:.0f} s")

    def _end(self, partition: int) -> int:
        """Of what is stable."""
        try:
            _, end = self._consumer.get_watermark_offsets(TopicPartition(self._topic, partition), CALL_S)
        except KafkaException as exception:
            raise BrokerUnreachable(f"topic {self._topic}: {describe(error_of(exception))}") from exception
        return int(end)

    def close(self) -> None:
        self._consumer.close()
