"""The four things measured. Each runs on a fresh broker and returns its figures by name, units last."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime

from bench.profiling import Profile, Recorder
from bench.rig import LOG_TAIL, PARTITIONS, WORKER_SECONDS, BenchFailed, Options, Rig, log_lines, rig
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
from tests.kafka.kit import begin_offsets, end_offsets
from tests.kafka.pipeline import Worker

CUSTOMERS = 50_000
MANY_CUSTOMERS = 1_000_000
SLOWEST_EVENTS_PER_S = 2_000
"""A run slower than that is given up; so every run ends."""
SLOWEST_CUSTOMERS_PER_S = 5_000
SKIP_SECONDS = 3.0
"""Of the latencies: connections, caches and the load's own start."""


@dataclass(frozen=True, slots=True)
class Measured:
    scenario: str
    figures: dict[str, float]
    notes: list[str] = field(default_factory=list)
    profile: Profile | None = None


def throughput(options: Options) -> list[Measured]:
    """All events lie ready; the worker begins anew, so that every customer is also born."""
    customers = options.customers or CUSTOMERS
    with rig(options) as stand:
        loaded = stand.load(options.events, customers)
        _say(f"{options.events} events of {customers} customers sent at {loaded:.0f}/s")
        with closing(_committed(stand)) as committed:
            worker = stand.start_worker()
            measured = _catch_up("throughput", Watch(worker, stand.kafka.pid, committed), 0, options.events, options)
            stand.stop_worker(worker)
        measured.figures.update(_state_size(stand, worker))
    return [measured]


def large(options: Options) -> list[Measured]:
    with rig(options) as stand:
        return _large(stand, options)[0]


def large_and_restore(options: Options) -> list[Measured]:
    with rig(options) as stand:
        measured, worker = _large(stand, options)
        return [*measured, _restores(stand, worker, options)]


def restore(options: Options) -> list[Measured]:
    with rig(options) as stand:
        _, worker = _births(stand, options)
        return [_restores(stand, worker, options)]


def latency(options: Options) -> list[Measured]:
    """Every customer exists before; then a steady load with the wall clock as event time."""
    customers, count = options.customers or CUSTOMERS, options.rate * options.seconds
    with rig(options) as stand, closing(_committed(stand)) as committed:
        stand.load(customers, customers, "--every-customer-first")
        worker = stand.start_worker()
        watch = Watch(worker, stand.kafka.pid, committed)
        _until(watch, customers)
        stand.wait_ready(worker)
        reader = _start_reader(stand, options)
        recorder = Recorder(worker.process.pid)
        try:
            first, commits_before = watch.sample(), commits(worker)
            helpers = ended_cpu_seconds(), cpu_seconds(reader.pid)
            if options.profile:
                recorder.start()
            load = ("--rate", str(options.rate), "--seed", "2")
            rate = stand.load(count, customers, *load, seconds=4 * options.seconds + 30)
            last, commits_after = watch.sample(), commits(worker)
            load_cpu_s, reader_cpu_s = ended_cpu_seconds() - helpers[0], cpu_seconds(reader.pid) - helpers[1]
            profile = recorder.finish() if options.profile else None
            _until(watch, customers + count)
            time.sleep(1.0)  # the last commit's changes are on their way to the reader
            reader.terminate()
            said, complaints = reader.communicate(timeout=60)
        finally:
            recorder.close()
            if reader.poll() is None:
                reader.kill()
                reader.communicate()
        if reader.returncode != 0 or not said.strip():
            raise BenchFailed(f"the reader ended with {reader.returncode}:\n{complaints[-LOG_TAIL:]}")
        stretch = between(first, last)
        figures = {
            **{f"latency_{name}": value for name, value in json.loads(said.splitlines()[-1]).items()},
            "sent_per_s": rate,
            "worker_cores": stretch.worker_cpu_s / stretch.seconds,
            "broker_cores": stretch.broker_cpu_s / stretch.seconds,
            "load_cores": load_cpu_s / stretch.seconds,
            "reader_cores": reader_cpu_s / stretch.seconds,
            "others_cores": max(0.0, stretch.others_cpu_s - load_cpu_s - reader_cpu_s) / stretch.seconds,
            **_commit_figures(commits_before, commits_after, stretch.seconds),
            "peak_rss_bytes": peak_rss_bytes(worker.process.pid),
        }
        stand.stop_worker(worker)
    notes = [f"load generator, broker, worker and reader share {os.cpu_count()} cores"]
    if options.profile:
        notes.append("py-spy was attached: it costs speed")
    if rate < 0.98 * options.rate:
        notes.append(f"the load reached {rate:.0f} of {options.rate} events/s: the machine was too busy")
    return [Measured("latency", figures, notes, profile)]


