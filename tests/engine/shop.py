"""A small shop for the engine's laws: its definitions, its orders, a partition by itself, and a world of customers who
ordered once."""

from __future__ import annotations

import json
from typing import Any

from stream.codec.instants import to_text
from stream.codec.journal import Meta
from stream.engine.task import PartitionTask, TaskSettings
from stream.rules.compile import compile_program
from stream.rules.load import parse_definitions
from tests.engine.world import DAY, START, MemoryStore, World

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

_SETTINGS = TaskSettings(
    name="shop", input_topic="events", changes_topic="changes", memberships_topic="memberships",
    rejected_topic="rejected", state_topic="state", journal_topic="journal", output_prefix="", max_event_bytes=65_536,
    grace_ms=2_000, cache_customers=100, nonce="n", versions={},
)  # fmt: skip


def order(customer: str, at_ms: int, number: int, event: str = "Order Completed") -> bytes:
    """An event's payload."""
    return json.dumps(
        {"type": "track", "event": event, "userId": customer, "messageId": f"m{number}", "timestamp": to_text(at_ms)}
    ).encode()


def a_task() -> PartitionTask:
    """A partition that has read nothing yet, by itself."""
    program = {"name": PROGRAM.name, "version": PROGRAM.version, "hash": PROGRAM.hash}
    meta = Meta.first(
        next_offset=0, run_id="00000001", partition_count=1, program=program, replay_until_offset=0, replay_until_ms=0
    )
    return PartitionTask(0, PROGRAM, MemoryStore(), meta, 0, _SETTINGS)


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
