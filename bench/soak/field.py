"""Where the soak's faults happen: a broker, a proxy before it, one to three workers and whoever starts them again."""

from __future__ import annotations

import json
import random
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from confluent_kafka import Consumer, KafkaException, TopicPartition

from tests.kafka.apache import ApacheKafka
from tests.kafka.kit import end_offsets
from tests.kafka.pipeline import Pipeline, Worker
from tests.kafka.proxy import Proxy

DEFINITIONS = Path(__file__).parent / "definitions.yaml"
PARTITIONS = 4
INSTANCES = ("a", "b", "c")
SESSION_S = 4.0
TRANSACTION_S = 6.0
RECOVERY_S = 150.0
"""A fault that is not over after it is a stall, and the run has failed: this is the longest outage plus the patience of
restores."""
STALLS_BORNE = 3
LOOK_S = 0.1
PROPERTIES = {"transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000", "log.cleaner.backoff.ms": "1000"}
REFUSED = 5
"""Exit code of a worker that refuses to start or go on: right only where newer definitions than its own are out."""
CUSTOMERS_A_SECOND = 50
"""So slowly customers are carried over to changed definitions that faults come in between."""


class SoakFailed(Exception):
    """Something did not come back."""


@dataclass
class Field:
    """Everything a fault may touch."""

    kafka: ApacheKafka
    proxy: Proxy
    pipeline: Pipeline
    dice: random.Random
    running: dict[str, Worker] = field(default_factory=dict)  # instance -> its newest process, wanted alive
    exits: Counter[str] = field(default_factory=Counter)
    stalls: list[str] = field(default_factory=list)
    aside: set[str] = field(default_factory=set)  # instances that are left alone while a fault has them
    revision: int = 1  # of the definitions deployed
    is_held: bool = False

    def __post_init__(self) -> None:
        self._side = Consumer({
            "bootstrap.servers": self.kafka.bootstrap, "group.id": f"{self.pipeline.prefix}shop", "log_level": 2,
            "isolation.level": "read_committed", "enable.auto.commit": False,
        })  # fmt: skip
        self._revisions: dict[int, int] = {}  # process -> newest revision when it was started

    # -- workers

    def start(self, instance: str, **environment: str) -> Worker:
        worker = self.running[instance] = self.pipeline.start(instance, **environment)
        self._revisions[worker.process.pid] = self.revision
        return worker

    def any_worker(self) -> Worker:
        return self.running[self.dice.choice(sorted(self.running))]

    def ended(self, worker: Worker) -> None:
        """Count how it ended."""
        code = worker.process.returncode
        self.exits[str(code)] += 1
        if code == REFUSED and self._revisions[worker.process.pid] == self.revision:
            raise SoakFailed(f"worker {worker.instance} refuses to start:\n{worker.log[-3000:]}")

    def wait_end(self, worker: Worker, seconds: float) -> None:
        try:
            worker.process.wait(seconds)
        except subprocess.TimeoutExpired:
            why = f"worker {worker.instance} did not end within {seconds:.0f} s:\n{worker.log[-3000:]}"
            raise SoakFailed(why) from None

    def restart(self, worker: Worker, seconds: float) -> None:
        """In order: stopped by SIGTERM, and started again once it has ended."""
        self.aside.add(worker.instance)
        worker.process.terminate()
        self.wait_end(worker, seconds)
        self.aside.discard(worker.instance)
        self.supervise()

    def supervise(self) -> None:
        """Start again whatever ended and is wanted."""
        for instance, worker in list(self.running.items()):
            if not worker.alive and instance not in self.aside:
                self.ended(worker)
                self.start(instance)

    # -- progress

    def ends(self) -> dict[int, int]:
        return end_offsets(self.kafka.bootstrap, self.pipeline.input)

    def committed(self) -> dict[int, int]:
        """What the group has committed, as far as it can be asked just now."""
        places = [TopicPartition(self.pipeline.input, partition) for partition in range(PARTITIONS)]
        try:
            return {place.partition: place.offset for place in self._side.committed(places, 1.0)}
        except KafkaException:  # an open transaction, a coordinator that moves
            return {}

    def wait_committed(self, ends: dict[int, int], seconds: float = RECOVERY_S) -> float:
        """Until everything before `ends` is committed; returns how many seconds it took."""
        started = time.monotonic()
        while True:
            self.supervise()
            committed = self.committed()
            if committed and all(committed[partition] >= end for partition, end in ends.items()):
                return time.monotonic() - started
            if time.monotonic() - started > seconds:
                stall = f"not read within {seconds:.0f} s: {ends}, committed {committed}\n{self.logs()}"
                self.stalls.append(stall)
                if len(self.stalls) > STALLS_BORNE:
                    raise SoakFailed(stall)
                for worker in self.running.values():  # so that the rest of the run still says something
                    worker.kill()
                started = time.monotonic()
            time.sleep(LOOK_S)

    def remaining(self) -> int | None:
        """Customers of earlier revisions; None while a partition has no owner that tells."""
        told: dict[int, int] = {}
        for worker in self.running.values():
            code, body = worker.get("/status")
            for each in json.loads(body)["partitions"] if code == 200 else []:
                if each.get("revision") == self.revision:
                    told[each["partition"]] = sum(each["customers_of_earlier_revisions"].values())
        return sum(told.values()) if len(told) == PARTITIONS else None

    def logs(self) -> str:
        return "\n".join(
            f"--- {worker.instance}, exit code {worker.process.poll()}\n{worker.log[-3000:]}"
            for worker in self.running.values()
        )

    def pause(self, seconds: float) -> None:
        """Let time pass, minding the workers."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.supervise()
            time.sleep(LOOK_S)


@contextmanager
def soak_field(directory: Path, seed: int) -> Iterator[Field]:
    """Started, with topics and one worker; everything is stopped at the end. The broker's directory stays."""
    with ExitStack() as ends:
        kafka = ApacheKafka(PROPERTIES, memory="768m")
        ends.callback(kafka.stop)
        kafka.start()
        proxy = ends.enter_context(Proxy(kafka.proxy_address, kafka.proxy_target))
        settings = {
            "session_timeout": f"{SESSION_S:.0f}s",
            "transaction_timeout": f"{TRANSACTION_S:.0f}s",
            "definitions_rate": CUSTOMERS_A_SECOND,
            "kafka": {"bootstrap.servers": kafka.proxy_address},
        }
        deployed = directory / "deployed" / DEFINITIONS.name
        deployed.parent.mkdir()
        deployed.write_text(DEFINITIONS.read_text())
        pipeline = Pipeline(kafka.bootstrap, "soak-", directory, PARTITIONS, deployed, settings)
        ends.enter_context(pipeline)
        field = Field(kafka, proxy, pipeline, random.Random(seed))
        field.start("a")
        yield field