SCENARIOS: dict[str, Callable[[Options], list[Measured]]] = {
    "throughput": throughput,
    "large": large,
    "latency": latency,
    "restore": restore,
    "large+restore": large_and_restore,
}


# -- a million customers


def _large(stand: Rig, options: Options) -> tuple[list[Measured], Worker]:
    """First every customer once; then, with all of them known, the events that count. The worker is stopped while
    these are sent, so it begins with its caches cold."""
    births, worker = _births(stand, options)
    customers = int(births.figures["customers"])
    stand.load(options.events, customers, "--seed", "2", "--first-ms", str(_first_ms(options, customers) + customers))
    _say(f"{options.events} more events sent")
    with closing(_committed(stand)) as committed:
        worker = stand.start_worker()
        watch = Watch(worker, stand.kafka.pid, committed)
        measured = _catch_up("large", watch, customers, customers + options.events, options)
        stand.stop_worker(worker)
    measured.figures.update(_state_size(stand, worker))
    return [births, measured], worker


def _births(stand: Rig, options: Options) -> tuple[Measured, Worker]:
    customers = options.customers or MANY_CUSTOMERS
    first_ms = str(_first_ms(options, customers))
    stand.load(customers, customers, "--every-customer-first", "--first-ms", first_ms)
    _say(f"{customers} customers sent")
    with closing(_committed(stand)) as committed:
        worker = stand.start_worker()
        watch = Watch(worker, stand.kafka.pid, committed)
        measured = _catch_up("births", watch, 0, customers, replace(options, profile=False))
        stand.stop_worker(worker)
    measured.figures["customers"] = customers
    return measured, worker


_began_ms = time.time_ns() // 1_000_000


def _first_ms(options: Options, customers: int) -> int:
    """Both loads of a large run follow each other in event time and end before now."""
    return _began_ms - customers - options.events


# -- restore


def _restores(stand: Rig, worker: Worker, options: Options) -> Measured:
    figures: dict[str, float] = {}
    topic = stand.pipeline.topic("segmenter-state")
    begins, ends = begin_offsets(stand.kafka.bootstrap, topic), end_offsets(stand.kafka.bootstrap, topic)
    figures["changelog_records"] = sum(ends[partition] - begins[partition] for partition in ends)
    shutil.rmtree(worker.data_dir)
    for name in ("changelog", "local"):
        figures.update(_restore(stand, name, options.customers or MANY_CUSTOMERS))
    return Measured(
        "restore", figures, ["partitions are restored by 2 threads; wall from the first's begin to the end"]
    )


def _restore(stand: Rig, name: str, customers: int) -> dict[str, float]:
    """Start the worker, wait for all partitions, stop it. `name`: changelog (there is no local copy) or local."""
    log = stand.pipeline.directory / "a.log"
    begin = log.stat().st_size
    started = time.monotonic()
    worker = stand.start_worker()
    limit = WORKER_SECONDS + customers / SLOWEST_CUSTOMERS_PER_S
    deadline = started + limit
    while len(lines := log_lines(worker, "restored", begin)) < PARTITIONS:
        stand.check_alive(worker)
        if time.monotonic() > deadline:
            raise BenchFailed(f"{len(lines)} partitions are restored after {limit:.0f} s:\n{worker.log[-LOG_TAIL:]}")
        time.sleep(0.1)
    stand.wait_ready(worker)
    ready_s = time.monotonic() - started
    memory = peak_rss_bytes(worker.process.pid)
    stand.stop_worker(worker)
    rebuilt = {bool(line["rebuilt"]) for line in lines}
    if rebuilt != {name == "changelog"}:
        raise BenchFailed(f"restore from {name}: found rebuilt={rebuilt}:\n{worker.log[-LOG_TAIL:]}")
    restored = sum(line["customers"] for line in lines)
    ends = [datetime.fromisoformat(line["timestamp"]).timestamp() for line in lines]
    wall_s = max(ends) - min(end - line["seconds"] for end, line in zip(ends, lines))
    return {
        f"{name}_customers": restored,
        f"{name}_customers_per_s": restored / wall_s,
        f"{name}_wall_s": wall_s,
        f"{name}_slowest_partition_s": max(line["seconds"] for line in lines),
        f"{name}_start_to_ready_s": ready_s,
        f"{name}_peak_rss_bytes": memory,
    }


