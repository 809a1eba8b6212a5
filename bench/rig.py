"""What every scenario stands on: a fresh Apache Kafka, the topics, one worker, and the load as a process of its own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.generated import Crowd
from bench.warming import warm
from tests.kafka.apache import ApacheKafka
from tests.kafka.kit import admin_of, delete_topics, end_offsets
from tests.kafka.pipeline import Pipeline, Worker

PARTITIONS = 4
"""Of a pipeline that nothing else is said of."""
BROKER_MEMORY = "1g"
LOAD_EVENTS_PER_S = 5_000
"""The slowest load we wait for; it makes above 100,000 events/s on an idle core."""
LOAD_SECONDS = 60.0
WORKER_SECONDS = 60.0
LOG_TAIL = 3_000
TOPIC_ATTEMPTS = 5
ADMIN_S = 30.0

SETTINGS = {"commit_interval": "100ms", "session_timeout": "45s", "transaction_timeout": "15s"}
"""The worker's own defaults; the pipeline of the tests is less patient."""


class BenchFailed(Exception):
    """A run that came to nothing; the message ends with what the failing process printed."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line asked for. `customers` None: the scenario's own number."""

    definitions: Path
    events: int
    customers: int | None
    rates: tuple[int, ...]
    seconds: int
    profile: bool
    processes: int = 1
    cold: bool = False


@dataclass(frozen=True, slots=True)
class Rig:
    kafka: ApacheKafka
    pipeline: Pipeline

    @property
    def group(self) -> str:
        return f"{self.pipeline.prefix}shop"

    @property
    def partitions(self) -> int:
        return self.pipeline.partitions

    @property
    def processes(self) -> int:
        return self.pipeline.processes

    def start_worker(self, instance: str = "a") -> Worker:
        """Start it and return at once: it restores, joins and reads while we look on."""
        return self.pipeline.start(instance)

    def check_alive(self, worker: Worker) -> None:
        if not worker.alive:
            raise BenchFailed(f"the worker ended with {worker.process.returncode}:\n{worker.log[-LOG_TAIL:]}")

    def wait_ready(self, worker: Worker, seconds: float = WORKER_SECONDS) -> None:
        deadline = time.monotonic() + seconds
        while worker.get("/readyz")[0] != 200:
            self.check_alive(worker)
            if time.monotonic() > deadline:
                raise BenchFailed(f"the worker is not ready after {seconds:.0f} s:\n{worker.log[-LOG_TAIL:]}")
            time.sleep(0.1)

    def stop_worker(self, worker: Worker) -> None:
        try:
            code = worker.stop(WORKER_SECONDS)
        except subprocess.TimeoutExpired:
            raise BenchFailed(f"the worker does not stop:\n{worker.log[-LOG_TAIL:]}") from None
        if code != 0:
            raise BenchFailed(f"the worker stopped with {code}:\n{worker.log[-LOG_TAIL:]}")

    # -- load

    def load(self, count: int, customers: int, *more: str, seconds: float | None = None) -> float:
        """Produce `count` events and wait until the broker has them; returns the events/s it took them at."""
        limit = seconds or LOAD_SECONDS + count / LOAD_EVENTS_PER_S
        command = self.load_command(count, customers, *more)
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=limit, check=False)
        except subprocess.TimeoutExpired:
            raise BenchFailed(f"{count} events could not be sent within {limit:.0f} s") from None
        rate = re.search(r": (\d+)/s", done.stdout)
        if done.returncode != 0 or rate is None:
            raise BenchFailed(f"the load ended with {done.returncode}:\n{done.stdout}{done.stderr[-LOG_TAIL:]}")
        return float(rate[1])

    @contextmanager
    def held_load(self, count: int, customers: int, *more: str) -> Iterator[Callable[[], None]]:
        """Events in an open transaction of the load: nobody can read them until the function handed out is called,
        and then all of them wait at one moment."""
        held = subprocess.Popen(
            self.load_command(count, customers, "--held", *more),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert held.stdin is not None and held.stdout is not None

        def release() -> None:
            try:
                said, complaints = held.communicate("commit\n", timeout=WORKER_SECONDS)
            except subprocess.TimeoutExpired:
                raise BenchFailed(f"the held load did not commit within {WORKER_SECONDS:.0f} s") from None
            if held.returncode != 0:
                raise BenchFailed(f"the held load ended with {held.returncode}:\n{said}{complaints[-LOG_TAIL:]}")

        try:
            if not held.stdout.readline().startswith("sent "):  # it ends by itself when it can't send
                raise BenchFailed(f"the load could not be held:\n{held.communicate()[1][-LOG_TAIL:]}")
            yield release
        finally:
            if held.poll() is None:
                held.kill()
                held.communicate()

    def load_command(self, count: int, customers: int, *more: str) -> list[str]:
        return [
            sys.executable, "-m", "bench.load", "--broker", self.kafka.bootstrap, "--topic", self.pipeline.input,
            "--partitions", str(self.partitions), "--events", str(count), "--customers", str(customers), *more,
        ]  # fmt: skip

    # -- customers who are there already

    def generate(self, crowd: Crowd) -> float:
        """Write the state of customers as if they had been there for days; returns how many a second."""
        limit = LOAD_SECONDS + crowd.customers / LOAD_EVENTS_PER_S
        started = time.monotonic()
        shares = min(os.cpu_count() or 1, self.partitions)
        with ExitStack() as ends:
            writers = [self._generator(crowd, f"{share}/{shares}") for share in range(shares)]
            for writer in writers:
                ends.callback(writer.kill)  # of no effect on one that has ended
            for writer in writers:
                try:
                    said, complaints = writer.communicate(timeout=limit)
                except subprocess.TimeoutExpired:
                    raise BenchFailed(f"{crowd.customers} customers are not generated within {limit:.0f} s") from None
                if writer.returncode != 0:
                    raise BenchFailed(f"the generator ended with {writer.returncode}:\n{said}{complaints[-LOG_TAIL:]}")
        seconds = time.monotonic() - started
        arrived = sum(end_offsets(self.kafka.bootstrap, self.pipeline.topic("segmenter-state")).values())
        if arrived != crowd.customers + self.partitions:
            raise BenchFailed(
                f"{arrived} records stand on the state topic, expected {crowd.customers} customers and "
                f"{self.partitions} meta records"
            )
        return crowd.customers / seconds

    def _generator(self, crowd: Crowd, share: str) -> subprocess.Popen[str]:
        command = [
            sys.executable, "-m", "bench.generated", "--broker", self.kafka.bootstrap,
            "--topic", self.pipeline.topic("segmenter-state"), "--partitions", str(self.partitions),
            "--definitions", str(self.pipeline.definitions), "--share", share, *crowd.arguments(),
        ]  # fmt: skip
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )


def properties_for(members: int) -> dict[str, str]:
    """Of a broker whose group will have so many members. With Kafka's own delay those that start together are in the
    first round together; the tests' broker has none, and partitions would still move while we measure. One member is
    not to wait for others."""
    return {"group.initial.rebalance.delay.ms": "3000"} if members > 1 else {}


@contextmanager
def broker(processes: int = 1, cold: bool = False) -> Iterator[ApacheKafka]:
    """A fresh one, warm unless it shall be `cold`; it and all it wrote are removed at the end. `processes`: how many a
    worker has."""
    with ExitStack() as ends:
        kafka = ApacheKafka(properties_for(processes), memory=BROKER_MEMORY, light=False)
        ends.callback(kafka.remove)  # before the start: it may be interrupted
        kafka.start()
        if not cold:
            print("the broker warms up", file=sys.stderr, flush=True)
            print(f"    its compilers take {warm(kafka):.2f} of a core now", file=sys.stderr, flush=True)
        yield kafka


@contextmanager
def stand_on(
    kafka: ApacheKafka,
    definitions: Path,
    prefix: str = "bench-",
    partitions: int = PARTITIONS,
    settings: dict[str, Any] | None = None,
    processes: int = 1,
) -> Iterator[Rig]:
    """A pipeline of its own on a broker: neither worker nor topics outlive it."""
    with tempfile.TemporaryDirectory(prefix="segmenter-bench-") as directory, ExitStack() as ends:
        pipeline = Pipeline(
            kafka.bootstrap,
            prefix,
            Path(directory),
            partitions,
            definitions,
            {**SETTINGS, "processes": processes, **(settings or {})},
        )
        ends.push(pipeline)
        create_topics(pipeline)
        yield Rig(kafka, pipeline)
    remove_topics(kafka, prefix)


@contextmanager
def rig(options: Options) -> Iterator[Rig]:
    """A broker with topics; everything started on it is stopped and everything written removed at the end."""
    with (
        broker(options.processes, options.cold) as kafka,
        stand_on(kafka, options.definitions, processes=options.processes) as stand,
    ):
        yield stand


def remove_topics(kafka: ApacheKafka, prefix: str) -> None:
    """Those whose names begin so: room for what comes, on disk and in memory."""
    admin = admin_of(kafka.bootstrap)
    delete_topics(admin, [name for name in admin.list_topics(timeout=ADMIN_S).topics if name.startswith(prefix)])


def create_topics(pipeline: Pipeline) -> None:
    """Again when the new broker does not show at once what it has just made."""
    arguments = (
        "topics",
        "create",
        "--partitions",
        str(pipeline.partitions),
        "--config",
        str(pipeline.config("admin")),
    )
    for _ in range(TOPIC_ATTEMPTS):
        done = pipeline.run(*arguments, check=False)
        if done.returncode == 0:
            return
        time.sleep(1.0)
    raise BenchFailed(f"the topics could not be made:\n{done.stdout}{done.stderr}")


def log_lines(worker: Worker, event: str, start: int = 0) -> list[dict[str, Any]]:
    """The worker's JSON log lines of one kind, from byte `start` of its log on."""
    with worker.log_path.open("rb") as log:
        log.seek(start)
        text = log.read().decode("utf-8", "replace")
    found = []
    for line in text.splitlines():
        if line.startswith("{") and f'"{event}"' in line:
            try:
                fields = json.loads(line)
            except ValueError:
                continue  # the worker is still writing it
            if fields.get("event") == event:
                found.append(fields)
    return found
