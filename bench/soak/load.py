"""The soak's steady load: a stream of customer events by seed, with all that real streams bring along.

Cohorts of customers follow each other, so that nobody's history grows without end. Some events come late and out of
order, some twice, some can't be used at all, and one customer of each cohort gets as many as all others together.
"""

from __future__ import annotations

import json
import random
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import Producer

from stream.codec.instants import to_text

COHORT_S = 45.0
COHORT_CUSTOMERS = 90
HOT_SHARE = 0.3
LATE_SHARE, LATEST_MS = 0.08, 20_000
TWICE_SHARE = 0.04
POISON_SHARE = 0.01
FLUSH_S = 120.0
NAMES = (("Product Viewed", 50), ("Product Added", 20), ("Order Completed", 22), ("identify", 8))
POISON = (b"", b"{", b"\xff\xfe\x00", b"[1, 2]", b'{"type":"track","event":"x"}', b'{"a":' * 40 + b"1" + b"}" * 40)


@dataclass
class Sent:
    """What was handed to the producer; `kinds` counts the irregular ones."""

    events: int = 0
    kinds: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("late", "twice", "poison", "hot"), 0))


def customers_of(cohort: int) -> list[str]:
    return [f"c{cohort}-{number}" for number in range(COHORT_CUSTOMERS)]


def is_hot(customer_id: str) -> bool:
    return customer_id.startswith("hot")


class Load:
    """Sends `rate` events a second from a thread of its own until `stop`, across any outage of the broker."""

    def __init__(self, address: str, topic: str, partitions: int, rate: float, seed: int) -> None:
        self.sent = Sent()
        self.failed: str | None = None
        self._topic = topic
        self._partitions = partitions
        self._rate = rate
        self._dice = random.Random(seed)
        self._stopping = threading.Event()
        self._producer = Producer({
            "bootstrap.servers": address, "enable.idempotence": True, "linger.ms": 5, "log_level": 2,
            "message.timeout.ms": 600_000,  # an outage delays events, it never loses one
        })  # fmt: skip
        self._thread = threading.Thread(target=self._run, name="load", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End, and wait until the broker has everything. Raises RuntimeError when it does not take it."""
        self._stopping.set()
        self._thread.join()
        left = self._producer.flush(FLUSH_S)
        if left or self.failed:
            raise RuntimeError(f"the broker did not take everything: {left} events left, {self.failed}")

    def _run(self) -> None:
        started = time.monotonic()
        number = 0
        while not self._stopping.is_set():
            elapsed = time.monotonic() - started
            while number < elapsed * self._rate:
                self._send(number, int(elapsed / COHORT_S))
                number += 1
            self._producer.poll(0)
            self._stopping.wait(0.02)

    def _send(self, number: int, cohort: int) -> None:
        dice, sent = self._dice, self.sent
        customer_id = dice.choice(customers_of(cohort))
        if dice.random() < HOT_SHARE:
            customer_id = f"hot{cohort}"
            sent.kinds["hot"] += 1
        if dice.random() < POISON_SHARE:
            sent.kinds["poison"] += 1
            self._produce(customer_id, dice.choice(POISON))
            return
        value = json.dumps(self._event(number, customer_id)).encode()
        self._produce(customer_id, value)
        if dice.random() < TWICE_SHARE:
            sent.kinds["twice"] += 1
            self._produce(customer_id, value)

    def _event(self, number: int, customer_id: str) -> dict[str, Any]:
        dice = self._dice
        at_ms = time.time_ns() // 1_000_000
        if dice.random() < LATE_SHARE:
            self.sent.kinds["late"] += 1
            at_ms -= dice.randrange(LATEST_MS)
        name = dice.choices([name for name, _ in NAMES], [weight for _, weight in NAMES])[0]
        event: dict[str, Any] = {"type": "track", "event": name, "userId": customer_id, "messageId": f"m{number}"}
        if name == "identify":
            event = {"type": "identify", "userId": customer_id, "messageId": f"m{number}"}
            event["traits"] = {"country": dice.choice(("DE", "FR", "US"))}
        elif name == "Order Completed":
            event["properties"] = {"revenue": dice.randrange(10, 200)}
        return event | {"timestamp": to_text(at_ms)}

    def _produce(self, customer_id: str, value: bytes) -> None:
        partition = sum(customer_id.encode()) % self._partitions
        self._producer.produce(self._topic, value, customer_id, partition, on_delivery=self._delivered)
        self.sent.events += 1

    def _delivered(self, error: Any, _message: Any) -> None:
        if error is not None:
            self.failed = error.str()
