"""Load for the benchmarks: customer events of 277 bytes, keyed, over the partitions, deterministic by seed.

    python -m bench.load --broker 127.0.0.1:9092 --topic customer-events --events 1000000 --customers 50000

`--rate` paces it by the wall clock and gives each event the time of its sending; without it all events are sent at once
and their times rise by a millisecond each, ending now or beginning at `--first-ms`.
"""

from __future__ import annotations

import argparse
import random
import time
import zlib
from collections.abc import Iterator

import confluent_kafka
import orjson

from stream.codec.instants import to_text

EVENT_BYTES = 277
NAMES = (
    ("Product Viewed", 70), ("Product Added", 12), ("Order Completed", 8), ("Signed In", 5), ("identify", 5),
)  # fmt: skip
FLUSH_S = 120


def customer(number: int) -> str:
    return f"customer-{number:07d}"


def partition_of(customer_id: str, partitions: int) -> int:
    return zlib.crc32(customer_id.encode()) % partitions


def event(number: int, customer_id: str, time_ms: int, dice: random.Random) -> bytes:
    """One event, filled up to EVENT_BYTES."""
    name = dice.choices([name for name, _ in NAMES], [share for _, share in NAMES])[0]
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
    message["context"] = {"p": "x" * max(0, EVENT_BYTES - size - len(',"context":{"p":""}'))}
    return orjson.dumps(message)


def events(
    count: int, customers: int, start_ms: int, step_ms: float, seed: int, every_customer_first: bool
) -> Iterator[tuple[str, int, bytes]]:
    dice = random.Random(seed)
    for number in range(count):
        chosen = number % customers if every_customer_first and number < customers else dice.randrange(customers)
        time_ms = int(start_ms + number * step_ms)
        customer_id = customer(chosen)
        yield customer_id, time_ms, event(number + seed * 10**9, customer_id, time_ms, dice)


def send(
    broker: str, topic: str, partitions: int, stream: Iterator[tuple[str, int, bytes]], rate: float | None
) -> tuple[int, float]:
    """Returns (events sent, seconds)."""
    producer = confluent_kafka.Producer({
        "bootstrap.servers": broker, "linger.ms": 5 if rate else 50, "compression.type": "lz4",
        "enable.idempotence": True, "queue.buffering.max.messages": 500_000, "log_level": 3,
    })  # fmt: skip
    started, count = time.monotonic(), 0
    for customer_id, time_ms, value in stream:
        while True:
            try:
                producer.produce(topic, value, customer_id, partition_of(customer_id, partitions), timestamp=time_ms)
                break
            except BufferError:
                producer.poll(0.1)
        count += 1
        if rate and count % 50 == 0:
            producer.poll(0)
            ahead = started + count / rate - time.monotonic()
            if ahead > 0:
                time.sleep(ahead)
    if producer.flush(FLUSH_S):
        raise SystemExit("the broker did not take everything")
    return count, time.monotonic() - started


def paced(count: int, customers: int, seed: int) -> Iterator[tuple[str, int, bytes]]:
    """Events whose time is the wall clock's at sending."""
    dice = random.Random(seed)
    for number in range(count):
        customer_id = customer(dice.randrange(customers))
        now_ms = time.time_ns() // 1_000_000
        yield customer_id, now_ms, event(number + seed * 10**9, customer_id, now_ms, dice)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--broker", required=True)
    parser.add_argument("--topic", default="customer-events")
    parser.add_argument("--partitions", type=int, default=4)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--customers", type=int, default=50_000)
    parser.add_argument("--rate", type=float)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first-ms", type=int, help="time of the first event; so that two loads follow each other")
    parser.add_argument("--every-customer-first", action="store_true")
    given = parser.parse_args()
    if given.rate:
        stream = paced(given.events, given.customers, given.seed)
    else:
        start_ms = time.time_ns() // 1_000_000 - given.events if given.first_ms is None else given.first_ms
        stream = events(given.events, given.customers, start_ms, 1.0, given.seed, given.every_customer_first)
    sent, seconds = send(given.broker, given.topic, given.partitions, stream, given.rate)
    print(f"sent {sent} events in {seconds:.1f} s: {sent / seconds:.0f}/s")


if __name__ == "__main__":
    main()
