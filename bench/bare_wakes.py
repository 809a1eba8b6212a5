"""The limit of a storm of wakes: what it writes, put on Kafka by loops that work nothing out.

    python -m bench bare-wakes                             200,000 wakes, by one process and by two
    python -m bench bare-wakes --a-commit 5000 --repeat 3  larger transactions

Each wake of `bench wakes` writes a change, a membership and a state. Here the worker's own core and codec make those
of some thousand wakes beforehand, with their headers; then each process hands them to librdkafka again and again, in
transactions as large as a commit of the worker's, batched and compressed as the worker does it. Nobody reads, nothing
is restored, judged, encoded, hashed or stored. Faster than this no worker drains a storm on this machine that produces
by confluent-kafka, in whatever language the rest of it is written.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from confluent_kafka import Producer

from bench.arguments import add_cold, number, numbers
from bench.curves import DEFINITIONS
from bench.generated import Crowd, Customers, first_meta, records
from bench.inprocess import task_over
from bench.load import FLUSH_S
from bench.report import machine_facts
from bench.results import Result
from bench.rig import LOG_TAIL, PARTITIONS, WORKER_SECONDS, BenchFailed, broker
from stream.codec.journal import RESERVED
from stream.core.partition import GRACE_MS
from stream.engine.interfaces import Produce
from stream.engine.local import encode_local
from stream.rules.compile import compile_program
from stream.rules.load import load_definitions
from stream.store.options import Memory
from stream.store.rocks import StateStore
from tests.kafka.apache import KafkaFailed, missing_programs
from tests.kafka.kit import Topic, admin_of, create_topics

POOL = 10_000
"""Wakes made beforehand."""
TOPICS = ("changes", "memberships", "state")
PRODUCER = {
    "linger.ms": 5, "compression.type": "lz4", "enable.idempotence": True, "log_level": 3,
    "batch.num.messages": 50_000, "queue.buffering.max.messages": 2_000_000, "delivery.report.only.error": True,
}  # fmt: skip
SLOWEST_WAKES_PER_S = 1_000

Wake = tuple[Produce, ...]
"""What one wake writes: a record for each of TOPICS."""


def main(arguments: Sequence[str]) -> None:
    given = _arguments(arguments)
    if given.write:
        _write(given)
        return
    if missing := missing_programs():
        sys.exit(f"the benchmark runs Apache Kafka and needs on the PATH: {', '.join(missing)}")
    facts = machine_facts(given.cold)
    runs: list[dict[str, float]] = []
    result = Result("bare-wakes", facts, vars(given))
    try:
        with broker(cold=given.cold) as kafka:
            admin = admin_of(kafka.bootstrap)
            create_topics(admin, [Topic(name, PARTITIONS) for name in TOPICS])
            for _ in range(given.repeat):
                for processes in given.processes:
                    wakes_per_s = _together(kafka.bootstrap, given, processes)
                    million_s = 1_000_000 / wakes_per_s
                    runs.append({"processes": processes, "wakes_per_s": wakes_per_s, "million_s": million_s})
                    result.write(runs=runs)
                    print(f"processes {processes}: {wakes_per_s:,.0f} wakes/s, a million in {million_s:.1f} s")
    except (BenchFailed, KafkaFailed) as error:
        sys.exit(f"bare-wakes failed: {error}")
    print(", ".join(f"{name} {value}" for name, value in facts.items()))


def _together(bootstrap: str, given: argparse.Namespace, processes: int) -> float:
    """All of them begin when each has its pool; returns their wakes a second until the last is done."""
    share = given.wakes // processes
    limit_s = WORKER_SECONDS + share / SLOWEST_WAKES_PER_S
    with ExitStack() as ends:
        writers = []
        for nth in range(processes):
            command = [
                sys.executable, "-m", "bench", "bare-wakes", "--write", bootstrap, "--nth", str(nth),
                "--wakes", str(share), "--a-commit", str(given.a_commit),
            ]  # fmt: skip
            writers.append(
                subprocess.Popen(
                    command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
                )
            )
            ends.callback(writers[-1].kill)  # of no effect on one that has ended
        for writer in writers:
            assert writer.stdout is not None
            if writer.stdout.readline().strip() != "ready":
                raise BenchFailed(f"a writer did not begin:\n{writer.communicate()[1][-LOG_TAIL:]}")
        for writer in writers:
            assert writer.stdin is not None
            writer.stdin.write("go\n")
            writer.stdin.flush()
        seconds = 0.0
        for writer in writers:
            try:
                said, complaints = writer.communicate(timeout=limit_s)
            except subprocess.TimeoutExpired:
                raise BenchFailed(f"{share} wakes are not written within {limit_s:.0f} s") from None
            if writer.returncode != 0:
                raise BenchFailed(f"a writer ended with {writer.returncode}:\n{said}{complaints[-LOG_TAIL:]}")
            seconds = max(seconds, float(said))
    return share * processes / seconds


# -- one process of them


def _write(given: argparse.Namespace) -> None:
    """Says `ready`, waits for a line, and then how many seconds it took."""
    wakes = pool(POOL)
    producer = Producer({**PRODUCER, "bootstrap.servers": given.write, "transactional.id": f"bare-{given.nth}"})
    producer.init_transactions(FLUSH_S)
    print("ready", flush=True)
    sys.stdin.readline()
    started, written = time.monotonic(), 0
    while written < given.wakes:
        producer.begin_transaction()
        for at in range(written, min(written + given.a_commit, given.wakes)):
            for record in wakes[at % POOL]:
                partition = at % PARTITIONS
                if record.headers:
                    producer.produce(record.topic, record.value, record.key, partition, headers=record.headers)
                else:
                    producer.produce(record.topic, record.value, record.key, partition)
        producer.poll(0)
        producer.commit_transaction(FLUSH_S)
        written += given.a_commit
    print(time.monotonic() - started)


def pool(wakes: int) -> list[Wake]:
    """What so many wakes of one instant write."""
    storm_ms = time.time_ns() // 1_000_000
    program = compile_program(load_definitions([DEFINITIONS]))
    known = Customers(program, storm_ms - 1)
    crowd = Crowd(wakes, storm=wakes, storm_ms=storm_ms)
    with tempfile.TemporaryDirectory(prefix="segmenter-bench-") as folder:
        store = StateStore.open(Path(folder), Memory.of(64 << 20))
        *customers, _ = records(crowd, known, [0], 1)  # without the meta record, of commit 0
        meta = replace(first_meta(known, 1), keys=wakes)
        store.write(
            [(key, value) for _, key, value in customers],
            [(storm_ms, key) for _, key, _ in customers],
            [],
            encode_local(0, meta),
        )
        task = task_over(program, store, meta)
        task.share_wakes(wakes)
        task.ask(storm_ms + GRACE_MS, 0)
        written = task.prepare().records
        store.close()
    of_topic = [
        [each for each in written if each.topic == topic and not each.key.startswith(RESERVED)] for topic in TOPICS
    ]
    return list(zip(*of_topic, strict=True))


def _arguments(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "python -m bench bare-wakes", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--wakes", type=number, default=200_000, help="of a run")
    parser.add_argument("--a-commit", type=number, default=1_000, help="wakes of a transaction")
    parser.add_argument("--processes", type=numbers, default=[1, 2], help="runs with so many, with commas")
    parser.add_argument("--repeat", type=number, default=3)
    parser.add_argument("--write", help=argparse.SUPPRESS)
    parser.add_argument("--nth", type=int, default=0, help=argparse.SUPPRESS)
    add_cold(parser)
    return parser.parse_args(arguments)
