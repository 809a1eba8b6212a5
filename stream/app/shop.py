"""A believable shop for the demo: customers with different habits, events in Segment-spec shape. Deterministic by seed.

Time is an input: `Shop.until(t)` returns what happened up to then. Rates are per day of shop time.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from stream.codec.instants import to_text

DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Habit:
    """visits and orders per day; `patience_days`: after about so long the customer stops coming (0: never);
    `returns`: chance that a customer who stopped comes back when written to."""

    name: str
    share: float
    visits: float
    order_chance: float  # per visit
    cart_chance: float  # per visit without an order
    spend: float  # mean revenue of an order
    patience_days: float
    returns: float


HABITS = (
    Habit("regular", 0.25, 0.20, 0.35, 0.10, 60.0, 0, 0.0),
    Habit("enthusiast", 0.10, 0.60, 0.30, 0.25, 90.0, 0, 0.0),
    Habit("drifting away", 0.30, 0.15, 0.40, 0.20, 120.0, 40, 0.5),
    Habit("once and gone", 0.15, 0.30, 0.60, 0.10, 45.0, 8, 0.1),
    Habit("window shopper", 0.20, 0.25, 0.02, 0.30, 30.0, 0, 0.0),
)

PRODUCTS = (
    ("boots", "shoes", 89.0), ("sneakers", "shoes", 69.5), ("tent", "outdoor", 240.0), ("lamp", "home", 39.9),
    ("kettle", "home", 45.0), ("backpack", "outdoor", 110.0), ("mug", "home", 12.5), ("scarf", "clothes", 24.0),
)  # fmt: skip
COUNTRIES = ("DE", "FR", "US", "NL", "ES")


@dataclass(slots=True)
class Customer:
    id: str
    habit: Habit
    since_ms: int
    gone_ms: int | None
    messages: int = 0


@dataclass(frozen=True, slots=True)
class ShopEvent:
    customer_id: str
    time_ms: int
    value: bytes


class Shop:
    """`customers` arrive over the first `opening_days`; then each lives by habit."""

    def __init__(self, start_ms: int, customers: int = 300, seed: int = 7, opening_days: float = 30.0) -> None:
        self._random = random.Random(seed)
        self._queue: list[tuple[int, int, Customer]] = []  # (instant of the next visit, tie, customer)
        self._arrived: set[str] = set()
        self._by_id: dict[str, Customer] = {}
        for number in range(customers):
            habit = self._random.choices(HABITS, [habit.share for habit in HABITS])[0]
            # Most come in the beginning, some later: squared.
            since_ms = start_ms + int(self._random.random() ** 2 * opening_days * DAY_MS)
            gone_ms = None
            if habit.patience_days:
                gone_ms = since_ms + int(self._random.expovariate(1 / habit.patience_days) * DAY_MS) + DAY_MS
            customer = Customer(f"c-{number:04d}", habit, since_ms, gone_ms)
            self._by_id[customer.id] = customer
            heapq.heappush(self._queue, (since_ms, number, customer))

    def until(self, time_ms: int) -> Iterator[ShopEvent]:
        """What happened since the last call, up to `time_ms`, in order of each customer's time."""
        while self._queue and self._queue[0][0] <= time_ms:
            at_ms, tie, customer = heapq.heappop(self._queue)
            if customer.id not in self._arrived:
                self._arrived.add(customer.id)
                yield self._identify(customer, at_ms)
            yield from self._visit(customer, at_ms)
            next_ms = at_ms + max(60_000, int(self._random.expovariate(customer.habit.visits) * DAY_MS))
            if customer.gone_ms is None or next_ms < customer.gone_ms:
                heapq.heappush(self._queue, (next_ms, tie, customer))

    def win_back(self, customer_id: str, time_ms: int) -> None:
        """The customer was written to; some come back within days."""
        customer = self._by_id.get(customer_id)
        if customer is not None and self._random.random() < customer.habit.returns:
            back_ms = time_ms + int((0.5 + self._random.random() * 5) * DAY_MS)
            customer.gone_ms = back_ms + 20 * DAY_MS
            heapq.heappush(self._queue, (back_ms, len(self._by_id) + customer.messages, customer))

    # -- one visit

    def _visit(self, customer: Customer, at_ms: int) -> Iterator[ShopEvent]:
        product, category, price = self._random.choice(PRODUCTS)
        properties: dict[str, Any] = {"product": product, "category": category, "price": price}
        yield self._event(customer, at_ms, type="page", name="Product", properties={"path": f"/{category}/{product}"})
        yield self._track(customer, at_ms + 15_000, "Product Viewed", properties)
        if self._random.random() < customer.habit.order_chance:
            revenue = round(self._random.lognormvariate(0, 0.5) * customer.habit.spend, 2)
            yield self._track(customer, at_ms + 40_000, "Product Added", properties)
            order = {"revenue": revenue, "products": [{"product_id": product, "category": category, "price": price}]}
            yield self._track(customer, at_ms + 55_000, "Order Completed", order)
        elif self._random.random() < customer.habit.cart_chance:
            yield self._track(customer, at_ms + 40_000, "Product Added", properties)

    def _identify(self, customer: Customer, at_ms: int) -> ShopEvent:
        traits = {
            "email": f"{customer.id}@example.com",
            "country": self._random.choice(COUNTRIES),
            "marketing_consent": self._random.random() < 0.85,
        }
        return self._event(customer, at_ms, type="identify", traits=traits)

    def _track(self, customer: Customer, at_ms: int, name: str, properties: dict[str, Any]) -> ShopEvent:
        return self._event(customer, at_ms, type="track", event=name, properties=properties)

    def _event(self, customer: Customer, at_ms: int, **fields: Any) -> ShopEvent:
        customer.messages += 1
        message = {
            **fields,
            "userId": customer.id,
            "messageId": f"{customer.id}-{customer.messages}",
            "timestamp": to_text(at_ms),
        }
        return ShopEvent(customer.id, at_ms, orjson.dumps(message))
