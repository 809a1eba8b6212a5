"""A small shop for the engine's laws: its definitions, its orders, and a world of customers who ordered once."""

from __future__ import annotations

import json
from typing import Any

from stream.codec.instants import to_text
from stream.rules.compile import compile_program
from stream.rules.load import parse_definitions
from tests.engine.world import DAY, START, World

SHOP = """\
definitions: 1
name: shop
events:
  purchase: Order Completed
facts:
  orders: count(purchase)
dimensions:
  lifecycle:
    stages:
      - prospect: orders == 0
      - active: last(purchase) > ago(30d)
      - inactive: otherwise
segments:
  lost:
    when: lifecycle == "inactive"
    topic: win-back
    control_group: 50%
"""
PROGRAM = compile_program(parse_definitions([("shop.yaml", SHOP)]))


def order(customer: str, at_ms: int, number: int, event: str = "Order Completed") -> bytes:
    """An event's payload."""
    return json.dumps(
        {"type": "track", "event": event, "userId": customer, "messageId": f"m{number}", "timestamp": to_text(at_ms)}
    ).encode()


def shop(customers: int = 6) -> World:
    """A world in which each customer ordered once, a day apart."""
    world = World(now_ms=START)
    for number in range(customers):
        world.now_ms += DAY
        world.send(f"c{number}", order(f"c{number}", world.now_ms, number))
    return world


def changes(world: World) -> list[dict[str, Any]]:
    """All that were written, in order."""
    return [json.loads(record.value) for record in world.values("changes")]
