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

from bench.load import customer, event, partition_of, send
from bench.rig import PARTITIONS, BenchFailed
from tests.kafka.kit import end_offsets

LOADS = ("uniform", "skewed", "new")
SKEW = 4

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


def produce_events(broker: str, topic: str, path: Path, count: int) -> None:
    """Send the first `count` to the partitions of their customers. Raises BenchFailed when some did not arrive."""
    send(broker, topic, PARTITIONS, read_events(path, count), None)
    arrived = sum(end_offsets(broker, topic).values())
    if arrived != count:
        raise BenchFailed(f"{arrived} of {count} events arrived in {topic}")


def by_partition(events: Iterator[Waiting]) -> list[int]:
    """How many there are in each partition."""
    counts = [0] * PARTITIONS
    for customer_id, _, _ in events:
        counts[partition_of(customer_id, PARTITIONS)] += 1
    return counts
