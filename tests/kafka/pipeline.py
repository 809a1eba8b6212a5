"""A whole pipeline under test: topics on a real broker, workers as processes, and what the oracle says of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from stream.codec.instants import from_text
from stream.core.partition import GRACE_MS
from stream.rules.load import load_definitions
from tests.kafka.kit import Incoming, Outgoing, committed_offsets, end_offsets, produce, read_all
from tests.kafka.ports import lasting_port
from tests.kafka.process_tree import descendants
from tests.kafka.truth import clock_steps, expected_rows

WAIT_SECONDS = 60.0
START_SECONDS = 40.0
WORKER = ("-m", "stream.cli", "worker", "--config")
BROKEN = (-signal.SIGABRT, -signal.SIGSEGV, -signal.SIGBUS)
SHOP = Path(__file__).parents[2] / "examples" / "segments" / "shop.yaml"


@dataclass
class Worker:
    instance: str
    process: subprocess.Popen[bytes]
    log_path: Path
    listen: str
    data_dir: Path
    processes: int = 1

    def kill(self) -> None:
        """As when the machine goes down: of several processes none has time to stop in order."""
        members = self.members()
        self.process.kill()
        for pid in members:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()

    def members(self) -> list[int]:
        """The ids of its several processes that are there; none of a worker of one."""
        return descendants(self.process.pid)

    def stop(self, seconds: float = 20.0) -> int:
        """SIGTERM; returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)

    def freeze(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    @property
    def log(self) -> str:
        return self.log_path.read_text("utf-8", "replace")

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    @property
    def frozen(self) -> bool:
        return Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"

    def get(self, path: str) -> tuple[int, str]:
        """Of several processes all answers, one after the other; or the first that is not 200."""
        texts = []
        for number in range(1, self.processes + 1):
            code, text = self.get_of(number, path)
            if code != 200:
                return code, text
            texts.append(text)
        return 200, "\n".join(texts)

    def get_of(self, number: int, path: str) -> tuple[int, str]:
        """The answer of one of its processes, from 1."""
        host, _, port = self.listen.rpartition(":")
        try:
            with urllib.request.urlopen(f"http://{host}:{int(port) + number - 1}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""


@dataclass
class Pipeline:
    """Use as a context manager: no worker outlives it."""

    address: str
    prefix: str
    directory: Path
    partitions: int = 2
    definitions: Path = SHOP
    settings: dict[str, Any] = field(default_factory=dict)
    workers: list[Worker] = field(default_factory=list)

    def __enter__(self) -> Pipeline:
        self.directory.mkdir(parents=True, exist_ok=True)
        self.run("topics", "create", "--partitions", str(self.partitions), "--config", str(self.config("admin")))
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self.workers:
            if worker.alive:
                worker.thaw()
                worker.kill()

    # -- names

    @property
    def processes(self) -> int:
        """Of each worker."""
        return int(self.settings.get("processes", 1))

    @property
    def input(self) -> str:
        return str(self.settings.get("input", f"{self.prefix}customer-events"))

    def topic(self, name: str) -> str:
        return f"{self.prefix}{name}"

    def config(self, instance: str) -> Path:
        path = self.directory / f"{instance}.yaml"
        if not path.exists():
            settings = {
                "name": f"{self.prefix}shop".replace(".", "-"),
                "input": self.input,
                "output_prefix": self.prefix,
                "definitions": str(self.definitions),
                "data_dir": str(self.directory / f"data-{instance}"),
                "instance": instance,
                "session_timeout": "6s",
                "transaction_timeout": "8s",
                "listen": f"127.0.0.1:{lasting_port(max(2, self.processes))}",
                "kafka": {"bootstrap.servers": self.address},
                **self.settings,
            }
            path.write_text(yaml.safe_dump(settings))
        return path

    # -- processes

    def run(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """A command of `segmenter`, to its end."""
        done = subprocess.run(
            [sys.executable, "-m", "stream.cli", *arguments], capture_output=True, text=True, timeout=120, check=False
        )
        assert not check or done.returncode == 0, f"segmenter {' '.join(arguments)}: {done.stdout}{done.stderr}"
        return done

    def start(self, instance: str = "a", command: tuple[str, ...] = WORKER, **environment: str) -> Worker:
        config = self.config(instance)
        log_path = self.directory / f"{instance}.log"
        with log_path.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, *command, str(config)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, env={**os.environ, **environment},
            )  # fmt: skip
        listen = yaml.safe_load(config.read_text())["listen"]
        data_dir = self.directory / f"data-{instance}"
        worker = Worker(instance, process, log_path, listen, data_dir, self.processes)
        self.workers.append(worker)
        return worker

    def start_ready(self, instance: str = "a", **environment: str) -> Worker:
        worker = self.start(instance, **environment)
        self.wait_for(lambda: worker.get("/readyz")[0] == 200 or not worker.alive, START_SECONDS, worker)
        assert worker.alive, f"the worker ended with {worker.process.returncode}:\n{worker.log[-4000:]}"
        return worker

    def wait_for(
        self, condition: Callable[[], bool], seconds: float = WAIT_SECONDS, worker: Worker | None = None
    ) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                logs = "\n".join(
                    f"--- {w.instance}, exit code {w.process.poll()}\n{w.log[-3000:]}" for w in self.workers
                )
                raise AssertionError(f"not within {seconds:.0f} s\n{logs}")
            time.sleep(0.1)

    def supervise(self, worker: Worker, **environment: str) -> Worker:
        """What a supervisor does: start it again if it ended. It may end itself, but never break."""
        assert worker.process.poll() not in BROKEN, worker.log[-3000:]
        return worker if worker.alive else self.start(worker.instance, **environment)

    # -- records

    def send(self, events: Iterable[tuple[str, dict[str, Any] | bytes | None, int]]) -> None:
        """(customer id, event or raw bytes or None, record timestamp ms), in order per customer."""
        produce(self.address, self.input, [self.outgoing(*event) for event in events])

    def outgoing(self, customer_id: str, event: dict[str, Any] | bytes | None, timestamp_ms: int) -> Outgoing:
        if isinstance(event, dict):
            event = json.dumps({"userId": customer_id, **event}).encode()
        return Outgoing(customer_id.encode(), event, self.partition_of(customer_id), timestamp_ms)

    def partition_of(self, customer_id: str) -> int:
        return sum(customer_id.encode()) % self.partitions

    def caught_up(self) -> bool:
        """Whether all input is committed."""
        ends = end_offsets(self.address, self.input)
        group = yaml.safe_load(next(self.directory.glob("*.yaml")).read_text())["name"]
        committed = committed_offsets(self.address, group, self.input)
        return all(committed.get(partition, (0, ""))[0] >= end for partition, end in ends.items())

    def wait_caught_up(self, seconds: float = WAIT_SECONDS) -> None:
        self.wait_for(self.caught_up, seconds)

    def read(self, name: str, committed: bool = True) -> list[Incoming]:
        return read_all(self.address, self.topic(name), committed=committed)

    def changes(self) -> list[dict[str, Any]]:
        return [json.loads(record.value) for record in self.read("segment-changes")]

    # -- truth

    def expected(self, until_ms: int) -> list[tuple[Any, ...]]:
        """What the oracle says of the input as it lies in the topic, silence judged up to `until_ms`."""
        definitions = load_definitions([self.definitions])
        steps = clock_steps(self.read("segmenter-journal"), GRACE_MS)
        return sorted(expected_rows(definitions, read_all(self.address, self.input), steps, until_ms), key=str)

    def found(self) -> list[tuple[Any, ...]]:
        """The changes topic in the same shape."""
        return sorted((row_of(value) for value in self.changes()), key=str)

    def check_exactly_once(self, seconds: float = WAIT_SECONDS) -> None:
        """All read, and changes equal the oracle's, once each, sequences gapless, ids unique."""
        self.wait_caught_up(seconds)
        # Steps of the clock behind the last record change nothing of what is expected until now: it is asked once.
        expected = self.expected(int(time.time() * 1000))
        self.wait_for(lambda: len(self.changes()) >= len(expected), seconds)
        values = self.changes()
        assert sorted((row_of(value) for value in values), key=str) == expected
        assert len({value["id"] for value in values}) == len(values)
        last: dict[str, int] = {}
        for value in values:
            assert value["sequence"] == last.get(value["customer_id"], 0) + 1, "a gap in a customer's sequence"
            last[value["customer_id"]] = value["sequence"]


def row_of(value: dict[str, Any]) -> tuple[Any, ...]:
    effective_ms = from_text(value["effective_at"])
    name, before, after = value.get("dimension"), value.get("from_stage"), value.get("to_stage")
    if "segment" in value:
        name, before, after = value["segment"], int(not value["member"]), int(value["member"])
    return (
        value["customer_id"], value["sequence"], name, before, after, effective_ms, value.get("nth"),
        value["cause"]["kind"],
    )  # fmt: skip
