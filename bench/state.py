"""How large a customer's state is, read off the newest part of the state topic."""

from __future__ import annotations

import time
from dataclasses import dataclass

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from stream.codec.journal import META_KEY, RESERVED, decode_meta
from tests.kafka.kit import begin_offsets, end_offsets

TAIL_RECORDS = 5_000
"""Per partition; enough for a mean."""
READ_S = 30.0


@dataclass(frozen=True, slots=True)
class State:
    """`customers` as the last commits counted them; `record_bytes` is the mean of the newest encoded states."""

    customers: int
    record_bytes: float


def look_at_state(broker: str, topic: str) -> State:
    begins, ends = begin_offsets(broker, topic), end_offsets(broker, topic)
    consumer = Consumer({
        "bootstrap.servers": broker, "group.id": "bench-state", "enable.auto.commit": False,
        "isolation.level": "read_committed", "enable.partition.eof": True,
    })  # fmt: skip
    consumer.assign([
        TopicPartition(topic, partition, max(begins[partition], end - TAIL_RECORDS)) for partition, end in ends.items()
    ])  # fmt: skip
    sizes, keys, waiting = [0, 0], dict.fromkeys(ends, 0), set(ends)
    deadline = time.monotonic() + READ_S
    try:
        while waiting and time.monotonic() < deadline:
            for message in consumer.consume(5_000, 0.1):
                error, value = message.error(), message.value()
                if error is not None:
                    if error.code() != KafkaError._PARTITION_EOF:
                        raise KafkaException(error)
                    if (message.offset() or 0) >= ends[message.partition()]:  # sooner: its last commit is on its way
                        waiting.discard(message.partition())
                elif message.key() == META_KEY:
                    keys[message.partition()] = decode_meta(value).keys
                elif value is not None and not message.key().startswith(RESERVED):
                    sizes[0] += 1
                    sizes[1] += len(value)
    finally:
        consumer.close()
    return State(sum(keys.values()), sizes[1] / max(1, sizes[0]))