# -- pieces


def _catch_up(name: str, watch: Watch, base: int, target: int, options: Options) -> Measured:
    """Let the worker commit the events from `base` to `target` that lie ready, and measure the middle of it."""
    at_edges: list[tuple[Sample, Commits | None]] = []
    edges = [base + share * (target - base) for share in WINDOW]
    recorder = Recorder(watch.worker.process.pid)
    profiles: list[Profile] = []

    def seen(sample: Sample) -> None:
        if len(at_edges) < len(edges) and sample.committed >= edges[len(at_edges)]:
            at_edges.append((sample, commits(watch.worker)))
            if options.profile and not recorder.started:
                recorder.start()
            elif options.profile:
                profiles.append(recorder.finish())

    started = time.monotonic()
    try:
        samples = _until(watch, target, target - base, seen)
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
        figures |= _commit_figures(before, after, last.time_s - first.time_s)
    figures["peak_rss_bytes"] = memory
    notes = []
    if part.seconds < 5:
        notes.append("a very short run: its figures say little")
    if options.profile:
        notes.append("py-spy was attached: it costs speed")
    return Measured(name, figures, notes, profiles[0] if profiles else None)


def _commit_figures(before: Commits | None, after: Commits | None, seconds: float) -> dict[str, float]:
    if before is None or after is None or after.count == before.count or not seconds:
        return {}
    spent = after.seconds - before.seconds
    return {
        "commits": after.count - before.count,
        "commit_every_ms": seconds / (after.count - before.count) * 1000,
        "commit_mean_ms": spent / (after.count - before.count) * 1000,
        "commit_share": spent / seconds,
    }


def _until(
    watch: Watch, target: int, events: int | None = None, seen: Callable[[Sample], None] = lambda _: None
) -> list[Sample]:
    limit_s = WORKER_SECONDS + (target if events is None else events) / SLOWEST_EVENTS_PER_S
    try:
        return watch.until(target, limit_s, seen)
    except Stalled as stalled:
        raise BenchFailed(f"{stalled}\n{watch.worker.log[-LOG_TAIL:]}") from None


def _committed(stand: Rig) -> CommittedEvents:
    return CommittedEvents(stand.kafka.bootstrap, stand.group, stand.pipeline.input, PARTITIONS)


def _start_reader(stand: Rig, options: Options) -> subprocess.Popen[str]:
    """The reader, standing at the end of the changes."""
    reader = subprocess.Popen(
        [sys.executable, "-m", "bench.reader", "--broker", stand.kafka.bootstrap, "--partitions", str(PARTITIONS),
         "--topic", stand.pipeline.topic("segment-changes"), "--skip-seconds", str(SKIP_SECONDS),
         "--seconds", str(4 * options.seconds + 120)],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert reader.stdout is not None
    if reader.stdout.readline().strip() != "reading":  # it ends by itself when it can't read
        reader.kill()
        raise BenchFailed(f"the reader did not begin:\n{reader.communicate()[1][-LOG_TAIL:]}")
    return reader


def _state_size(stand: Rig, worker: Worker) -> dict[str, float]:
    """Bytes per customer: a record of state as it is encoded, and its share of the stopped worker's directory."""
    state = look_at_state(stand.kafka.bootstrap, stand.pipeline.topic("segmenter-state"))
    disk = sum(path.stat().st_size for path in worker.data_dir.rglob("*") if path.is_file())
    return {
        "customers": state.customers,
        "state_record_bytes": state.record_bytes,
        "store_bytes_per_customer": disk / max(1, state.customers),
    }


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
