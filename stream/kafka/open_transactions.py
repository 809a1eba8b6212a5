"""Open transactions on the pipeline's topics, as far as a client can see them.

librdkafka has no call for it: which producer holds a transaction is told only by Kafka's own `kafka-transactions.sh`.
What can be seen is that readers of committed records must stop before the end of a partition, since when, and at which
record.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient

from stream.config import Settings
from stream.kafka.errors import create
from stream.kafka.metadata import Heard, ask_topics
from stream.kafka.settings import admin_config, side_config
from stream.kafka.watch import Ends, KafkaWatch

CALL_S = 15.0
FETCH_S = 3.0


@dataclass(frozen=True, slots=True)
class OpenTransaction:
    """The oldest open transaction of one partition."""

    topic: str
    partition: int
    offset: int  # of its first record: readers of committed records stop here
    records: int  # offsets from there to the end, other writers' included
    began_ms: int | None  # the first record's timestamp; None: it could not be read


def find_open(settings: Settings, topics: Iterable[str], stands_s: float) -> Iterator[OpenTransaction]:
    """Transactions that hold back the same offset for `stands_s` at least; shorter ones are at work. Topics that are
    not there are passed over. Raises KafkaUnreachable, KafkaRefused."""
    names = list(dict.fromkeys(topics))
    watch = KafkaWatch(settings)
    try:
        partitions = _partitions(settings, names)
        before = {name: watch.ends(name, numbers) for name, numbers in partitions.items()}
        time.sleep(stands_s)
        for name, numbers in partitions.items():
            for number, now in watch.ends(name, numbers).items():
                if _stands(before[name][number], now):
                    began_ms = _stamp_ms(settings, name, number, now.stable)
                    yield OpenTransaction(name, number, now.stable, now.end - now.stable, began_ms)
    finally:
        watch.close()


def _stands(before: Ends, now: Ends) -> bool:
    return before.stable < before.end and before.stable == now.stable < now.end


def _partitions(settings: Settings, names: list[str]) -> dict[str, list[int]]:
    heard = Heard()
    admin = create(AdminClient, admin_config(settings) | {"error_cb": heard.hear})
    listed = ask_topics(admin, heard, settings.kafka_properties()["bootstrap.servers"], CALL_S)
    return {name: sorted(listed[name].partitions) for name in names if name in listed and listed[name].error is None}


def _stamp_ms(settings: Settings, topic: str, partition: int, offset: int) -> int | None:
    reader = create(Consumer, side_config(settings) | {"isolation.level": "read_uncommitted"})
    try:
        reader.assign([TopicPartition(topic, partition, offset)])
        end_s = time.monotonic() + FETCH_S
        while (left_s := end_s - time.monotonic()) > 0:
            message = reader.poll(left_s)
            if message is not None and message.error() is None:
                stamp: int = message.timestamp()[1]
                return stamp
        return None
    finally:
        reader.close()
