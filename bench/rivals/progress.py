"""One engine's run looked at from outside ten times a second: what it has committed, and /proc."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from confluent_kafka import KafkaException

from bench.sampling import STALL_S, Stalled, busy_seconds, cpu_seconds

LOOK_EVERY_S = 0.1
WARM = 0.15
"""This share of the events after the births is warm-up like these: compilers, caches."""
DONE = 0.85
"""The measured part ends here, while there is more to read: the last commits are only partly filled."""


class Progress(Protocol):
    """How many events an engine has done for good."""

    def by_partition(self) -> list[int]: ...

    def close(self) -> None: ...


class CheckpointedEvents:
    """As Flink's last complete checkpoint holds them, of all partitions together."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def by_partition(self) -> list[int]:
        try:
            return [int(self._file.read_text("ascii"))]
        except FileNotFoundError:  # no checkpoint yet
            return [0]

    def close(self) -> None:
        """Nothing is held open."""


@dataclass(frozen=True, slots=True)
class Look:
    """`time_s` is monotonic, `committed` by partition or in one number; CPU since each process began, `busy_cpu_s`
    since boot."""

    time_s: float
    committed: tuple[int, ...]
    engine_cpu_s: float
    broker_cpu_s: float
    busy_cpu_s: float

    @property
    def total(self) -> int:
        return sum(self.committed)


@dataclass(frozen=True, slots=True)
class Part:
    """Between two looks."""

    first: Look
    last: Look

    @property
    def events(self) -> int:
        return self.last.total - self.first.total

    @property
    def seconds(self) -> float:
        return self.last.time_s - self.first.time_s

    @property
    def events_per_s(self) -> float:
        return self.events / self.seconds if self.seconds else 0.0

    @property
    def engine_cpu_s(self) -> float:
        return self.last.engine_cpu_s - self.first.engine_cpu_s

    @property
    def broker_cpu_s(self) -> float:
        return self.last.broker_cpu_s - self.first.broker_cpu_s

    @property
    def others_cpu_s(self) -> float:
        """Of everything else on the machine, ourselves included."""
        busy = self.last.busy_cpu_s - self.first.busy_cpu_s
        return max(0.0, busy - self.engine_cpu_s - self.broker_cpu_s)


def watch(
    process: subprocess.Popen[bytes],
    broker_pid: int,
    committed: Progress,
    target: int,
    limit_s: float,
) -> list[Look]:
    """Look until `target` records are committed. Raises Stalled when the engine ends, stands still or is too slow."""

    def look() -> Look:
        try:
            offsets = committed.by_partition()
        except KafkaException as error:
            raise Stalled(f"the committed offsets can't be read: {error}") from error
        return Look(time.monotonic(), tuple(offsets), cpu_seconds(process.pid), cpu_seconds(broker_pid), busy_seconds())

    looks = [look()]
    started = moved = looks[0].time_s
    while looks[-1].total < target:
        time.sleep(LOOK_EVERY_S)
        now = look()
        if now.total > looks[-1].total:
            moved = now.time_s
        looks.append(now)
        if now.total >= target:
            break
        if process.poll() is not None:
            raise Stalled(f"it ended with {process.returncode}, {now.total} of {target} events committed")
        if now.time_s - moved > STALL_S or now.time_s - started > limit_s:
            raise Stalled(
                f"{now.total} of {target} events are committed after {now.time_s - started:.0f} s, "
                f"the last progress was {now.time_s - moved:.0f} s ago"
            )
    return looks


def measured_part(looks: Sequence[Look]) -> Part:
    """From the first look at which WARM of the events is committed to the first at which it is DONE of them; when these
    are the same, to the last. `looks` goes from the events' release to the last commit.

    Committed numbers are taken as they were seen at these looks, so that an engine that commits in large steps gains or
    loses nothing.
    """
    before, events = looks[0].total, looks[-1].total - looks[0].total
    first, last = (next(look for look in looks if look.total >= before + share * events) for share in (WARM, DONE))
    return Part(first, looks[-1] if first is last else last)


def whole_part(looks: Sequence[Look]) -> Part:
    """From the first committed offset to the last; of no length when everything was committed at the first look."""
    return Part(next((look for look in looks if look.total > looks[0].total), looks[-1]), looks[-1])


def track(looks: Sequence[Look]) -> list[tuple[float, ...]]:
    """Once a second: seconds since the first look, then what is committed in each partition."""
    kept = [looks[0]]
    for look in looks:
        if look.time_s >= kept[-1].time_s + 1:
            kept.append(look)
    return [(round(look.time_s - looks[0].time_s, 1), *look.committed) for look in kept]
