"""How speed changes with what a pipeline has: one thing at a time, all else as in the middle.

    python -m bench curves                                     all of them
    python -m bench curves --only customers,definitions
    python -m bench curves --only customers --customers 10000,100000,1000000,10000000
    nice -n 10 python -m bench curves --cold --events 20000 --customers 1000,10000 --seconds 6     a quick try

In the middle: 50,000 customers, the benchmark's definitions (13), events of 277 bytes, four partitions, one worker, a
commit interval of 100 ms. Each point begins with customers who are there already (their state is generated, and the
worker restores it), waits until the worker is ready, and then lets `--events` events go at one moment; the first 15 %
are warm-up and the last 5 % are not counted. `commit-interval` also has latencies at `--rate` events a second.

10,000,000 customers need 24 GB of disk and some four minutes: without `--customers` they are left out.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from bench.arguments import add_cold, number, numbers
from bench.generated import Crowd
from bench.load import EVENT_BYTES
from bench.many import many_definitions
from bench.report import machine_facts
from bench.results import Result
from bench.rig import PARTITIONS, WORKER_SECONDS, BenchFailed, Rig, broker, stand_on
from bench.sampling import Watch, peak_rss_bytes, rss_bytes
from bench.watching import catch_up, committed_events, say, under_load
from tests.kafka.apache import ApacheKafka, KafkaFailed, missing_programs
from tests.kafka.pipeline import Worker

DEFINITIONS = Path(__file__).parent / "definitions.yaml"
CUSTOMERS = 50_000
CUSTOMERS_CURVE = (10_000, 100_000, 1_000_000)
SLOWEST_RESTORE_PER_S = 10_000
SETTLED_S = 3.0
"""Workers that share partitions have agreed when both were ready for so long."""
SPARE_BYTES = 5 << 30
"""Of disk that stays free."""


@dataclass(frozen=True, slots=True)
class Point:
    """One measurement. `definitions` 0: those of the benchmark. `rate`: latencies too, at so many events/s.
    `processes`: of each worker."""

    customers: int = CUSTOMERS
    definitions: int = 0
    event_bytes: int = EVENT_BYTES
    partitions: int = PARTITIONS
    workers: int = 1
    commit_ms: int = 100
    rate: int = 0
    processes: int = 1


@dataclass(slots=True)
class PointMeasured:
    """`curve` and `value` say which point of which curve it is; `value` is what is changed along it."""

    curve: str
    value: int
    events: int
    point: Point
    figures: dict[str, float] = field(default_factory=dict)
    error: str = ""


def curves(customers: Sequence[int], rate: int, processes: int = 1) -> dict[str, list[Point]]:
    """Every curve with its points, by name; the more important first."""
    found = {
        "customers": [Point(customers=count) for count in customers],
        "definitions": [Point(definitions=count) for count in (10, 50, 200)],
        "commit-interval": [Point(commit_ms=each, rate=rate) for each in (50, 100, 250, 1000)],
        "partitions": [Point(partitions=count) for count in (4, 16, 64)],
        "event-size": [Point(event_bytes=size) for size in (EVENT_BYTES, 1024, 4096)],
        "workers": [Point(workers=count) for count in (1, 2)],
    }
    return {curve: [replace(point, processes=processes) for point in points] for curve, points in found.items()}


CHANGED = {
    "customers": "customers",
    "definitions": "definitions",
    "commit-interval": "commit_ms",
    "partitions": "partitions",
    "event-size": "event_bytes",
    "workers": "workers",
}
"""Which field of a point each curve changes."""


def main(arguments: Sequence[str]) -> None:
    given = _arguments(arguments)
    if missing := missing_programs():
        sys.exit(f"the benchmark runs Apache Kafka and needs on the PATH: {', '.join(missing)}")
    facts = machine_facts(given.cold)
    result = Result("curves", facts, vars(given))
    measured: list[PointMeasured] = []
    try:
        for each in _measure(given):
            measured.append(each)
            result.write(points=[asdict(point) for point in measured])
            say("    " + (each.error or f"{each.figures['events_per_s']:,.0f} events/s"))
    except KafkaFailed as error:
        sys.exit(f"the curves ended: {error}")
    finally:
        if measured:
            print("\n" + ", ".join(f"{name} {value}" for name, value in facts.items()))
            print(table(measured))
            print(f"written to {result.write(points=[asdict(point) for point in measured])}")


def _measure(given: argparse.Namespace) -> Iterator[PointMeasured]:
    """Point by point; one that two curves share is measured once. A point that fails is told, and the others go on."""
    known: dict[Point, PointMeasured] = {}
    chosen = curves(given.customers, given.rate, given.processes)
    with broker(given.processes, given.cold) as kafka:
        for curve in given.only:
            for point in chosen[curve]:
                value = getattr(point, CHANGED[curve])
                say(f"--- {curve} {value:,}")
                if point not in known:
                    known[point] = PointMeasured(curve, value, given.events, point)
                    _measure_one(kafka, known[point], given.seconds, f"{curve}-{value}-")
                yield replace(known[point], curve=curve, value=value)


def _measure_one(kafka: ApacheKafka, measured: PointMeasured, seconds: int, prefix: str) -> None:
    point = measured.point
    try:
        check_room(Crowd(point.customers))
        with tempfile.TemporaryDirectory(prefix="segmenter-bench-") as directory:
            definitions = DEFINITIONS
            if point.definitions:
                definitions = Path(directory) / "many.yaml"
                definitions.write_text(many_definitions(point.definitions), "utf-8")
            settings = {"commit_interval": f"{point.commit_ms}ms"}
            with stand_on(kafka, definitions, prefix, point.partitions, settings, point.processes) as stand:
                measured.figures = _figures(stand, measured, seconds)
    except BenchFailed as error:
        measured.error = str(error)


def _figures(stand: Rig, measured: PointMeasured, seconds: int) -> dict[str, float]:
    point, count = measured.point, measured.events
    generated_per_s = stand.generate(Crowd(point.customers))
    more = ("--bytes", str(point.event_bytes))
    started = time.monotonic()
    workers = [stand.start_worker(instance) for instance in ("a", "b")[: point.workers]]
    for worker in workers:
        stand.wait_ready(worker, WORKER_SECONDS + point.customers / SLOWEST_RESTORE_PER_S)
    ready_s = time.monotonic() - started
    with closing(committed_events(stand)) as committed, stand.held_load(count, point.customers, *more) as release:
        _settle(stand, workers)
        ready_rss = sum(rss_bytes(worker.process.pid) for worker in workers)
        watch = Watch(workers[0], stand.kafka.pid, committed, tuple(workers[1:]))
        release()
        figures = catch_up(measured.curve, watch, 0, count).figures
        figures |= {
            "generated_per_s": generated_per_s,
            "start_to_ready_s": ready_s,
            "ready_rss_bytes": ready_rss,
            "peak_rss_bytes": sum(peak_rss_bytes(worker.process.pid) for worker in workers),
        }
        if point.rate:
            figures |= under_load(stand, watch, point.customers, point.rate, seconds, watch.committed.total())
    for worker in workers:
        stand.stop_worker(worker)
    return figures


def _settle(stand: Rig, workers: list[Worker]) -> None:
    """Two workers that start one after the other hand partitions over."""
    deadline = time.monotonic() + WORKER_SECONDS
    since = time.monotonic()
    while len(workers) > 1 and time.monotonic() - since < SETTLED_S:
        for worker in workers:
            if worker.get("/readyz")[0] != 200:
                stand.check_alive(worker)
                since = time.monotonic()
        if time.monotonic() > deadline:
            raise BenchFailed(f"{len(workers)} workers have not agreed within {WORKER_SECONDS:.0f} s")
        time.sleep(0.1)


def check_room(crowd: Crowd) -> None:
    """Raises BenchFailed when the disk has no room for what is to be generated."""
    free = shutil.disk_usage(tempfile.gettempdir()).free
    if crowd.disk_bytes + SPARE_BYTES > free:
        raise BenchFailed(
            f"{crowd.customers:,} customers need {crowd.disk_bytes / 1e9:.0f} GB and {SPARE_BYTES / 1e9:.0f} GB to "
            f"spare, found {free / 1e9:.0f} GB free in {tempfile.gettempdir()}; TMPDIR chooses another disk"
        )


HEADINGS = (
    "curve", "value", "events/s", "us/event", "commit ms", "ready s", "MiB ready", "MiB most", "p50 ms", "p99 ms",
)  # fmt: skip
COLUMNS = (
    ("events_per_s", 1.0, ",.0f"),
    ("worker_us_per_event", 1.0, ".1f"),
    ("commit_mean_ms", 1.0, ".0f"),
    ("start_to_ready_s", 1.0, ".1f"),
    ("ready_rss_bytes", 1 / (1 << 20), ",.0f"),
    ("peak_rss_bytes", 1 / (1 << 20), ",.0f"),
    ("latency_p50_ms", 1.0, ",.0f"),
    ("latency_p99_ms", 1.0, ",.0f"),
)


def table(measured: Sequence[PointMeasured]) -> str:
    """In Markdown."""
    lines = [f"| {' | '.join(HEADINGS)} |", "|---|" + "---:|" * (len(HEADINGS) - 1)]
    for each in measured:
        cells = [
            format(each.figures[name] * unit, form) if name in each.figures else "" for name, unit, form in COLUMNS
        ]
        if each.error:
            cells[0] = "failed"
        lines.append(f"| {each.curve} | {each.value:,} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _arguments(arguments: Sequence[str]) -> argparse.Namespace:
    names = list(curves(CUSTOMERS_CURVE, 1))
    parser = argparse.ArgumentParser(
        "python -m bench curves", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default=",".join(names), help="some of the curves, with commas")
    parser.add_argument("--events", type=number, default=200_000, help="of each point")
    parser.add_argument("--customers", type=numbers, default=list(CUSTOMERS_CURVE), help="points of that curve")
    parser.add_argument("--rate", type=number, default=2_000, help="events/s of the latencies of commit-interval")
    parser.add_argument("--seconds", type=number, default=10, help="how long those are measured")
    parser.add_argument("--processes", type=number, default=1, help="of each worker")
    add_cold(parser)
    given = parser.parse_args(arguments)
    given.only = given.only.split(",")
    if unknown := [name for name in given.only if name not in names]:
        parser.error(f"--only: found {', '.join(unknown)}, expected some of {', '.join(names)}")
    return given
