"""What commands read of a topic, on Apache Kafka."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from confluent_kafka import Producer

from stream.kafka.simple import TopicReader
from tests.kafka.apache import ApacheKafka
from tests.kafka.fixtures import Topics
from tests.kafka.kit import wait_for

EVERY_S = 0.05
"""A reader that waits for an answer without records never gets one: such an answer takes half a second."""


@contextmanager
def written_without_a_pause(address: str, topic: str, partitions: int) -> Iterator[list[int]]:
    """How many records are there, in a list of one."""
    done, count = threading.Event(), [0]

    def write() -> None:
        producer = Producer({"bootstrap.servers": address, "linger.ms": 0})
        while not done.wait(EVERY_S):
            for partition in range(partitions):
                producer.produce(topic, str(count[0]).encode(), partition=partition)
            producer.flush(10)
            count[0] += partitions

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield count
    finally:
        done.set()
        thread.join()


def test_a_topic_that_is_written_without_a_pause_is_read_to_where_it_ended(
    apache_kafka: ApacheKafka, topics: Topics
) -> None:
    name = topics.create("busy", partitions=2)
    with written_without_a_pause(apache_kafka.bootstrap, name, 2) as count, ThreadPoolExecutor(1) as pool:
        wait_for(lambda: count[0] >= 20, "the first records")
        there = count[0]
        reader = TopicReader({"bootstrap.servers": apache_kafka.bootstrap}, name)
        began_s = time.monotonic()
        found = pool.submit(lambda: list(reader.to_end())).result(60)
        took_s = time.monotonic() - began_s
        reader.close()

    assert len(found) >= there
    assert took_s < 30
    assert {record.partition for record in found} == {0, 1}


def test_an_empty_topic_is_at_its_end(apache_kafka: ApacheKafka, topics: Topics) -> None:
    reader = TopicReader({"bootstrap.servers": apache_kafka.bootstrap}, topics.create("empty", partitions=2))

    assert list(reader.to_end()) == []
    reader.close()
