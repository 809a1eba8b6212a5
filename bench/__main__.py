"""Measure the worker against Apache Kafka on this machine.

    make bench                                     throughput, latency, large and restore, once
    python -m bench throughput --profile           events/s with 50,000 customers, and which functions take the time
    python -m bench large --events 500000          events/s with 1,000,000 customers
    python -m bench latency --rates 1000,10000,30000 --seconds 30
    python -m bench restore                        customers/s, from the changelog and from the local copy
    python -m bench throughput --processes 2       with a worker of two processes; also latency, large and restore
    make compiled && python -m bench throughput    with the compiled worker, as with everything else; then `make pure`
    python -m bench standard --cold --events 60000 --customers 5000 --seconds 8     a quick try of all of it

These have a command line of their own (`--help`):

    python -m bench.inprocess                      what an event costs, by phase, without Kafka
    python -m bench.paired ../former .             two revisions by it, commit by commit in turns
    python -m bench curves                         against customers, definitions, event size, partitions, workers, ...
    python -m bench wakes                          1,000,000 wakes due at once; how late wakes are with millions pending
    python -m bench bare-wakes                     what such a storm writes, by a loop that only produces: its limit
    python -m bench compare                        beside Kafka Streams, Flink, Quix, Faust
    python -m bench all --budget 45m               the measured run: all of these, the most important first
    python -m bench page FOLDER                    puts its results into docs/, tables and plots
    python -m bench plots                          draws the plots of what is in docs/ again

One worker, of one process unless said otherwise, exactly once, 100 ms commit interval, four partitions, events of 277
bytes. Broker, load and readers run on the same machine and take their share of its cores; the figures say how much. The
broker is warmed up for a minute before (`bench/warming.py`).
"""

from __future__ import annotations

import argparse
import importlib
import signal
import sys
from pathlib import Path
from typing import NoReturn

from bench.arguments import add_cold, number, numbers
from bench.report import machine_facts, print_report, write_results
from bench.results import Result
from bench.rig import BenchFailed, Options
from bench.scenarios import SCENARIOS
from bench.watching import Measured
from tests.kafka.apache import KafkaFailed, missing_programs

HERE = Path(__file__).parent
STANDARD = ("throughput", "latency", "large+restore")
OTHERS = {
    "compare": "bench.rivals.compare",
    "curves": "bench.curves",
    "wakes": "bench.wakes",
    "bare-wakes": "bench.bare_wakes",
    "all": "bench.schedule",
    "page": "bench.page",
    "plots": "bench.plots",
}
"""Commands with a command line of their own, by their module's `main`."""


def main() -> None:
    signal.signal(signal.SIGTERM, _end)
    if sys.argv[1:2] and sys.argv[1] in OTHERS:
        importlib.import_module(OTHERS[sys.argv[1]]).main(sys.argv[2:])
        return
    given = _arguments()
    missing = missing_programs()
    if missing:
        sys.exit(f"the benchmark runs Apache Kafka and needs on the PATH: {', '.join(missing)}")
    facts = machine_facts(given.cold)
    names = STANDARD if given.scenario == "standard" else (given.scenario,)
    result = Result("standard", facts, vars(given))
    measured: list[Measured] = []
    try:
        for name in names:
            for number in range(1, given.repeat + 1):
                print(f"--- {name}, run {number} of {given.repeat}", file=sys.stderr, flush=True)
                for each in SCENARIOS[name](_options(given)):
                    measured.append(each)
                    write_results(result, measured)
    except (BenchFailed, KafkaFailed) as error:
        print(f"{name} failed: {error}", file=sys.stderr)
        sys.exit(1)
    finally:
        if measured:
            print_report(facts, measured)
            print(f"written to {write_results(result, measured)}")


def _options(given: argparse.Namespace) -> Options:
    return Options(
        definitions=given.definitions.resolve(),
        events=given.events,
        customers=given.customers,
        rates=tuple(given.rates),
        seconds=given.seconds,
        profile=given.profile,
        processes=given.processes,
        cold=given.cold,
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "python -m bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("scenario", nargs="?", default="standard", choices=[*SCENARIOS, "standard", *OTHERS])
    parser.add_argument("--events", type=int, default=1_500_000, help="measured events of throughput and large")
    parser.add_argument("--customers", type=int, help="instead of 50,000 (throughput, latency) and 1,000,000")
    parser.add_argument("--repeat", type=int, default=1, help="runs of each scenario, each on a fresh broker")
    parser.add_argument("--rates", type=numbers, default=[5_000], help="events/s of latency, with commas")
    parser.add_argument("--seconds", type=int, default=30, help="how long latency is measured, at each rate")
    parser.add_argument("--processes", type=number, default=1, help="of the worker; figures are of all together")
    parser.add_argument("--definitions", type=Path, default=HERE / "definitions.yaml")
    add_cold(parser)
    parser.add_argument("--profile", action="store_true", help="py-spy on the worker while it is measured; costs speed")
    given = parser.parse_args()
    for name in ("events", "customers", "repeat", "seconds"):
        if getattr(given, name) is not None and getattr(given, name) < 1:
            parser.error(f"--{name}: found {getattr(given, name)}, expected a number from 1")
    if not given.definitions.exists():
        parser.error(f"--definitions: found no {given.definitions}")
    return given


def _end(_signal: int, _frame: object) -> NoReturn:
    sys.exit(143)  # as an exception, so that everything started is stopped


if __name__ == "__main__":
    main()
