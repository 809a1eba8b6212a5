"""Laws of the watch, over the real engine on a log in memory: how old what it shows is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from stream.app.watch import Watch
from stream.kafka.errors import KafkaRefused, KafkaUnreachable
from stream.kafka.watch import Ends
from stream.metrics import Metrics
from stream.rules.compile import compile_program
from stream.rules.load import parse_definitions
from tests.engine.world import START, Worker, World

SHOP = """\
definitions: 1
name: shop
segments:
  buyer:
    when: count("Order Completed") >= 1
"""
PROGRAM = compile_program(parse_definitions([("shop.yaml", SHOP)]))
MINUTE_MS = 60_000


class Broker:
    """Answers as `KafkaWatch` does; `refuses` and `silent` name what it does not."""

    def __init__(self) -> None:
        self.refuses: set[str] = set()
        self.silent = False

    def ends(self, topic: str, partitions: Sequence[int]) -> dict[int, Ends]:
        if self.silent:
            raise KafkaUnreachable("no answer")
        return dict.fromkeys(partitions, Ends(0, 0, 0))

    def retention_ms(self) -> int | None:
        if "settings" in self.refuses:
            raise KafkaRefused("not allowed")
        return None


class Watched:
    def __init__(self, directory: Path) -> None:
        self.world = World()
        self.metrics = Metrics(PROGRAM, input_topic="events", partition_count=1, loaded_ms=START)
        self.worker = Worker(self.world, PROGRAM, self.metrics)
        self.broker = Broker()
        topics = ("events", "changes")
        self.watch = Watch(
            self.worker.engine, self.broker, self.worker.producer, self.metrics, topics, directory,
            lambda: self.world.now_ms,
        )  # fmt: skip
        self.looks = 0

    async def look(self) -> None:
        """Once, a minute after the last."""
        self.world.now_ms += MINUTE_MS
        self.looks += await self.watch._try(self.looks)

    def age_s(self, name: str) -> float:
        told = self.metrics.registry.get_sample_value(f"segmenter_{name}_timestamp_seconds")
        assert told is not None
        return self.world.now_ms / 1000 - told


async def test_a_worker_without_partitions_has_nothing_to_ask_and_is_not_blind(tmp_path: Path):
    it = Watched(tmp_path)
    it.broker.silent = True
    await it.look()
    assert it.age_s("watch_completed") == 0
    assert it.age_s("ends_asked") == it.world.now_ms / 1000, "it has never asked"


async def test_what_was_answered_in_part_is_not_completed(tmp_path: Path):
    it = Watched(tmp_path)
    await it.worker.assign(0)
    await it.look()
    assert (it.age_s("ends_asked"), it.age_s("watch_completed")) == (0, 0)
    it.looks = 0  # settings are asked for now and then
    it.broker.refuses = {"settings"}
    for minutes in (1, 2, 3):
        await it.look()
        assert (it.age_s("ends_asked"), it.age_s("watch_completed")) == (0, 60 * minutes)
    it.broker.refuses = set()
    await it.look()
    assert it.age_s("watch_completed") == 0


async def test_a_broker_that_does_not_answer_leaves_both_as_they_were(tmp_path: Path):
    it = Watched(tmp_path)
    await it.worker.assign(0)
    await it.look()
    it.broker.silent = True
    await it.look()
    assert (it.age_s("ends_asked"), it.age_s("watch_completed")) == (60, 60)
