"""What every scenario does: let the worker catch up and watch it, follow the changes, and put figures together."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from bench.profiling import Profile, Recorder
from bench.rig import LOG_TAIL, WORKER_SECONDS, BenchFailed, Rig
from bench.sampling import (
    WINDOW,
    Commits,
    CommittedEvents,
    Sample,
    Stalled,
    Watch,
    between,
    commits,
    cpu_seconds,
    ended_cpu_seconds,
    middle,
    peak_rss_bytes,
    whole,
)
from bench.state import look_at_state
from tests.kafka.pipeline import Worker

SLOWEST_EVENTS_PER_S = 2_000
"""A run slower than that is given up; so every run ends."""
SKIP_SECONDS = 3.0
"""Of the latencies: connections, caches and the load's own start."""
LOAD_START_S = 30
READER_END_S = 120


@dataclass(frozen=True, slots=True)
class Measured:
    scenario: str
    figures: dict[str, float]
    notes: list[str] = field(default_factory=list)
    profile: Profile | None = None


def catch_up(name: str, watch: Watch, base: int, target: int, profiled: bool = False) -> Measured:
    """Let the worker commit the events from `base` to `target` that lie ready, and measure the middle of it."""
    at_edges: list[tuple[Sample, Commits | None]] = []
    edges = [base + share * (target - base) for share in WINDOW]
    recorder = Recorder(watch.worker.process.pid)
    profiles: list[Profile] = []

    def seen(sample: Sample) -> None:
        if len(at_edges) < len(edges) and sample.committed >= edges[len(at_edges)]:
            at_edges.append((sample, commits(watch.worker)))
            if profiled and not recorder.started:
                recorder.start()
            elif profiled:
                profiles.append(recorder.finish())

    started = time.monotonic()
    try:
        samples = until(watch, target, target - base, seen)
        memory = peak_rss_bytes(watch.worker.process.pid)
        if recorder.started and not profiles:
            profiles.append(recorder.finish())
    finally:
        recorder.close()
    part, all_of_it = middle(samples, base, target), whole(samples)
    figures = {
        "events_per_s": part.events_per_s,
        "overall_events_per_s": all_of_it.events_per_s,
        "measured_s": part.seconds,
        "start_to_first_commit_s": samples[-1].time_s - all_of_it.seconds - started,
        "worker_cpu_s": part.worker_cpu_s,
        "broker_cpu_s": part.broker_cpu_s,
        "others_cpu_s": part.others_cpu_s,
        "worker_cores": part.worker_cpu_s / part.seconds,
        "worker_us_per_event": part.worker_cpu_s / part.events * 1e6,
    }
    if len(at_edges) == len(edges):
        (first, before), (last, after) = at_edges
        figures |= commit_figures(before, after, last.time_s - first.time_s)
    figures["peak_rss_bytes"] = memory
    notes = []
    if part.seconds < 5:
        notes.append("a very short run: its figures say little")
    if profiled:
        notes.append("py-spy was attached: it costs speed")
    return Measured(name, figures, notes, profiles[0] if profiles else None)


def commit_figures(before: Commits | None, after: Commits | None, seconds: float) -> dict[str, float]:
    """Between two looks, `seconds` apart. Of several processes all commits count; how often they come, and what share
    of the time they take, is of a process."""
    if before is None or after is None or after.count == before.count or not seconds:
        return {}
    count, spent = after.count - before.count, after.seconds - before.seconds
    return {
        "commits": count,
        "commit_every_ms": seconds * after.processes / count * 1000,
        "commit_mean_ms": spent / count * 1000,
        "commit_share": spent / (seconds * after.processes),
        **{
            f"commit_{phase.replace('-', '_')}_mean_ms": (after.phases[phase] - before.phases.get(phase, 0.0))
            / count
            * 1000
            for phase in after.phases
        },
    }


def until(
    watch: Watch, target: int, events: int | None = None, seen: Callable[[Sample], None] = lambda _: None
) -> list[Sample]:
    limit_s = WORKER_SECONDS + (target if events is None else events) / SLOWEST_EVENTS_PER_S
    try:
        return watch.until(target, limit_s, seen)
    except Stalled as stalled:
        raise BenchFailed(f"{stalled}\n{watch.worker.log[-LOG_TAIL:]}") from None


