"""Our worker and its rivals side by side: the same waiting events, the same work, one after the other, round by round.

    python -m bench compare                                       all engines, 3 rounds of 1,500,000 events
    python -m bench compare --load skewed --runs 5
    python -m bench compare --engines ours,kafka-streams --customers 1000000
    nice -n 10 python -m bench compare --cold --runs 1 --events 50000 --customers 5000      a quick try of everything

README.md in bench/rivals/ says what the work is, how it is measured and where the comparison is not fair.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from pathlib import Path

from confluent_kafka import KafkaException

from bench import plots
from bench.arguments import add_cold
from bench.report import BUSY_LOAD, machine_facts
from bench.results import Result
from bench.rig import LOG_TAIL, PARTITIONS, BenchFailed, broker, remove_topics
from bench.rivals import builds
from bench.rivals.engines import (
    CHECKPOINT_MS,
    COMMIT_MS,
    HEAP,
    Engine,
    Place,
    chosen,
    environment,
)
from bench.rivals.outcomes import Outcome, outcome_of, rows_of, table
from bench.rivals.progress import watch, whole_part
from bench.rivals.reference import Tally, expected, found_changes
from bench.rivals.waiting import LOADS, HeldEvents, Load, read_events, write_events
from bench.sampling import Stalled, cpu_seconds, peak_rss_bytes
from stream.config import MOST_PROCESSES
from tests.kafka.apache import ApacheKafka, KafkaFailed, missing_programs

DEFAULT_ENGINES = "ours,ours-{processes},ours-{processes}-compiled,kafka-streams,kafka-streams-2,flink,quix,faust,bare"
SLOWEST_EVENTS_PER_S = 300
START_SECONDS = 120.0
LAST_COMMIT_SECONDS = 20.0
"""Flink commits offsets and outputs at the end of a checkpoint, in no particular order."""
STOP_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Given:
    """The events of an engine, and what is right for them."""

    file: Path
    births: int
    count: int
    right: Tally


def main(arguments: Sequence[str]) -> None:
    options = _arguments(arguments)
    if missing := missing_programs():
        sys.exit(f"the comparison runs Apache Kafka and needs on the PATH: {', '.join(missing)}")
    facts = machine_facts(options.cold)
    facts |= {"commit_ms": COMMIT_MS, "flink_checkpoint_ms": CHECKPOINT_MS, "java_heap": HEAP}
    engines, once = chosen(options.engines), chosen(options.once)
    result = Result("compare", facts, vars(options))
    outcomes: list[Outcome] = []
    try:
        for engine in engines:
            engine.prepare()
        with tempfile.TemporaryDirectory(prefix="segmenter-rivals-") as directory:
            given = _waiting(options, engines, Path(directory))
            with broker(max(engine.members for engine in engines), options.cold) as kafka:
                for number in range(1, options.runs + 1):
                    for engine in engines:
                        if number > 1 and engine in once:
                            continue
                        _say(f"--- run {number} of {options.runs}: {engine.title}")
                        outcomes.append(_run(kafka, engine, number, given[engine.events_of(options.events)]))
                        _say(f"    {outcomes[-1].summary()}")
                        _keep(result, outcomes)
    except (builds.BuildFailed, KafkaFailed, BenchFailed) as error:
        sys.exit(f"the comparison ended: {error}")
    finally:
        if outcomes:
            _report(facts, options, engines, outcomes)
            _finish(options, _keep(result, outcomes))


# -- one run


def _run(kafka: ApacheKafka, engine: Engine, number: int, given: Given) -> Outcome:
    """With topics of its own, which are gone afterwards; an engine that fails is an outcome, and the others go on."""
    with tempfile.TemporaryDirectory(prefix="segmenter-rival-") as directory, ExitStack() as ends:
        place = Place(kafka.bootstrap, Path(directory), f"rivals-{number}-{engine.name}-")
        ends.callback(remove_topics, kafka, place.prefix)
        engine.topics(place)
        held = HeldEvents(kafka.bootstrap, place.input, given.file, given.births, given.count)
        ends.callback(held.close)
        committed = ends.enter_context(closing(engine.progress(place)))
        log = place.directory / "engine.log"
        command = engine.command(place)
        with log.open("wb") as output:
            process = subprocess.Popen(
                command, cwd=directory, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                env=environment(),
            )  # fmt: skip
        ends.callback(_stop, process)
        started = time.monotonic()
        try:
            limit_s = START_SECONDS + given.count / SLOWEST_EVENTS_PER_S
            births = watch(process, kafka.pid, committed, given.births, limit_s)
            held.release()
            events = watch(process, kafka.pid, committed, given.count, limit_s)
            tally = _tally(place, given.right) if engine.checked else None
        except (
            Stalled,
            TimeoutError,
            KafkaException,
        ) as error:  # the last also when the births outlast the transaction
            said = log.read_text("utf-8", "replace")[-LOG_TAIL:]
            print(f"{engine.title}: {error}\n{said}", file=sys.stderr)
            return Outcome(engine.name, engine.title, number, events=given.count - given.births, error=str(error))
        outcome = outcome_of(engine.name, engine.title, number, births, events)
        outcome.start_to_first_commit_s = whole_part(births).first.time_s - started
        outcome.engine_cpu_s = cpu_seconds(process.pid)
        outcome.peak_rss_bytes = peak_rss_bytes(process.pid)
        if tally is not None:
            outcome.changes, outcome.right_changes = tally.changes, given.right.changes
            outcome.right = tally == given.right
        return outcome


def _tally(place: Place, right: Tally) -> Tally:
    deadline = time.monotonic() + LAST_COMMIT_SECONDS
    while True:
        tally = found_changes(place.bootstrap, place.output, PARTITIONS)
        if tally.changes >= right.changes or time.monotonic() > deadline:
            return tally
        time.sleep(0.5)


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


# -- before and after


def _waiting(options: argparse.Namespace, engines: list[Engine], directory: Path) -> dict[int, Given]:
    """The events in a file, and by number what an engine that takes so many of the measured ones is given."""
    all_events = options.customers + options.events
    first_ms = time.time_ns() // 1_000_000 - all_events - 60_000  # nothing lies in the future, nothing lapses meanwhile
    file = directory / "events"
    _say(f"writing {all_events} events, {options.load}, and computing what they cause")
    write_events(file, Load(options.load, options.customers, options.events, first_ms).events_of_it())
    counts = {events: options.customers + events for events in (each.events_of(options.events) for each in engines)}
    right = expected(read_events(file, all_events), set(counts.values()))
    return {events: Given(file, options.customers, count, right[count]) for events, count in counts.items()}


def _keep(result: Result, outcomes: list[Outcome]) -> Path:
    return result.write(rows=[asdict(row) for row in rows_of(outcomes)], runs=[asdict(outcome) for outcome in outcomes])


def _report(
    facts: dict[str, str | int | float], options: argparse.Namespace, engines: list[Engine], outcomes: list[Outcome]
) -> None:
    print("\n" + ", ".join(f"{name} {value}" for name, value in facts.items()))
    print(f"load {options.load}: {options.customers} customers, then {options.events} events; {options.runs} runs")
    if float(facts["load_before"]) > BUSY_LOAD:
        print("The machine was busy with something else before we began: the figures are too low.")
    for engine in engines:
        if engine.events_of(options.events) < options.events:
            print(f"{engine.title}: the first {engine.events_of(options.events)} of the events, for it is slow")
    print("\n" + table(rows_of(outcomes)))


def _finish(options: argparse.Namespace, path: Path) -> None:
    print(f"\nwritten to {path}")
    if options.plots:
        plots.draw([path])


def _arguments(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "python -m bench compare", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--engines", help="some of them, with commas; also single rows, and ours-N")
    parser.add_argument("--processes", type=int, default=2, help="beside a worker of one process, one of so many")
    parser.add_argument("--once", default="", help="engines that run in the first round only")
    parser.add_argument("--runs", type=int, default=3, help="rounds; in each every engine runs once")
    parser.add_argument("--events", type=int, default=1_500_000, help="measured events, after the births")
    parser.add_argument("--customers", type=int, default=50_000, help="who exist before the measured events")
    parser.add_argument("--load", choices=LOADS, default="uniform", help="whose the measured events are")
    add_cold(parser)
    parser.add_argument("--no-plots", dest="plots", action="store_false")
    options = parser.parse_args(arguments)
    for name, least in (("runs", 1), ("events", 1_000), ("customers", 100)):
        if getattr(options, name) < least:
            parser.error(f"--{name}: found {getattr(options, name)}, expected a number from {least}")
    if not 2 <= options.processes <= MOST_PROCESSES:
        parser.error(f"--processes: found {options.processes}, expected a number from 2 to {MOST_PROCESSES}")
    options.engines = options.engines or DEFAULT_ENGINES.format(processes=options.processes)
    for name in ("engines", "once"):
        try:
            chosen(getattr(options, name))
        except ValueError as error:
            parser.error(f"--{name}: {error}")
    return options


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
