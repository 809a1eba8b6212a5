"""Logs as the real engine writes them in memory, and hands to damage a copy of one."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from stream.codec.journal import JournalRecord, Meta, decode_journal, decode_meta, encode_journal, encode_meta
from stream.rules.compile import CompiledProgram, compile_program
from stream.rules.load import parse_definitions
from stream.verify.check import check
from stream.verify.log import MemoryLog, Names, Record
from stream.verify.report import Report
from tests.engine.shop import SHOP as PLAIN_SHOP
from tests.engine.shop import order
from tests.engine.world import DAY, START, Worker, World

NAMES = Names(
    name="shop", input="events", changes="changes", memberships="memberships", rejected="rejected", state="state",
    journal="journal",
)  # fmt: skip


def log_of(world: World, appended: bool = False) -> MemoryLog:
    """What a reader of the world's topics gets. `appended`: the input's timestamps are the broker's append times."""
    topics: dict[str, list[Record]] = {"events": []}
    for partition, messages in world.inputs.items():
        topics["events"] += [
            Record("events", partition, message.at, message.ts, message.k, message.v, message.h, appended)
            for message in messages
        ]
    for (topic, partition), produced in world.topics.items():
        topics.setdefault(topic, []).extend(
            Record(topic, partition, offset, 0, record.key, record.value, record.headers)
            for offset, record in enumerate(produced)
        )
    return MemoryLog(topics, dict(world.offsets), range(world.partitions))


def verified(world: World, program: CompiledProgram) -> Report:
    return check(log_of(world), program, NAMES)


class Copy:
    """A log to damage: one partition's records by topic, numbered anew after each edit, as if written so."""

    def __init__(self, log: MemoryLog) -> None:
        self.topics = {topic: list(records) for topic, records in log.topics.items()}
        self.group = dict(log.group)
        self.log = log

    def __getitem__(self, topic: str) -> list[Record]:
        return self.topics[topic]

    def log_now(self) -> MemoryLog:
        numbered = {
            topic: list(records)
            if topic == "events"
            else [record._replace(offset=offset) for offset, record in enumerate(records)]
            for topic, records in self.topics.items()
        }
        return MemoryLog(numbered, self.group, self.log.partitions)

    def edit(self, topic: str, place: int, **fields: Any) -> None:
        records = self.topics[topic]
        records[place] = records[place]._replace(**fields)

    def edit_json(self, topic: str, place: int, edit: Callable[[dict[str, Any]], object]) -> None:
        value = json.loads(self.topics[topic][place].value or b"")
        edit(value)
        self.edit(topic, place, value=json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode())

    def edit_journal(self, place: int, edit: Callable[[JournalRecord], dict[str, Any]]) -> None:
        journal = decode_journal(self.topics["journal"][place].value or b"")
        self.edit("journal", place, value=encode_journal(replace(journal, **edit(journal))))

    def text_at(self, key: bytes) -> int:
        """Where the text of definitions under this key is written."""
        return next(at for at, record in enumerate(self.topics["state"]) if record.key == key and record.value)

    def drop_text(self, key: bytes) -> None:
        del self.topics["state"][self.text_at(key)]

    def alter_text(self, key: bytes) -> None:
        self.edit_json("state", self.text_at(key), lambda told: told.update(began_ms=told["began_ms"] + 1))

    def edit_meta(self, place: int, edit: Callable[[Meta], dict[str, Any]]) -> None:
        meta = decode_meta(self.topics["state"][place].value or b"")
        self.edit("state", place, value=encode_meta(replace(meta, **edit(meta))))


SHOP = f"""\
{PLAIN_SHOP}\
  loyal:
    when: count(purchase, 60d) >= 2
    topic: loyalty
"""
PROGRAM = compile_program(parse_definitions([("shop.yaml", SHOP)]))


async def lived(partitions: int = 1, most: int = 3, customers: int = 7, grace_ms: int = 2_000) -> World:
    """A year of a small shop in many commits: entering, leaving, coming back, late orders, repeats, poison, records of
    no interest, an erasure and a second life. Nothing is appended before the clock's last step."""
    world = World(partitions=partitions, now_ms=START)
    worker = Worker(world, PROGRAM)
    settings = worker.engine.settings
    worker.engine.settings = replace(settings, task=replace(settings.task, grace_ms=grace_ms))
    await worker.assign(*range(partitions))
    number = 0

    async def rest(days: int) -> None:
        world.now_ms += days * DAY
        await worker.settle(most)

    def buys(customer: int, days_ago: int = 0) -> None:
        nonlocal number
        number += 1
        name = f"c{customer}"
        world.send(name, order(name, world.now_ms - days_ago * DAY - 1_000, number), customer % partitions)

    await rest(1)
    for customer in range(customers):
        buys(customer)
        await rest(1)
    for customer in range(0, customers, 2):
        buys(customer, days_ago=2)
    world.send("c1", b"{bad", 1 % partitions, headers=[("trace", b"abc")])
    world.send("c2", json.dumps({"type": "wink", "userId": "c2"}).encode(), 2 % partitions)
    await rest(3)
    world.send("c1", world.inputs[1 % partitions][0].v, 1 % partitions)  # the same message again
    await rest(40)
    for customer in (1, 2, 4):
        buys(customer, days_ago=20)
        await rest(2)
    world.send("c3", None, 3 % partitions, headers=[("request_id", b"r-17")])
    world.send("c4", b"\xff\xfe", 4 % partitions)
    await rest(5)
    buys(3)
    buys(5)
    for _ in range(5):
        await rest(20)
    return world