def committed_events(stand: Rig) -> CommittedEvents:
    return CommittedEvents(stand.kafka.bootstrap, stand.group, stand.pipeline.input, stand.partitions)


@dataclass(slots=True)
class Reading:
    """A reader of the changes, a process of its own. `said` is what it told at the end."""

    process: subprocess.Popen[str]
    said: dict[str, Any] = field(default_factory=dict)

    def finish(self) -> dict[str, Any]:
        """End it; returns its summary of latencies."""
        self.process.terminate()
        said, complaints = self.process.communicate(timeout=READER_END_S)
        if self.process.returncode != 0 or not said.strip():
            raise BenchFailed(f"the reader ended with {self.process.returncode}:\n{complaints[-LOG_TAIL:]}")
        self.said = json.loads(said.splitlines()[-1])
        return self.said


@contextmanager
def reading(stand: Rig, seconds: float, *more: str) -> Iterator[Reading]:
    """The reader, standing at the end of the changes."""
    reader = subprocess.Popen(
        [sys.executable, "-m", "bench.reader", "--broker", stand.kafka.bootstrap, "--partitions", str(stand.partitions),
         "--topic", stand.pipeline.topic("segment-changes"), "--skip-seconds", str(SKIP_SECONDS),
         "--seconds", str(seconds), *more],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert reader.stdout is not None
        if reader.stdout.readline().strip() != "reading":  # it ends by itself when it can't read
            raise BenchFailed(f"the reader did not begin:\n{reader.communicate()[1][-LOG_TAIL:]}")
        yield Reading(reader)
    finally:
        if reader.poll() is None:
            reader.kill()
            reader.communicate()


def under_load(stand: Rig, watch: Watch, customers: int, rate: int, seconds: int, base: int) -> dict[str, float]:
    """Latencies while `rate` events a second come for so long, and who needed the processor. `base`: the events that
    were committed before."""
    count, worker = rate * seconds, watch.worker
    with reading(stand, 4 * seconds + 180) as reader:
        first, commits_before = watch.sample(), commits(worker)
        helpers = ended_cpu_seconds(), cpu_seconds(reader.process.pid)
        sent_per_s = stand.load(
            count, customers, "--rate", str(rate), "--seed", "2", seconds=4 * seconds + LOAD_START_S
        )
        last, commits_after = watch.sample(), commits(worker)
        load_cpu_s = ended_cpu_seconds() - helpers[0]
        reader_cpu_s = cpu_seconds(reader.process.pid) - helpers[1]
        until(watch, base + count)
        time.sleep(1.0)  # the last commit's changes are on their way to the reader
        latencies = reader.finish()
    stretch = between(first, last)
    return {
        **{f"latency_{name}": value for name, value in latencies.items()},
        "sent_per_s": sent_per_s,
        "worker_cores": stretch.worker_cpu_s / stretch.seconds,
        "broker_cores": stretch.broker_cpu_s / stretch.seconds,
        "load_cores": load_cpu_s / stretch.seconds,
        "reader_cores": reader_cpu_s / stretch.seconds,
        "others_cores": max(0.0, stretch.others_cpu_s - load_cpu_s - reader_cpu_s) / stretch.seconds,
        **commit_figures(commits_before, commits_after, stretch.seconds),
        "peak_rss_bytes": peak_rss_bytes(worker.process.pid),
    }


def state_size(stand: Rig, worker: Worker) -> dict[str, float]:
    """Bytes per customer: a record of state as it is encoded, and its share of the stopped worker's directory."""
    state = look_at_state(stand.kafka.bootstrap, stand.pipeline.topic("segmenter-state"))
    disk = sum(path.stat().st_size for path in worker.data_dir.rglob("*") if path.is_file())
    return {
        "customers": state.customers,
        "state_record_bytes": state.record_bytes,
        "store_bytes_per_customer": disk / max(1, state.customers),
    }


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
