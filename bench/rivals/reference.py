"""The right answer: which change records the waiting events cause, in one plain loop, and a tally to compare it by."""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

from bench.rivals.waiting import Waiting
from bench.rivals.work import DIMENSIONS, Change, Customer, advance, newborn, read

READ_SECONDS = 120.0


@dataclass(slots=True)
class Tally:
    """Of change records in any order: how many, and the sum of a hash of each one's customer, dimension and stages."""

    changes: int = 0
    digest: int = 0

    def add(self, customer_id: str, dimension: str, from_stage: str | None, to_stage: str) -> None:
        self.changes += 1
        self.digest += zlib.crc32(f"{customer_id}|{dimension}|{from_stage}|{to_stage}".encode())


def expected(events: Iterator[Waiting], cuts: set[int]) -> dict[int, Tally]:
    """What the first so many events cause, for each of the numbers in `cuts`."""
    customers: dict[str, Customer] = {}
    tally, found = Tally(), {}
    for number, (customer_id, _, value) in enumerate(events, 1):
        customer = customers.get(customer_id)
        if customer is None:
            customer = customers[customer_id] = newborn()
        for change in advance(customer, read(customer_id, orjson.loads(value))):
            _add(tally, change)
        if number in cuts:
            found[number] = Tally(tally.changes, tally.digest)
    return found


def found_changes(broker: str, topic: str, partitions: int) -> Tally:
    """What stands in the topic now, read_committed. Raises TimeoutError when its end is not reached."""
    consumer = Consumer({
        "bootstrap.servers": broker, "group.id": "rivals-tally", "enable.auto.commit": False,
        "isolation.level": "read_committed", "enable.partition.eof": True,
    })  # fmt: skip
    consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in range(partitions)])
    tally, open_partitions = Tally(), set(range(partitions))
    deadline = time.monotonic() + READ_SECONDS
    try:
        while open_partitions:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{topic}: read {tally.changes} change records and not all")
            for message in consumer.consume(5_000, 0.1):
                error = message.error()
                if error is None:
                    _add_message(tally, orjson.loads(message.value()))
                elif error.code() == KafkaError._PARTITION_EOF:
                    open_partitions.discard(message.partition())
                else:
                    raise KafkaException(error)
    finally:
        consumer.close()
    return tally


def _add(tally: Tally, change: Change) -> None:
    tally.add(change.customer_id, change.dimension, change.from_stage, change.to_stage)


def _add_message(tally: Tally, message: dict[str, Any]) -> None:
    if message.get("dimension") in DIMENSIONS:
        tally.add(message["customer_id"], message["dimension"], message["from_stage"], message["to_stage"])
    else:
        tally.changes += 1  # nothing else is expected in the topic: the count shows it
