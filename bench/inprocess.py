"""What an event costs the worker by itself: one partition in this process, with its store, without Kafka.

    python -m bench.inprocess                                 50,000 customers, 200,000 events, 4,000 a commit
    python -m bench.inprocess --definitions bench/rivals/definitions.yaml --customers 10000
    python -m bench.inprocess --profile                       which functions take the time, by cProfile

CPU time per event of the phases an event goes through, over real librdkafka messages and a real RocksDB: taking it in
(decoding, folding, judging), what its commit prepares, handing that to librdkafka's queue (which is then emptied: no
broker), and writing the store. Every customer has one event before the measured ones. Repeatable: same events, same
instants; so two revisions, or two Pythons, can be compared in turns where Kafka's noise hides a difference.
"""

from __future__ import annotations

import argparse
import cProfile
import gc
import platform
import pstats
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from confluent_kafka import Message, Producer

from bench.load import Shoppers, events
from stream.codec.journal import Meta
from stream.core.events import NEVER_MS
from stream.core.program import Program
from stream.engine.interfaces import Batch, Produce
from stream.engine.task import PartitionTask, TaskSettings
from stream.rules.compile import compile_program
from stream.rules.load import load_definitions
from stream.store.options import Memory
from stream.store.rocks import StateStore

PHASES = ("take", "prepare", "produce", "store")
START_MS = 1_790_000_000_000
POLL_RECORDS = 500
TOP = 45


@dataclass(slots=True)
class Costs:
    """Seconds of CPU by phase, and over what."""

    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(PHASES, 0.0))
    events: int = 0
    changes: int = 0
    faults: int = 0  # pages of memory taken from the system

    def add(self, seconds: dict[str, float], changes: int) -> None:
        """One commit more."""
        for phase, more in seconds.items():
            self.seconds[phase] += more
        self.changes += changes

    @property
    def us(self) -> dict[str, float]:
        """Microseconds per event, by phase."""
        return {phase: seconds * 1e6 / max(1, self.events) for phase, seconds in self.seconds.items()}


class Bench:
    """One partition's task over a fresh store, fed as the engine feeds it."""

    def __init__(self, program: Program, folder: Path) -> None:
        meta = Meta.first(
            next_offset=0, run_id="00000000", partition_count=1,
            program={"name": program.name, "version": program.version, "hash": program.hash},
            replay_until_offset=0, replay_until_ms=NEVER_MS,
        )  # fmt: skip
        self.store = StateStore.open(folder, Memory.of(256 << 20))
        self.task = task_over(program, self.store, meta)
        self._queue = queue()

    def run(self, messages: list[Message], commit: int, now_ms: int) -> Costs:
        """Take all in, `commit` of them at a time."""
        costs = Costs(events=len(messages))
        faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for first in range(0, len(messages), commit):
            costs.add(
                *measured(self.task, self._queue, partial(self._take, messages[first : first + commit], now_ms), now_ms)
            )
        costs.faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults
        return costs

    def _take(self, messages: list[Message], now_ms: int) -> None:
        for begin in range(0, len(messages), POLL_RECORDS):
            self.task.process(Batch(0, 1, now_ms, messages[begin : begin + POLL_RECORDS]))


def measured(
    task: PartitionTask, producer: Producer, take: Callable[[], None], now_ms: int
) -> tuple[dict[str, float], int]:
    """Let `take` bring something in, and commit it. Seconds of CPU by phase, and how many changes there were."""
    cpu = time.process_time
    instants = [cpu()]
    take()
    instants.append(cpu())
    part = task.prepare()
    instants.append(cpu())
    _hand_over(producer, part.records)
    instants.append(cpu())
    task.committed(part, 0, now_ms)
    instants.append(cpu())
    producer.purge()  # what was queued goes nowhere
    producer.poll(0)
    seconds = {phase: end - begin for phase, begin, end in zip(PHASES, instants, instants[1:], strict=False)}
    return seconds, len(part.report.changes)


def queue() -> Producer:
    """librdkafka's, with no broker behind it."""
    return Producer({"bootstrap.servers": "127.0.0.1:1", "log_level": 0, "queue.buffering.max.messages": 2_000_000})


def _hand_over(producer: Producer, records: list[Produce]) -> None:
    send = producer.produce
    for record in records:
        if record.headers:
            send(record.topic, record.value, record.key, record.partition, headers=record.headers)
        else:
            send(record.topic, record.value, record.key, record.partition)


def task_over(program: Program, store: StateStore, meta: Meta) -> PartitionTask:
    """A partition 0 by itself, over what the store holds."""
    topics = ("input", "changes", "memberships", "rejected", "state", "journal")
    settings = TaskSettings(
        name="bench", **{f"{topic}_topic": topic for topic in topics}, output_prefix="",
        max_event_bytes=1 << 20, grace_ms=2_000, cache_customers=200_000, nonce="0" * 16, versions={},
    )  # fmt: skip
    return PartitionTask(0, program, store, meta, 0, settings)


def main() -> None:
    given = _arguments()
    program = compile_program(load_definitions([given.definitions]))
    total = given.customers + given.events
    stream = events(total, Shoppers(given.customers), START_MS, 1.0, 1, every_customer_first=True)
    messages = list(messages_of(stream))
    now_ms = START_MS + total
    births, warm = messages[: given.customers], messages[given.customers :]
    runs: list[Costs] = []
    with tempfile.TemporaryDirectory(prefix="segmenter-bench-") as folder:
        bench = Bench(program, Path(folder))
        gc.collect()
        gc.freeze()
        gc.set_threshold(1_000_000, 20, 20)  # as the worker has it
        _print("births", [bench.run(births, given.commit, now_ms)])
        part = len(warm) // given.repeat
        profiler = cProfile.Profile() if given.profile else None
        for number in range(given.repeat):
            if profiler is not None:
                profiler.enable()
            runs.append(bench.run(warm[number * part : (number + 1) * part], given.commit, now_ms))
            if profiler is not None:
                profiler.disable()
        _print("events", runs)
        if profiler is not None:
            pstats.Stats(profiler).sort_stats("tottime").print_stats(TOP)
        bench.store.close()


def messages_of(stream: Iterator[tuple[str, int, bytes]]) -> Iterator[Message]:
    """As librdkafka hands them out."""
    for offset, (customer_id, time_ms, value) in enumerate(stream):
        yield Message(
            topic="input", partition=0, offset=offset, key=customer_id.encode(), value=value, timestamp=(1, time_ms)
        )


def _print(what: str, runs: list[Costs]) -> None:
    """The median of the runs by phase, and the spread of their sums."""
    median = {phase: statistics.median(run.us[phase] for run in runs) for phase in PHASES}
    sums = [sum(run.us.values()) for run in runs]
    count = sum(run.events for run in runs)
    changes, faults = sum(run.changes for run in runs) / count, sum(run.faults for run in runs) / count
    phases = "  ".join(f"{phase} {us:5.2f}" for phase, us in median.items())
    print(
        f"{platform.python_version()} {what}: {statistics.median(sums):6.2f} us/event ({min(sums):.2f} - "
        f"{max(sums):.2f}): {phases}; {changes:.2f} changes, {faults:.2f} page faults/event"
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "python -m bench.inprocess", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--definitions", type=Path, default=Path(__file__).with_name("definitions.yaml"))
    parser.add_argument("--customers", type=int, default=50_000)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--commit", type=int, default=4_000, help="events of a commit")
    parser.add_argument("--repeat", type=int, default=5, help="parts of the events, measured one by one")
    parser.add_argument("--profile", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
