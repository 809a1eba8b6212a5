"""The work that every engine does for an event, as README.md here defines it; java/Work.java is the same in Java.

Standard library only: the Quix and Faust rivals import it in environments of their own, and `reference.py` computes
from it what the right answer is. A customer's state is a plain dict, so that JSON stores can keep it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, NamedTuple

DAY_MS = 86_400_000
ORDER = "Order Completed"
NEWEST = 5
"""Instants of orders that are kept: as many as the largest frequency stage counts."""
SPENT = 512
"""Entries of the 30-day spend that are kept; beyond, the newest one takes in what follows."""
NEVER_MS = -(1 << 60)

DIMENSIONS = ("lifecycle", "frequency", "recency")

Customer = dict[str, Any]
"""orders: int; seen_ms: int; newest: [ms]; spent: [[ms, millionths]]; stages: [name or None, by dimension]."""


class Event(NamedTuple):
    """`spent_micros` is None unless it is an order."""

    customer_id: str
    time_ms: int
    spent_micros: int | None


class Change(NamedTuple):
    customer_id: str
    dimension: str
    from_stage: str | None
    to_stage: str
    time_ms: int
    orders: int
    spend_micros: int

    def message(self) -> dict[str, Any]:
        """What is written, to be encoded as JSON."""
        at = datetime.fromtimestamp(self.time_ms / 1000, UTC)
        return {
            "customer_id": self.customer_id,
            "dimension": self.dimension,
            "from_stage": self.from_stage,
            "to_stage": self.to_stage,
            "effective_at": at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{self.time_ms % 1000:03d}Z",
            "orders": self.orders,
            "spend_30d": self.spend_micros / 1e6,
        }


def read(customer_id: str, message: dict[str, Any]) -> Event:
    """Raises KeyError or ValueError on what is no event."""
    time_ms = round(datetime.fromisoformat(message["timestamp"]).timestamp() * 1000)
    if message.get("event") != ORDER:
        return Event(customer_id, time_ms, None)
    return Event(customer_id, time_ms, round(message["properties"]["revenue"] * 1e6))


def newborn() -> Customer:
    return {"orders": 0, "seen_ms": 0, "newest": [], "spent": [], "stages": [None] * len(DIMENSIONS)}


def advance(customer: Customer, event: Event) -> list[Change]:
    """Take an event into the customer's state, in place; returns the changes it causes, in the order of DIMENSIONS."""
    now_ms = event.time_ms
    customer["seen_ms"] = now_ms
    if event.spent_micros is not None:
        customer["orders"] += 1
        customer["newest"] = [*customer["newest"][1 - NEWEST :], now_ms]
        _spend(customer, now_ms, event.spent_micros)
    stages = _stages(customer["orders"], customer["newest"], now_ms)
    before = customer["stages"]
    if stages == before:
        return []
    customer["stages"] = stages
    spend = sum(micros for at_ms, micros in customer["spent"] if at_ms > now_ms - 30 * DAY_MS)
    return [
        Change(event.customer_id, dimension, was, now, now_ms, customer["orders"], spend)
        for dimension, was, now in zip(DIMENSIONS, before, stages)
        if was != now
    ]


def _spend(customer: Customer, now_ms: int, micros: int) -> None:
    spent = customer["spent"] = [entry for entry in customer["spent"] if entry[0] > now_ms - 30 * DAY_MS]
    if len(spent) < SPENT:
        spent.append([now_ms, micros])
    else:
        spent[-1] = [now_ms, spent[-1][1] + micros]


def _stages(orders: int, newest: list[int], now_ms: int) -> list[str]:
    last_ms = newest[-1] if newest else NEVER_MS
    recent = sum(at_ms > now_ms - 90 * DAY_MS for at_ms in newest)
    return [_lifecycle(orders, last_ms, now_ms), _frequency(recent), _recency(last_ms, now_ms)]


def _lifecycle(orders: int, last_ms: int, now_ms: int) -> str:
    if orders == 0:
        return "prospect"
    if orders == 1 and last_ms > now_ms - 30 * DAY_MS:
        return "new"
    return "active" if last_ms > now_ms - 180 * DAY_MS else "inactive"


def _frequency(recent: int) -> str:
    if recent < 2:
        return "one-time" if recent else "none"
    return "occasional" if recent < NEWEST else "frequent"


def _recency(last_ms: int, now_ms: int) -> str:
    if last_ms == NEVER_MS:
        return "never"
    for stage, days in (("hot", 7), ("warm", 30), ("cool", 90)):
        if last_ms > now_ms - days * DAY_MS:
            return stage
    return "cold"
