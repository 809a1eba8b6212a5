"""A broker that has run for a while, as those of the field have for weeks.

A young one compiles itself: for its first minutes that takes a fifth of a core under a worker's load, at times all of
one, and the rest must wait. So before anything is measured, loops that only read and write in small transactions, some
hundred a second, keep it busy until its compilers rest.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from bench.sampling import TICKS_PER_S
from tests.kafka.apache import ApacheKafka, KafkaFailed
from tests.kafka.kit import Topic, admin_of, create_topics, delete_topics

COMPILERS = ("C1 Compiler", "C2 Compiler")
"""How the names of Java's compiling threads begin."""
REST_CORES = 0.12
LOOK_S = 10.0
LEAST_LOOKS, MOST_LOOKS = 3, 10
"""Before the third look hot code is not yet compiled a last time."""
RATE, CUSTOMERS, COMMIT_MS, PARTITIONS = 6_000, 50_000, 5, 4
SOURCE, TARGETS = "bench-warm-in", ("bench-warm-out-a", "bench-warm-out-b")
LOG_TAIL = 3_000


def warm(kafka: ApacheKafka) -> float:
    """Returns what share of a core the compilers took in the last seconds. Raises KafkaFailed."""
    topics = (SOURCE, *TARGETS)
    admin = admin_of(kafka.bootstrap)
    create_topics(admin, [Topic(name, PARTITIONS) for name in topics])
    with _busy(kafka.bootstrap) as check:
        for look in range(1, MOST_LOOKS + 1):
            before = compiler_seconds(kafka.pid)
            time.sleep(LOOK_S)
            check()
            cores = (compiler_seconds(kafka.pid) - before) / LOOK_S
            if look >= LEAST_LOOKS and cores <= REST_CORES:
                break
    delete_topics(admin, topics)
    return cores


def compiler_seconds(pid: int) -> float:
    """Of the processor, by a Java process's compiling threads."""
    seconds = 0.0
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            if task.joinpath("comm").read_text().startswith(COMPILERS):
                fields = task.joinpath("stat").read_text().rpartition(")")[2].split()
                seconds += (int(fields[11]) + int(fields[12])) / TICKS_PER_S
        except OSError:
            continue  # the thread has ended: Java has fewer of them when there is little to do
    return seconds


@contextmanager
def _busy(bootstrap: str) -> Iterator[Callable[[], None]]:
    """Hands out what raises KafkaFailed when one of the loops has ended."""
    broker, partitions = ("--broker", bootstrap), ("--partitions", str(PARTITIONS))
    seconds = MOST_LOOKS * LOOK_S
    commands = [
        ["bench.load", *broker, *partitions, "--topic", SOURCE, "--rate", str(RATE), "--customers", str(CUSTOMERS),
         "--events", str(int(2 * seconds * RATE))],
    ]  # fmt: skip
    for target in TARGETS:  # also the name of its loop's group
        commands.append(["bench.rivals.bare", "transactions", bootstrap, SOURCE, target, target, str(COMMIT_MS)])
        commands.append(["bench.reader", *broker, *partitions, "--topic", target, "--seconds", str(2 * seconds)])
    with ExitStack() as ends:
        said = ends.enter_context(tempfile.TemporaryFile("w+"))
        processes = [_started(command, said) for command in commands]
        for process in processes:
            ends.callback(_end, process)

        def check() -> None:
            for command, process in zip(commands, processes):
                if process.poll() is not None:
                    said.seek(0)
                    raise KafkaFailed(
                        f"the broker could not be warmed up: {command[0]} ended with {process.returncode}:\n"
                        f"{said.read()[-LOG_TAIL:]}"
                    )

        yield check


def _started(command: list[str], said: IO[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", *command], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said, text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
    )  # fmt: skip


def _end(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.kill()
        process.wait()
