"""Wakes: a great many due at one instant, and how late single ones are beside them.

    python -m bench wakes                                          1,000,000 due at once, nothing else pending
    python -m bench wakes --pending 10000000                       and 10,000,000 pending: 24 GB of disk, six minutes
    nice -n 10 python -m bench wakes --cold --customers 20000 --pending 30000 --seconds 6      a quick try

The customers' state is generated (`bench.generated`), the worker restores it and builds its index of wakes as it does
after the loss of its disk; from then on all is its own doing. First `--steady-rate` wakes a second come due for
`--seconds`, then `--customers` at one instant. All the while other customers' events come at `--rate`. Each of these
wakes turns `recency`, so it writes a change, a membership and a state. A reader of the changes (read_committed) tells
when each could be read. Lateness is counted from the due instant and the grace of 2 s.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from bench.arguments import add_cold, number
from bench.curves import DEFINITIONS, check_room
from bench.generated import Crowd
from bench.reader import summary
from bench.report import machine_facts
from bench.results import Facts, Result
from bench.rig import LOG_TAIL, BenchFailed, Rig, broker, stand_on
from bench.sampling import commits, peak_rss_bytes, rss_bytes
from bench.watching import SKIP_SECONDS, Reading, commit_figures, reading, say
from stream.core.partition import GRACE_MS
from tests.kafka.apache import KafkaFailed, missing_programs
from tests.kafka.pipeline import Worker

LIVE_CUSTOMERS = 50_000
LEAD_S = 25
LEAD_CUSTOMERS_PER_S = 40_000
"""Between the start and the first due instant there is time to generate and restore so many."""
SLOWEST_WAKES_PER_S = 2_000
LOOK_S = 0.2
CALM_MS = 3_000
"""Between the last single wake and the storm, so that none of them waits for it."""
GOALS = {"storm_drain_s": 20.0, "storm_live_p99_ms": 1_000.0, "steady_late_p99_ms": 1_500.0}

Pairs = list[tuple[int, float]]
"""(instant in ms, how much later a change could be read, in ms)"""


def main(arguments: Sequence[str]) -> None:
    given = _arguments(arguments)
    if missing := missing_programs():
        sys.exit(f"the benchmark runs Apache Kafka and needs on the PATH: {', '.join(missing)}")
    facts = machine_facts(given.cold)
    figures: dict[str, float] = {}
    notes: list[str] = []
    try:
        with (
            broker(given.processes, given.cold) as kafka,
            stand_on(kafka, DEFINITIONS, processes=given.processes) as stand,
        ):
            _measure(stand, given, figures, notes)
    except (BenchFailed, KafkaFailed) as error:
        sys.exit(f"wakes failed: {error}")
    finally:
        if figures:
            _report(Result("wakes", facts, vars(given)), facts, figures, notes)


def _report(result: Result, facts: Facts, figures: dict[str, float], notes: list[str]) -> None:
    path = result.write(figures=figures, notes=notes)
    print("\n" + ", ".join(f"{name} {value}" for name, value in facts.items()))
    for name, value in figures.items():
        goal = (
            ""
            if name not in GOALS
            else f"   at most {GOALS[name]:,.0f}: {'reached' if reached(name, value) else 'MISSED'}"
        )
        print(f"  {name:<28} {value:>14,.1f}{goal}")
    for note in notes:
        print(f"  note: {note}")
    print(f"written to {path}")


def reached(name: str, value: float) -> bool:
    return value <= GOALS[name]


def _measure(stand: Rig, given: argparse.Namespace, figures: dict[str, float], notes: list[str]) -> None:
    """`figures` and `notes` are filled as it goes."""
    steady = given.steady_rate * given.seconds
    customers = max(given.pending or 0, given.customers + steady + LIVE_CUSTOMERS)
    lead_s = given.lead or LEAD_S + customers // LEAD_CUSTOMERS_PER_S
    steady_ms = time.time_ns() // 1_000_000 + lead_s * 1000
    storm_ms = steady_ms + given.seconds * 1000 + CALM_MS
    crowd = Crowd(customers, given.customers, storm_ms, steady, steady_ms, given.steady_rate)
    check_room(crowd)
    figures |= {"pending": customers, "storm_wakes": given.customers}
    figures["generated_per_s"] = stand.generate(crowd)
    say(f"{customers:,} customers generated at {figures['generated_per_s']:,.0f}/s")
    started = time.monotonic()
    worker = stand.start_worker()
    stand.wait_ready(worker, lead_s + customers / SLOWEST_WAKES_PER_S)
    figures["start_to_ready_s"] = time.monotonic() - started
    figures["ready_rss_bytes"] = rss_bytes(worker.process.pid)
    ready_ms = time.time_ns() // 1_000_000
    say(f"ready after {figures['start_to_ready_s']:.0f} s, {(steady_ms - ready_ms) / 1000:.0f} s before the first wake")
    late_s = (ready_ms - steady_ms) / 1000
    if ready_ms > storm_ms:
        raise BenchFailed(
            f"the worker was ready {late_s:.0f} s after the first wake: give it more than {lead_s} s --lead"
        )
    if late_s > 0:
        notes.append(f"the worker was ready {late_s:.0f} s after the first wake: --lead was too short")
    limit_s = given.seconds + lead_s + given.customers / SLOWEST_WAKES_PER_S
    with tempfile.TemporaryDirectory(prefix="segmenter-bench-") as directory:
        file = Path(directory) / "seen.json"
        with reading(stand, 2 * limit_s, "--seen", str(file)) as reader:
            time.sleep(max(0.0, steady_ms / 1000 - time.time()))
            figures |= _look_on(stand, worker, given, reader, (storm_ms, given.customers + steady, limit_s))
        seen = orjson.loads(file.read_bytes())
    figures |= tell(seen, (max(steady_ms, ready_ms), storm_ms), given.customers)
    if figures["storm_changes"] != given.customers:
        raise BenchFailed(f"found {figures['storm_changes']:,.0f} changes of the storm, expected {given.customers:,}")
    figures["peak_rss_bytes"] = peak_rss_bytes(worker.process.pid)
    stand.stop_worker(worker)


def _look_on(
    stand: Rig, worker: Worker, given: argparse.Namespace, reader: Reading, expected: tuple[int, int, float]
) -> dict[str, float]:
    """Let events come until all expected wakes have fired; returns what commits were like from the storm on.
    `expected`: (instant of the storm, wakes in all, seconds they may take)."""
    storm_ms, wakes, limit_s = expected
    first_live = given.customers + given.steady_rate * given.seconds
    with _live_load(stand, given.rate, limit_s, first_live) as load:
        time.sleep(max(0.0, (storm_ms + GRACE_MS) / 1000 - time.time()))
        began, before = time.monotonic(), commits(worker)
        while fired(worker) < wakes:
            stand.check_alive(worker)
            if load.poll() is not None:
                raise BenchFailed(f"the load ended with {load.returncode}:\n{load.communicate()[1][-LOG_TAIL:]}")
            if time.monotonic() - began > limit_s:
                raise BenchFailed(f"{fired(worker):,.0f} of {wakes:,} wakes have fired after {limit_s:.0f} s")
            time.sleep(LOOK_S)
        spent = commit_figures(before, commits(worker), time.monotonic() - began)
    time.sleep(1.0)  # the last commit's changes are on their way to the reader
    reader.finish()
    return {f"storm_{name}": value for name, value in spent.items()}


@contextmanager
def _live_load(stand: Rig, rate: int, seconds: float, first: int) -> Iterator[subprocess.Popen[str]]:
    """Events of customers that don't wake meanwhile, until the end of the block."""
    more = ("--rate", str(rate), "--first-customer", str(first))
    command = stand.load_command(int(rate * seconds * 2), LIVE_CUSTOMERS, *more)
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def fired(worker: Worker) -> float:
    """Wakes that the worker has committed since it began; 0 when it does not answer."""
    _, text = worker.get("/metrics")
    return sum(float(found) for found in re.findall(r"^segmenter_wakes_fired_total(?:\{[^}]*\})? (\S+)$", text, re.M))


