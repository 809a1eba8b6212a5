"""The four things measured. Each runs on a fresh broker and hands out its figures by name, units last, as it goes."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from typing import Any

from bench.generated import Crowd
from bench.profiling import Recorder
from bench.rig import LOG_TAIL, WORKER_SECONDS, BenchFailed, Options, Rig, broker, log_lines, rig, stand_on
from bench.sampling import Watch, peak_rss_bytes
from bench.watching import Measured, catch_up, committed_events, say, state_size, under_load, until
from tests.kafka.kit import begin_offsets, end_offsets
from tests.kafka.pipeline import Worker

CUSTOMERS = 50_000
MANY_CUSTOMERS = 1_000_000
SLOWEST_CUSTOMERS_PER_S = 5_000
WARM_RATE, WARM_SECONDS = 10_000, 30
EVENTS_BEFORE = 5
"""Of each customer, before latency is measured: of 10,000 events/s of young customers nearly half bring a change in the
first ten seconds, later a quarter."""

EVENTS_BEFORE_KILL = 200_000


def throughput(options: Options) -> Iterator[Measured]:
    """All events lie ready; the worker begins anew, so that every customer is also born."""
    customers = options.customers or CUSTOMERS
    with rig(options) as stand:
        loaded = stand.load(options.events, customers)
        say(f"{options.events} events of {customers} customers sent at {loaded:.0f}/s")
        with closing(committed_events(stand)) as committed:
            worker = stand.start_worker()
            measured = catch_up(
                "throughput", Watch(worker, stand.kafka.pid, committed), 0, options.events, options.profile
            )
            stand.stop_worker(worker)
        measured.figures.update(state_size(stand, worker))
    yield measured


def large(options: Options) -> Iterator[Measured]:
    with rig(options) as stand:
        yield from _large(stand, options)


def large_and_restore(options: Options) -> Iterator[Measured]:
    with rig(options) as stand:
        yield from _large(stand, options)
        yield _restores(stand, options)


def restore(options: Options) -> Iterator[Measured]:
    """Of customers whose state was generated: one record each, as after compaction."""
    crowd = Crowd(options.customers or MANY_CUSTOMERS)
    with rig(options) as stand:
        say(f"{crowd.customers} customers generated at {stand.generate(crowd):.0f}/s")
        yield _restores(stand, options)


def latency(options: Options) -> Iterator[Measured]:
    """Rate by rate, each with topics and a worker of its own, on one broker. Before the first the same at 10,000
    events/s, not measured: a worker asks not quite for what has warmed the broker up, and single delays count here."""
    with broker(options.processes, options.cold) as kafka:
        if not options.cold:
            say(f"{WARM_RATE} events/s for {WARM_SECONDS} s, not measured")
            with stand_on(kafka, options.definitions, "bench-warm-", processes=options.processes) as stand:
                _latency(stand, replace(options, seconds=WARM_SECONDS, profile=False), WARM_RATE)
        for rate in options.rates:
            with stand_on(kafka, options.definitions, f"bench-{rate}-", processes=options.processes) as stand:
                yield _latency(stand, options, rate)


def _latency(stand: Rig, options: Options, rate: int) -> Measured:
    """Every customer is known for some events; then a steady load with the wall clock as event time."""
    customers = options.customers or CUSTOMERS
    before = EVENTS_BEFORE * customers
    with closing(committed_events(stand)) as committed:
        stand.load(before, customers, "--every-customer-first")
        worker = stand.start_worker()
        watch = Watch(worker, stand.kafka.pid, committed)
        until(watch, before)
        stand.wait_ready(worker)
        recorder = Recorder(worker.process.pid)
        try:
            if options.profile:
                recorder.start()
            figures = under_load(stand, watch, customers, rate, options.seconds, before)
            profile = recorder.finish() if options.profile else None
        finally:
            recorder.close()
        stand.stop_worker(worker)
    notes = [f"load generator, broker, worker and reader share {os.cpu_count()} cores"]
    if options.profile:
        notes.append("py-spy was attached: it costs speed")
    if figures["sent_per_s"] < 0.98 * rate:
        notes.append(f"the load reached {figures['sent_per_s']:.0f} of {rate} events/s: the machine was too busy")
    return Measured(f"latency-{rate}", {"rate": rate, **figures}, notes, profile)


SCENARIOS: dict[str, Callable[[Options], Iterator[Measured]]] = {
    "throughput": throughput,
    "large": large,
    "latency": latency,
    "restore": restore,
    "large+restore": large_and_restore,
}


# -- a million customers


def _large(stand: Rig, options: Options) -> Iterator[Measured]:
    """First every customer once; then, with all of them known, the events that count. The worker is stopped while
    these are sent, so it begins with its caches cold."""
    births = _births(stand, options)
    yield births
    customers = int(births.figures["customers"])
    stand.load(options.events, customers, "--seed", "2", "--first-ms", str(_first_ms(options, customers) + customers))
    say(f"{options.events} more events sent")
    with closing(committed_events(stand)) as committed:
        worker = stand.start_worker()
        watch = Watch(worker, stand.kafka.pid, committed)
        measured = catch_up("large", watch, customers, customers + options.events, options.profile)
        stand.stop_worker(worker)
    measured.figures.update(state_size(stand, worker))
    yield measured


def _births(stand: Rig, options: Options) -> Measured:
    customers = options.customers or MANY_CUSTOMERS
    first_ms = str(_first_ms(options, customers))
    stand.load(customers, customers, "--every-customer-first", "--first-ms", first_ms)
    say(f"{customers} customers sent")
    with closing(committed_events(stand)) as committed:
        worker = stand.start_worker()
        watch = Watch(worker, stand.kafka.pid, committed)
        measured = catch_up("births", watch, 0, customers)
        stand.stop_worker(worker)
    measured.figures["customers"] = customers
    return measured


_began_ms = time.time_ns() // 1_000_000


def _first_ms(options: Options, customers: int) -> int:
    """Both loads of a large run follow each other in event time and end before now."""
    return _began_ms - customers - options.events


# -- restore


def _restores(stand: Rig, options: Options) -> Measured:
    """From the changelog alone; from the folder that was closed in order; from one whose worker was killed."""
    figures: dict[str, float] = {}
    topic = stand.pipeline.topic("segmenter-state")
    begins, ends = begin_offsets(stand.kafka.bootstrap, topic), end_offsets(stand.kafka.bootstrap, topic)
    figures["changelog_records"] = sum(ends[partition] - begins[partition] for partition in ends)
    shutil.rmtree(stand.pipeline.directory / "data-a", ignore_errors=True)
    for name in ("changelog", "local", "killed"):
        figures.update(_restore(stand, name, options.customers or MANY_CUSTOMERS))
    return Measured(
        "restore", figures, ["partitions are restored by 2 threads; wall from the first's begin to the end"]
    )


def _restore(stand: Rig, name: str, customers: int) -> dict[str, float]:
    """Start the worker, wait for all partitions, end it. `name`: changelog (there is no local copy), local (one that
    was closed in order), or killed (its worker was, in the middle of its work)."""
    if name == "killed":
        worker = stand.start_worker()
        stand.wait_ready(worker, WORKER_SECONDS + customers / SLOWEST_CUSTOMERS_PER_S)
        _work(stand, worker, customers)
        worker.kill()
    log = stand.pipeline.directory / "a.log"
    begin = log.stat().st_size if log.exists() else 0
    started = time.monotonic()
    worker = stand.start_worker()
    limit = WORKER_SECONDS + customers / SLOWEST_CUSTOMERS_PER_S
    deadline = started + limit
    while len(restored_lines(worker, begin)) < stand.partitions:
        stand.check_alive(worker)
        if time.monotonic() > deadline:
            count = len(restored_lines(worker, begin))
            raise BenchFailed(f"{count} partitions are restored after {limit:.0f} s:\n{worker.log[-LOG_TAIL:]}")
        time.sleep(0.1)
    stand.wait_ready(worker)
    lines = restored_lines(worker, begin)
    ready_s = time.monotonic() - started
    memory = peak_rss_bytes(worker.process.pid)
    stand.stop_worker(worker)
    rebuilt = {bool(line["rebuilt"]) for line in lines}
    # Of several processes one may be given a partition that was another's, whose copy it does not have.
    if rebuilt != {name == "changelog"} and stand.processes == 1:
        raise BenchFailed(f"restore, {name}: found rebuilt={rebuilt}:\n{worker.log[-LOG_TAIL:]}")
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
        **({f"{name}_rebuilt_partitions": sum(bool(line["rebuilt"]) for line in lines)} if stand.processes > 1 else {}),
    }


def _work(stand: Rig, worker: Worker, customers: int) -> None:
    """Events of all customers, until they are committed: what was last is not in the local copy yet."""
    with closing(committed_events(stand)) as committed:
        stand.load(EVENTS_BEFORE_KILL, customers, "--seed", "7")  # of other seeds' message ids they would be repeats
        ends = end_offsets(stand.kafka.bootstrap, stand.pipeline.input)
        until(Watch(worker, stand.kafka.pid, committed), sum(ends.values()), EVENTS_BEFORE_KILL)


def restored_lines(worker: Worker, begin: int) -> list[dict[str, Any]]:
    """The line of each partition's restore, from byte `begin` of the log on. Of one that went from the first of several
    processes to another while they started, the last."""
    return list({line["partition"]: line for line in log_lines(worker, "restored", begin)}.values())
