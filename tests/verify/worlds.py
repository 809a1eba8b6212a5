"""Logs as the real engine writes them in memory, and hands to damage a copy of one."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from stream.codec.journal import JournalRecord, Meta, decode_journal, decode_meta, encode_journal, encode_meta
from stream.rules.compile import CompiledProgram
from stream.verify.check import check
from stream.verify.log import MemoryLog, Names, Record
from stream.verify.report import Report
from tests.engine.world import DAY, Worker, World

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

    def edit_meta(self, place: int, edit: Callable[[Meta], dict[str, Any]]) -> None:
        meta = decode_meta(self.topics["state"][place].value or b"")
        self.edit("state", place, value=encode_meta(replace(meta, **edit(meta))))


async def run(world: World, program: CompiledProgram, most: int = 3) -> World:
    """Read all in batches, committing after each, then let silence do its work."""
    worker = Worker(world, program)
    await worker.assign(*range(world.partitions))
    await worker.settle(most)
    for _ in range(6):
        world.now_ms += 10 * DAY
        await worker.settle(most)
    return world
