"""Laws of numbers wider than 64 bits: a pipeline goes on with them and tells them as well as JSON can."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from stream.codec.instants import to_text
from stream.codec.wide_json import json_bytes
from stream.rules.compile import compile_program
from stream.rules.load import parse_definitions
from tests.engine.world import DAY, START, Worker, World

SHOP = """definitions: 1
name: shop
events: {purchase: Order Completed}
facts:
  spent: sum(purchase.total)
  huge: EXPRESSION
segments:
  rich:
    when: EXPRESSION > 100
  recent:
    when: last(purchase) > ago(1d)
    topic: recent
    with: {spent: sum(purchase.total), huge: EXPRESSION}
"""
LARGEST = 2**53 - 1


def order(number: int, total: Any) -> bytes:
    told = {"messageId": f"m{number}", "timestamp": to_text(START - 1_000), "properties": {"total": total}}
    return json.dumps({"type": "track", "event": "Order Completed", "userId": "kim", **told}).encode()


@pytest.mark.parametrize(
    "huge",
    ["sum(purchase.total) * 10000", " * ".join(["sum(purchase.total)"] * 30), "1 - " + " * ".join(["spent / 7"] * 18)],
    ids=["beyond 64 bits", "beyond any float", "beyond any float, with a fraction"],
)
async def test_a_number_wider_than_64_bits_stops_nobody(huge: str) -> None:
    program = compile_program(parse_definitions([("shop.yaml", SHOP.replace("EXPRESSION", huge))]))
    world = World(now_ms=START)
    for number in range(3):
        world.send("kim", order(number, [LARGEST] * 700))
    world.send("ann", order(9, LARGEST).replace(b"kim", b"ann"))
    for life in range(2):
        worker = Worker(world, program, nonce=f"life-{life}")
        await worker.assign(0)
        await worker.settle()
        world.now_ms += 2 * DAY

    assert world.values("rejected") == []
    (kim,) = [json.loads(each.value) for each in world.values("memberships") if each.key == b"kim"][-1:]
    assert kim["facts"]["spent"] == float(LARGEST * 2_100)
    assert kim["segments"].keys() <= {"rich"}  # the second life has told the silence


@pytest.mark.parametrize("number", [2**64 - 1, -(2**63), 0, 1.5])
def test_a_number_that_has_room_is_written_as_it_is(number: float) -> None:
    assert json.loads(json_bytes({"a": [number, None, "x"]})) == {"a": [number, None, "x"]}


@pytest.mark.parametrize("number", [2**64, -(2**63) - 1, 10**300])
def test_a_wider_number_is_the_nearest_float(number: int) -> None:
    assert json.loads(json_bytes([number, "x"])) == [float(number), "x"]


def test_a_number_beyond_all_floats_is_the_largest_of_them() -> None:
    assert json.loads(json_bytes({"a": -(10**400)})) == {"a": -sys.float_info.max}
