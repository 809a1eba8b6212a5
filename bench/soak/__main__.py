"""Faults by seed against a real broker and one to three workers under steady load; then the proof from the topics.

    python -m bench.soak --minutes 10 --seed 1
    python -m bench.soak --minutes 10 --seed 1 --people      # they hold, release and deploy definitions meanwhile

Ends with a line of figures and a JSON in bench/results/. A run that fails says its seed, and keeps the broker's
directory, with all topics in it, and the workers' logs.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, NoReturn

from confluent_kafka import KafkaException

from bench.report import machine_facts
from bench.results import results_folder
from bench.soak.faults import FAULTS, TAKEOVER, Fault
from bench.soak.field import Field, SoakFailed, soak_field
from bench.soak.load import Load, Sent
from bench.soak.people import PEOPLE, release, wait_carried_over
from bench.soak.truth import Found, examine
from tests.kafka.apache import KafkaFailed, missing_programs

WARM_S = 10.0
QUIET_S = 40.0
"""At the end, without events: every window has passed, so every silence has struck."""
LONGEST_PAUSE_S = 4.0
BURST_SHARE = 0.25
"""So often the next fault comes before the one before is over."""
SHOWN = 40


@dataclass
class Run:
    """What happened, for the report."""

    minutes: float
    seed: int
    people: bool = False
    faults: Counter[str] = field(default_factory=Counter)
    takeovers_s: list[float] = field(default_factory=list)
    outages_s: list[float] = field(default_factory=list)
    stalls: list[str] = field(default_factory=list)
    exits: dict[str, int] = field(default_factory=dict)
    sent: Sent = field(default_factory=Sent)
    found: Found = field(default_factory=Found)
    verify: str = "not run"
    failure: str | None = None

    @property
    def passed(self) -> bool:
        return self.failure is None and not self.stalls and self.found.clean and self.verify == "clean"


def main() -> None:
    given = _arguments()
    missing = missing_programs()
    if missing:
        sys.exit(f"the soak runs Apache Kafka and needs on the PATH: {', '.join(missing)}")
    signal.signal(signal.SIGTERM, _end)
    facts = machine_facts()
    directory = Path(tempfile.mkdtemp(prefix=f"segmenter-soak-{given.seed}-"))
    run = Run(given.minutes, given.seed, given.people)
    kept: Path | None = None
    try:
        with soak_field(directory, given.seed) as here:
            kept = here.kafka.directory
            run.stalls = here.stalls
            _torment(here, run, given.rate)
            _prove(here, run, given.compare)
    except (SoakFailed, KafkaFailed, KafkaException, AssertionError, RuntimeError, TimeoutError) as error:
        run.failure = f"{type(error).__name__}: {error}"
    print(json.dumps({"facts": facts, **_report(run)}, indent=1) if given.json else figures(run))
    print(f"written to {_write(facts, run)}")
    if not run.passed or given.keep:
        print(f"seed {run.seed}; the broker's directory is {kept}, the workers' {directory}", file=sys.stderr)
    else:
        shutil.rmtree(directory, ignore_errors=True)
        if kept is not None:
            shutil.rmtree(kept, ignore_errors=True)
    if not run.passed:
        print(f"FAILED: {run.failure or run.stalls or run.found.examples or run.verify}", file=sys.stderr)
        sys.exit(1)


def _torment(here: Field, run: Run, rate: float) -> None:
    """Load and faults for the time given, then until everything is read and every silence has struck."""
    load = Load(here.kafka.bootstrap, here.pipeline.input, here.pipeline.partitions, rate, run.seed)
    run.sent = load.sent
    load.start()
    end = time.monotonic() + run.minutes * 60
    here.pause(WARM_S)
    happenings = FAULTS | PEOPLE if run.people else FAULTS
    names, weights = list(happenings), [weight for _, weight in happenings.values()]
    while time.monotonic() < end:
        name = here.dice.choices(names, weights)[0]
        _one(here, run, name, happenings[name][0])
        if here.dice.random() >= BURST_SHARE:
            here.pause(here.dice.uniform(0.2, LONGEST_PAUSE_S))
    load.stop()
    here.wait_committed(here.ends())
    if run.people:
        release(here)
        wait_carried_over(here)
    here.pause(QUIET_S)
    for worker in here.running.values():
        worker.process.terminate()
    for worker in here.running.values():
        code = worker.process.wait(60)
        here.ended(worker)
        if code != 0:
            raise SoakFailed(f"worker {worker.instance} ended with {code} on SIGTERM:\n{worker.log[-3000:]}")
    run.exits = dict(here.exits)


def _one(here: Field, run: Run, name: str, fault: Fault) -> None:
    """One fault, or what people do, from its beginning to everything that lay in the input being read."""
    run.faults[name] += 1
    print(f"{time.strftime('%H:%M:%S')} {name}", file=sys.stderr, flush=True)
    started = time.monotonic()
    happening = fault(here)
    next(happening)
    burst = here.dice.random() < BURST_SHARE
    if name in TAKEOVER:
        here.wait_committed(here.ends())
        run.takeovers_s.append(time.monotonic() - started)
    for _ in happening:
        raise AssertionError(f"{name} yields once")
    if not burst:
        undone = time.monotonic()
        here.wait_committed(here.ends())
        if name not in TAKEOVER:
            run.outages_s.append(time.monotonic() - undone)
    print(f"{time.strftime('%H:%M:%S')} {name}: {time.monotonic() - started:.1f} s", file=sys.stderr, flush=True)


def _prove(here: Field, run: Run, compare: int) -> None:
    run.found = examine(here.pipeline, compare, run.seed, only_final=run.people)
    command = [sys.executable, "-m", "stream.cli", "verify", "--config", str(here.pipeline.config("admin"))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    run.verify = "clean" if done.returncode == 0 else f"exit {done.returncode}: {(done.stdout + done.stderr)[-4000:]}"


# -- what is said


def figures(run: Run) -> str:
    """The line of figures: every count with what it was counted over."""
    found = run.found
    kinds = ", ".join(f"{name} {run.faults[name]}" for name in FAULTS | PEOPLE if run.faults[name])
    compared = f"{found.compared_changes} {'final answers' if run.people else 'changes'}"
    return (
        f"{'passed' if run.passed else 'FAILED'}: seed {run.seed}, {run.minutes:g} min, {found.events} events "
        f"({run.sent.kinds}), {found.changes} changes ({found.by_clock} of silence), {found.commits} commits; "
        f"{run.faults.total()} faults: {kinds}; "
        f"lost {found.lost} and wrong {found.wrong} of {compared} of "
        f"{found.compared_customers} customers; doubled {found.doubled} and out of order {found.out_of_order} of "
        f"{found.changes} changes; early {found.early} of {found.by_clock}; hung transactions "
        f"{found.hung_transactions}; stalls {len(run.stalls)}; verify {run.verify.splitlines()[0]}; "
        f"takeover p50 {quantile(run.takeovers_s, 0.5):.1f} s, p99 {quantile(run.takeovers_s, 0.99):.1f} s "
        f"of {len(run.takeovers_s)}; after an outage p50 {quantile(run.outages_s, 0.5):.1f} s, "
        f"p99 {quantile(run.outages_s, 0.99):.1f} s of {len(run.outages_s)}; exit codes {run.exits}"
    )


def quantile(values: list[float], share: float) -> float:
    """The smallest value that at least this share of them does not exceed; 0 of none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def _report(run: Run) -> dict[str, Any]:
    # `asdict` makes nonsense of a Counter.
    return {**asdict(replace(run, faults=Counter())), "faults": dict(run.faults), "passed": run.passed}


def _write(facts: dict[str, Any], run: Run) -> Path:
    folder = results_folder()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"soak-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{run.seed}.json"
    path.write_text(json.dumps({"facts": facts, **_report(run)}, indent=1) + "\n")
    return path


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "python -m bench.soak", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=float, default=100.0, help="events a second")
    parser.add_argument("--compare", type=int, default=150, help="customers that the oracle recomputes")
    parser.add_argument("--people", action="store_true", help="holds, releases and changed definitions too")
    parser.add_argument("--json", action="store_true", help="print all of it instead of a line")
    parser.add_argument("--keep", action="store_true", help="keep the topics also when all is well")
    given = parser.parse_args()
    if given.minutes <= 0 or given.rate <= 0:
        parser.error("--minutes and --rate: expected more than 0")
    return given


def _end(_signal: int, _frame: object) -> NoReturn:
    sys.exit(143)  # as an exception, so that everything started is stopped


if __name__ == "__main__":
    main()
