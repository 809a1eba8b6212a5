"""Measure the worker against Apache Kafka on this machine.

    make bench                                     everything, once
    python -m bench throughput --profile           events/s with 50,000 customers, and which functions take the time
    python -m bench large --events 500000          events/s with 1,000,000 customers
    python -m bench latency --rate 5000 --seconds 30
    python -m bench restore                        customers/s, from the changelog and from the local copy
    python -m bench compare                        beside Kafka Streams, Flink, Quix, Faust; see its own --help
    python -m bench all --events 60000 --customers 5000 --seconds 8     a quick try of all of it

One worker process, exactly once, 100 ms commit interval, four partitions, events of 277 bytes. Broker, load and readers
run on the same machine and take their share of its cores; the figures say how much.
"""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path
from typing import NoReturn

from bench.report import machine_facts, print_report, write_results
from bench.rig import BenchFailed, Options
from bench.scenarios import SCENARIOS, Measured
from tests.kafka.apache import KafkaFailed, missing_programs

HERE = Path(__file__).parent
ALL = ("throughput", "latency", "large+restore")


def main() -> None:
    if sys.argv[1:2] == ["compare"]:
        from bench.rivals.compare import main as compare

        signal.signal(signal.SIGTERM, _end)
        return compare(sys.argv[2:])
    given = _arguments()
    missing = missing_programs()
    if missing:
        sys.exit(f"the benchmark runs Apache Kafka and needs on the PATH: {', '.join(missing)}")
    signal.signal(signal.SIGTERM, _end)
    facts = machine_facts()
    names = ALL if given.scenario == "all" else (given.scenario,)
    measured: list[Measured] = []
    try:
        for name in names:
            for number in range(1, given.repeat + 1):
                print(f"--- {name}, run {number} of {given.repeat}", file=sys.stderr, flush=True)
                measured += SCENARIOS[name](_options(given))
    except (BenchFailed, KafkaFailed) as error:
        print(f"{name} failed: {error}", file=sys.stderr)
        sys.exit(1)
    finally:
        if measured:
            print_report(facts, measured)
            print(f"written to {write_results(facts, measured, vars(given))}")


def _options(given: argparse.Namespace) -> Options:
    return Options(
        definitions=given.definitions.resolve(),
        events=given.events,
        customers=given.customers,
        rate=given.rate,
        seconds=given.seconds,
        profile=given.profile,
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "python -m bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("scenario", nargs="?", default="all", choices=[*SCENARIOS, "all"])
    parser.add_argument("--events", type=int, default=1_500_000, help="measured events of throughput and large")
    parser.add_argument("--customers", type=int, help="instead of 50,000 (throughput, latency) and 1,000,000")
    parser.add_argument("--repeat", type=int, default=1, help="runs of each scenario, each on a fresh broker")
    parser.add_argument("--rate", type=int, default=5_000, help="events/s of latency")
    parser.add_argument("--seconds", type=int, default=30, help="how long latency is measured")
    parser.add_argument("--definitions", type=Path, default=HERE / "definitions.yaml")
    parser.add_argument("--profile", action="store_true", help="py-spy on the worker while it is measured; costs speed")
    given = parser.parse_args()
    for name in ("events", "customers", "repeat", "rate", "seconds"):
        if getattr(given, name) is not None and getattr(given, name) < 1:
            parser.error(f"--{name}: found {getattr(given, name)}, expected a number from 1")
    if not given.definitions.exists():
        parser.error(f"--definitions: found no {given.definitions}")
    return given


def _end(_signal: int, _frame: object) -> NoReturn:
    sys.exit(143)  # as an exception, so that everything started is stopped


if __name__ == "__main__":
    main()
