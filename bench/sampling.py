"""What a running worker does, looked at from outside twice a second: the group's committed offsets and /proc."""

from __future__ import annotations

import os
import re
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import Consumer, KafkaException, TopicPartition

from tests.kafka.pipeline import Worker
from tests.kafka.process_tree import descendants

SAMPLE_EVERY_S = 0.5
STALL_S = 60.0
"""No progress for so long: the worker hangs."""
CALL_S = 10.0
RETRY_S = 20.0
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
WINDOW = (0.15, 0.95)
"""The middle part of the events: without the start and without the last, partly filled commits."""


class Stalled(Exception):
    """The worker ended, or stands still."""


@dataclass(frozen=True, slots=True)
class Sample:
    """`time_s` is monotonic; CPU seconds since each process began, `busy_cpu_s` of the whole machine since boot."""

    time_s: float
    committed: int
    worker_cpu_s: float
    broker_cpu_s: float
    busy_cpu_s: float


@dataclass(frozen=True, slots=True)
class Commits:
    """Of the worker since it began, as its metrics tell, of all its processes together. `phases`: seconds by phase of a
    commit."""

    count: float
    seconds: float
    phases: dict[str, float]
    processes: int = 1


def tree(pid: int) -> list[int]:
    """A process and all below it: a worker of several has a supervisor first."""
    return [pid, *descendants(pid)]


def cpu_seconds(pid: int) -> float:
    """User and system time of all threads of a process and of those below it; 0 of those that are gone."""
    return sum(map(_cpu_seconds, tree(pid)))


def _cpu_seconds(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def ended_cpu_seconds() -> float:
    """Of all processes of ours that have ended and were waited for."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def busy_seconds() -> float:
    """What all cores have worked since boot, for whomever."""
    user, nice, system, _idle, _iowait, irq, softirq = map(int, Path("/proc/stat").read_text().split()[1:8])
    return (user + nice + system + irq + softirq) / TICKS_PER_S


def peak_rss_bytes(pid: int) -> int:
    """The most memory that the process and each of those below it ever held, be it at different times; 0 of those that
    are gone."""
    return sum(_memory(each, "VmHWM") for each in tree(pid))


def rss_bytes(pid: int) -> int:
    """The memory the process and those below it hold now; 0 of those that are gone."""
    return sum(_memory(each, "VmRSS") for each in tree(pid))


def _memory(pid: int, name: str) -> int:
    try:
        found = re.search(rf"^{name}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.M)
    except OSError:
        return 0
    return int(found[1]) * 1024 if found else 0


def commits(worker: Worker) -> Commits | None:
    """None when the worker does not answer."""
    _, text = worker.get("/metrics")
    return commits_in(text)


def commits_in(text: str) -> Commits | None:
    """From what one or more processes tell at /metrics. None when it is not told."""
    counts, seconds = (
        [
            float(value)
            for value in re.findall(rf"^segmenter_commit_duration_seconds_{name}(?:\{{\}})? (\S+)$", text, re.M)
        ]
        for name in ("count", "sum")
    )
    if not counts or not seconds:
        return None
    phases: dict[str, float] = {}
    for phase, spent in re.findall(r'^segmenter_commit_phase_seconds_sum\{phase="([^"]+)"\} (\S+)$', text, re.M):
        phases[phase] = phases.get(phase, 0.0) + float(spent)
    return Commits(sum(counts), sum(seconds), phases, len(counts))


class CommittedEvents:
    """How many records of the topic the group has committed. Asked without waiting for transactions under way."""

    def __init__(self, broker: str, group: str, topic: str, partitions: int) -> None:
        self._places = [TopicPartition(topic, partition) for partition in range(partitions)]
        self._consumer = Consumer({
            "bootstrap.servers": broker, "group.id": group, "enable.auto.commit": False,
            "isolation.level": "read_uncommitted",
        })  # fmt: skip

    def total(self) -> int:
        return sum(self.by_partition())

    def by_partition(self) -> list[int]:
        """Raises KafkaException when the broker gives no answer for RETRY_S; a new one has no coordinator yet."""
        deadline = time.monotonic() + RETRY_S
        while True:
            try:
                return [max(0, place.offset) for place in self._consumer.committed(self._places, CALL_S)]
            except KafkaException:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    def close(self) -> None:
        self._consumer.close()


@dataclass(frozen=True, slots=True)
class Watch:
    """One worker under observation; the processor time is that of `beside` too."""

    worker: Worker
    broker_pid: int
    committed: CommittedEvents
    beside: tuple[Worker, ...] = ()

    def sample(self) -> Sample:
        count = self.committed.total()
        worker_cpu_s = sum(cpu_seconds(worker.process.pid) for worker in (self.worker, *self.beside))
        return Sample(time.monotonic(), count, worker_cpu_s, cpu_seconds(self.broker_pid), busy_seconds())

    def _look(self) -> Sample:
        try:
            return self.sample()
        except KafkaException as error:
            raise Stalled(f"the committed offsets can't be read: {error}") from error

    def until(self, target: int, limit_s: float, seen: Callable[[Sample], None] = lambda _: None) -> list[Sample]:
        """Sample until `target` records are committed; `seen` is told every sample. Raises Stalled."""
        started = moved = time.monotonic()
        samples = [self._look()]
        while samples[-1].committed < target:
            time.sleep(SAMPLE_EVERY_S)
            sample = self._look()
            if not self.worker.alive:
                raise Stalled(f"the worker ended with {self.worker.process.returncode}")
            if sample.committed > samples[-1].committed:
                moved = sample.time_s
            samples.append(sample)
            seen(sample)
            if sample.time_s - moved > STALL_S or sample.time_s - started > limit_s:
                raise Stalled(
                    f"{sample.committed} of {target} events are committed after {sample.time_s - started:.0f} s, "
                    f"the last progress was {sample.time_s - moved:.0f} s ago"
                )
        return samples


@dataclass(frozen=True, slots=True)
class Stretch:
    """What happened between two instants."""

    seconds: float
    events: float
    worker_cpu_s: float
    broker_cpu_s: float
    others_cpu_s: float

    @property
    def events_per_s(self) -> float:
        return self.events / self.seconds if self.seconds else 0.0


def between(first: Sample, last: Sample) -> Stretch:
    worker, broker = last.worker_cpu_s - first.worker_cpu_s, last.broker_cpu_s - first.broker_cpu_s
    others = max(0.0, last.busy_cpu_s - first.busy_cpu_s - worker - broker)
    return Stretch(last.time_s - first.time_s, last.committed - first.committed, worker, broker, others)


def middle(samples: list[Sample], base: int, target: int) -> Stretch:
    """Between the instants at which WINDOW of the events after `base` was committed, on the line between samples."""
    return between(*(_at(samples, base + share * (target - base)) for share in WINDOW))


def whole(samples: list[Sample]) -> Stretch:
    """From the last sample before the first commit to the first with everything committed."""
    before = [sample for sample in samples if sample.committed == samples[0].committed]
    return between(before[-1], samples[-1])


def _at(samples: list[Sample], committed: float) -> Sample:
    index = next(i for i, sample in enumerate(samples) if sample.committed >= committed)
    if index == 0:
        return samples[0]
    before, after = samples[index - 1], samples[index]
    share = (committed - before.committed) / (after.committed - before.committed)

    def mix(name: str) -> float:
        first: float = getattr(before, name)
        last: float = getattr(after, name)
        return first + share * (last - first)

    return Sample(mix("time_s"), round(committed), mix("worker_cpu_s"), mix("broker_cpu_s"), mix("busy_cpu_s"))
