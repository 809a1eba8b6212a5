"""The events that wait for an engine, in a file, so that every engine is given the same ones.

First every customer once (the births, which also warm the engine up), then the events that are measured. Load `uniform`
draws their customers evenly; `skewed` gives a customer's number the fourth power of an even draw, so that two thirds of
the events go to a fifth of the customers; in `new` each is a further customer's first.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from confluent_kafka import Producer

from bench.load import FLUSH_S, customer, event, partition_of, send
from bench.rig import PARTITIONS, BenchFailed
from tests.kafka.kit import end_offsets

LOADS = ("uniform", "skewed", "new")
SKEW = 4
HOLD_MS = 900_000
"""How long the broker lets a transaction stay open at most; an engine is through with the births long before."""
CALL_S = 60.0

Waiting = tuple[str, int, bytes]
"""Customer id, event time in ms, value."""


@dataclass(frozen=True, slots=True)
class Load:
    """`customers` births and then `events` of one of LOADS, a millisecond of event time apart."""

    kind: str
    customers: int
    events: int
    first_ms: int
    seed: int = 1

    def events_of_it(self) -> Iterator[Waiting]:
        dice = random.Random(self.seed)
        for number in range(self.customers + self.events):
            customer_id = customer(self._customer(number, dice))
            time_ms = self.first_ms + number
            yield customer_id, time_ms, event(number, customer_id, time_ms, dice)

    def _customer(self, number: int, dice: random.Random) -> int:
        if number < self.customers or self.kind == "new":
            return number
        if self.kind == "skewed":
            return int(self.customers * dice.random() ** SKEW)
        return dice.randrange(self.customers)


def write_events(path: Path, events: Iterator[Waiting]) -> None:
    """One line each; neither ids nor JSON hold a tab or a newline."""
    with path.open("wb") as file:
        file.writelines(
            b"%s\t%d\t%s\n" % (customer_id.encode(), time_ms, value) for customer_id, time_ms, value in events
        )


def read_events(path: Path, count: int) -> Iterator[Waiting]:
    """The first `count`."""
    with path.open("rb") as file:
        for line in islice(file, count):
            customer_id, time_ms, value = line.split(b"\t", 2)
            yield customer_id.decode(), int(time_ms), value[:-1]


class HeldEvents:
    """The events in the topic: the first `births` to be read at once, the others in a transaction until `release`.

    So an engine can be through with all births, and then has all others waiting at one moment. Raises BenchFailed when
    some did not arrive.
    """

    def __init__(self, broker: str, topic: str, path: Path, births: int, count: int) -> None:
        send(broker, topic, PARTITIONS, read_events(path, births), None)
        self._producer = Producer({
            "bootstrap.servers": broker, "transactional.id": "rivals-load", "transaction.timeout.ms": HOLD_MS,
            "linger.ms": 50, "compression.type": "lz4", "queue.buffering.max.messages": 500_000, "log_level": 3,
        })  # fmt: skip
        self._producer.init_transactions(CALL_S)
        self._producer.begin_transaction()
        self._produce(topic, islice(read_events(path, count), births, None))
        arrived = sum(end_offsets(broker, topic, committed=False).values())
        if arrived != count:
            raise BenchFailed(f"{arrived} of {count} events arrived in {topic}")

    def release(self) -> None:
        self._producer.commit_transaction(CALL_S)

    def close(self) -> None:
        """Before the broker ends, or the producer goes on calling it."""
        del self._producer

    def _produce(self, topic: str, events: Iterator[Waiting]) -> None:
        produce, poll = self._producer.produce, self._producer.poll
        for customer_id, time_ms, value in events:
            partition = partition_of(customer_id, PARTITIONS)
            while True:
                try:
                    produce(topic, value, customer_id, partition, timestamp=time_ms)
                    break
                except BufferError:
                    poll(0.1)
        self._producer.flush(FLUSH_S)
