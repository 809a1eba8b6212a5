"""Load for the benchmarks: customer events of 277 bytes (`--bytes`), keyed, over the partitions, deterministic by seed.

    python -m bench.load --broker 127.0.0.1:9092 --topic customer-events --events 1000000 --customers 50000

`--rate` paces it by the wall clock and gives each event the time of its sending; without it all events are sent at once
and their times rise by a millisecond each, ending now or beginning at `--first-ms`. `--held` sends them in one
transaction, which is committed when a line comes on standard input.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import confluent_kafka
import orjson

from stream.codec.instants import to_text

EVENT_BYTES = 277
NAMES = (
    ("Product Viewed", 70), ("Product Added", 12), ("Order Completed", 8), ("Signed In", 5), ("identify", 5),
)  # fmt: skip
FLUSH_S = 120
HOLD_MS = 900_000
"""The broker lets no transaction stay open for longer."""


def customer(number: int) -> str:
    return f"customer-{number:07d}"


def partition_of(customer_id: str, partitions: int) -> int:
    return zlib.crc32(customer_id.encode()) % partitions


@dataclass(frozen=True, slots=True)
class Shoppers:
    """Whose events: customers from number `first` on, and how large each event is at least."""

    count: int
    first: int = 0
    event_bytes: int = EVENT_BYTES

    def draw(self, dice: random.Random) -> str:
        return customer(self.first + dice.randrange(self.count))


def event(
    number: int, customer_id: str, time_ms: int, dice: random.Random, size_bytes: int = EVENT_BYTES, name: str = ""
) -> bytes:
    """One event, filled up to its size; without a name any of NAMES."""
    name = name or dice.choices([name for name, _ in NAMES], [share for _, share in NAMES])[0]
    message: dict[str, object] = {
        "type": "track",
        "event": name,
        "userId": customer_id,
        "messageId": f"m-{number:012d}",
        "timestamp": to_text(time_ms),
    }
    if name == "identify":
        message["type"] = "identify"
        del message["event"]
        message["traits"] = {"country": dice.choice(("DE", "FR", "US")), "marketing_consent": dice.random() < 0.8}
    elif name == "Order Completed":
        message["properties"] = {"revenue": round(dice.lognormvariate(4, 0.6), 2), "order_id": f"o-{number}"}
    else:
        message["properties"] = {"product_id": f"p-{dice.randrange(5000)}", "price": dice.randrange(100, 20000) / 100}
    size = len(orjson.dumps(message))
    message["context"] = {"p": "x" * max(0, size_bytes - size - len(',"context":{"p":""}'))}
    return orjson.dumps(message)


def events(
    count: int, shoppers: Shoppers, start_ms: int, step_ms: float, seed: int, every_customer_first: bool
) -> Iterator[tuple[str, int, bytes]]:
    dice = random.Random(seed)
    for number in range(count):
        if every_customer_first and number < shoppers.count:
            customer_id = customer(shoppers.first + number)
        else:
            customer_id = shoppers.draw(dice)
        time_ms = int(start_ms + number * step_ms)
        yield customer_id, time_ms, event(number + seed * 10**9, customer_id, time_ms, dice, shoppers.event_bytes)


def send(
    broker: str, topic: str, partitions: int, stream: Iterator[tuple[str, int, bytes]], rate: float | None
) -> tuple[int, float]:
    """Returns (events sent, seconds)."""
    # An idempotent producer keeps its first records for 0.5 to 1.1 s, until it has its id: a jam to begin with.
    steady = {"linger.ms": 5, "enable.idempotence": False}
    producer = confluent_kafka.Producer(producer_config(broker) | (steady if rate else {}))
    return produce_all(producer, topic, partitions, stream, rate)


def hold(broker: str, topic: str, partitions: int, stream: Iterator[tuple[str, int, bytes]]) -> None:
    """Send all in one transaction, say so, and commit when a line comes on standard input."""
    held = {"transactional.id": f"{topic}-held", "transaction.timeout.ms": HOLD_MS}
    producer = confluent_kafka.Producer(producer_config(broker) | held)
    producer.init_transactions(FLUSH_S)
    producer.begin_transaction()
    sent, seconds = produce_all(producer, topic, partitions, stream, None)
    print(told(sent, seconds), flush=True)
    if not sys.stdin.readline():
        raise SystemExit("nobody wanted what was held")
    producer.commit_transaction(FLUSH_S)


def producer_config(broker: str) -> dict[str, Any]:
    """One request at a time: a partition that was just made may refuse the first batch and take the second, and then
    passes the first one's repetition for a duplicate, which is lost without an error (seen with 64 partitions)."""
    return {
        "bootstrap.servers": broker, "linger.ms": 50, "compression.type": "lz4", "enable.idempotence": True,
        "queue.buffering.max.messages": 500_000, "log_level": 3,
        "max.in.flight.requests.per.connection": 1,
        "delivery.report.only.error": True,  # so that looking for them costs nothing
    }  # fmt: skip