def tell(seen: dict[str, Pairs], stretch: tuple[int, int], storm: int) -> dict[str, float]:
    """Figures from what was read. `stretch`: begin of the steady part and instant of the storm, in ms."""
    begin_ms, storm_ms = stretch
    lates = sorted(late - GRACE_MS for due_ms, late in seen["clock"] if begin_ms <= due_ms < storm_ms)
    storms = [storm_ms + late for due_ms, late in seen["clock"] if due_ms == storm_ms]
    figures: dict[str, float] = {"steady_wakes": len(lates), "storm_changes": len(storms)}
    figures |= _named("steady_late", summary(lates))
    quiet_ms = begin_ms + int(SKIP_SECONDS * 1000)
    figures |= _named("steady_live", _latencies(seen["event"], quiet_ms, storm_ms + GRACE_MS))
    if storms:
        first_ms, last_ms = min(storms), max(storms)
        figures["storm_first_late_ms"] = first_ms - storm_ms - GRACE_MS
        figures["storm_drain_s"] = (last_ms - storm_ms - GRACE_MS) / 1000
        figures["storm_wakes_per_s"] = storm / max(0.001, figures["storm_drain_s"])
        figures |= _named("storm_live", _latencies(seen["event"], storm_ms + GRACE_MS, int(last_ms)))
    return figures


def _latencies(events: Pairs, from_ms: int, until_ms: int) -> dict[str, Any]:
    return summary(sorted(latency for at_ms, latency in events if from_ms <= at_ms < until_ms))


def _named(before: str, told: dict[str, Any]) -> dict[str, float]:
    return {f"{before}_{name}": value for name, value in told.items()}


def _arguments(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "python -m bench wakes", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--customers", type=number, default=1_000_000, help="who wake at one instant")
    parser.add_argument("--pending", type=number, help="customers with a wake in all, if more are wanted")
    parser.add_argument("--steady-rate", type=number, default=200, help="wakes/s that come due before")
    parser.add_argument("--seconds", type=number, default=30, help="for so long")
    parser.add_argument("--rate", type=number, default=1_000, help="live events/s beside it")
    parser.add_argument("--lead", type=number, help="seconds until the first wake: to generate and restore in")
    parser.add_argument("--processes", type=number, default=1, help="of the worker; figures are of all together")
    add_cold(parser)
    return parser.parse_args(arguments)