class Undelivered:
    """Counts the records that the broker did not take, as a producer's `on_delivery`."""

    def __init__(self) -> None:
        self.count = 0
        self.why = ""

    def __call__(self, error: Any, _message: Any) -> None:
        if error is not None:
            self.count += 1
            self.why = str(error)

    def check(self, left: int) -> None:
        """`left`: what a flush left. Raises SystemExit when anything is missing."""
        if left or self.count:
            raise SystemExit(f"the broker did not take everything: {left} records left, {self.count} lost, {self.why}")


def produce_all(
    producer: confluent_kafka.Producer,
    topic: str,
    partitions: int,
    stream: Iterator[tuple[str, int, bytes]],
    rate: float | None,
) -> tuple[int, float]:
    """Returns (events sent, seconds), once the broker has them all."""
    undelivered = Undelivered()
    started, count = time.monotonic(), 0
    for customer_id, time_ms, value in stream:
        while True:
            try:
                partition = partition_of(customer_id, partitions)
                producer.produce(topic, value, customer_id, partition, undelivered, timestamp=time_ms)
                break
            except BufferError:
                producer.poll(0.1)
        count += 1
        if rate and count % 50 == 0:
            producer.poll(0)
            ahead = started + count / rate - time.monotonic()
            if ahead > 0:
                time.sleep(ahead)
    undelivered.check(producer.flush(FLUSH_S))
    return count, time.monotonic() - started


def told(sent: int, seconds: float) -> str:
    return f"sent {sent} events in {seconds:.1f} s: {sent / seconds:.0f}/s"


def paced(count: int, shoppers: Shoppers, seed: int) -> Iterator[tuple[str, int, bytes]]:
    """Events whose time is the wall clock's at sending."""
    dice = random.Random(seed)
    for number in range(count):
        customer_id = shoppers.draw(dice)
        now_ms = time.time_ns() // 1_000_000
        yield customer_id, now_ms, event(number + seed * 10**9, customer_id, now_ms, dice, shoppers.event_bytes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--broker", required=True)
    parser.add_argument("--topic", default="customer-events")
    parser.add_argument("--partitions", type=int, default=4)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--customers", type=int, default=50_000)
    parser.add_argument("--first-customer", type=int, default=0, help="their numbers begin here")
    parser.add_argument("--bytes", type=int, default=EVENT_BYTES, help="of an event")
    parser.add_argument("--rate", type=float)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first-ms", type=int, help="time of the first event; so that two loads follow each other")
    parser.add_argument("--every-customer-first", action="store_true")
    parser.add_argument("--held", action="store_true", help="commit when a line comes on standard input")
    given = parser.parse_args()
    shoppers = Shoppers(given.customers, given.first_customer, given.bytes)
    if given.rate:
        stream = paced(given.events, shoppers, given.seed)
    else:
        start_ms = time.time_ns() // 1_000_000 - given.events if given.first_ms is None else given.first_ms
        stream = events(given.events, shoppers, start_ms, 1.0, given.seed, given.every_customer_first)
    if given.held:
        hold(given.broker, given.topic, given.partitions, stream)
    else:
        print(told(*send(given.broker, given.topic, given.partitions, stream, given.rate)))


if __name__ == "__main__":
    main()
