"""Two revisions side by side, without Kafka: what an event, or a wake, costs each, commit by commit in turns.

    python -m bench.paired ../former .                  of each event; `.` beside a checkout of another revision
    python -m bench.paired --wakes ../former .          of wakes that are all due at once
    python -m bench.paired ../former . .                and how much two runs of the same differ

A machine's speed changes from one minute to the next by more than most changes to the code are worth. Here each tree
has a process of its own, only one of them works at a time, a tenth of a second each, and every commit's CPU time is
divided by the first tree's beside it: two copies of one tree gave 1.001, 0.991 and, with wakes, 1.012 on a machine
where single runs of `bench.inprocess` differed by a tenth. Loads and measuring are this tree's, `stream` is theirs,
compiled if it is.
"""

from __future__ import annotations

import argparse
import gc
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from bench.generated import Crowd, Customers, records
from bench.inprocess import PHASES, START_MS, Bench, measured, messages_of, queue, task_over
from bench.load import Shoppers, events
from stream.codec.journal import META_KEY, decode_meta
from stream.codec.snapshot import wake_of
from stream.core.program import Program
from stream.engine.local import encode_local
from stream.rules.compile import compile_program
from stream.rules.load import load_definitions
from stream.store.options import Memory
from stream.store.rocks import StateStore

ROOT = Path(__file__).parents[1]
OURS = ("bench", "tests")
COMMIT_EVENTS, COMMIT_WAKES = 4_000, 500
WARM_UP = 2
"""Commits of each before it counts."""
LEAST_ROUNDS = 2
LEAD_MS = 60_000

Costs = dict[str, float]
"""CPU us of an event or a wake, by phase: take, prepare, produce, store."""


@dataclass(slots=True)
class Side:
    """One tree's process."""

    tree: Path
    process: subprocess.Popen[str]
    costs: list[Costs] = field(default_factory=list)

    def commit(self) -> Costs:
        """Have it do the next one. Raises SystemExit when it ended; it has said why."""
        assert self.process.stdin is not None and self.process.stdout is not None
        try:
            self.process.stdin.write("\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            sys.exit(f"{self.tree}: its process ended")
        return dict(zip(PHASES, map(float, line.split()), strict=True))

    @property
    def sums(self) -> list[float]:
        return [sum(each.values()) for each in self.costs]


def main() -> None:
    given = _arguments()
    program = compile_program(load_definitions([given.definitions]))
    if given.side:
        _work(given, program)
        return
    with tempfile.TemporaryDirectory(prefix="segmenter-paired-") as folder:
        sides: list[Side] = []
        try:
            for number, tree in enumerate(given.trees):
                sides.append(_start(tree, Path(folder) / str(number), given))
            for number in range(WARM_UP + given.rounds):
                for side in sides if number % 2 else reversed(sides):
                    costs = side.commit()
                    if number >= WARM_UP:
                        side.costs.append(costs)
        finally:
            for side in sides:
                side.process.kill()
                side.process.wait()
    for side in sides:
        print(_told(side, sides[0]))


def _start(tree: Path, place: Path, given: argparse.Namespace) -> Side:
    """A process that finds the tree's `stream` and our `bench`."""
    place.mkdir()
    for name in OURS:
        (place / name).symlink_to(ROOT / name)
    (place / "stream").symlink_to((tree / "stream").resolve())
    process = subprocess.Popen(
        [
            sys.executable, "-m", "bench.paired", "--side", "--definitions", str(given.definitions), "--customers",
            str(given.customers), "--rounds", str(given.rounds), *(["--wakes"] if given.wakes else []), str(tree),
        ],
        cwd=place, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": ""},
    )  # fmt: skip
    return Side(tree, process)


def _told(side: Side, first: Side) -> str:
    """Medians; in brackets the quartiles of how it compares."""
    ratios = [own / other for own, other in zip(side.sums, first.sums, strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4)
    phases = "  ".join(f"{phase} {statistics.median(each[phase] for each in side.costs):.2f}" for phase in PHASES)
    return f"{side.tree}: {statistics.median(side.sums):.2f} us: {phases}; {middle:.3f} [{low:.3f} - {high:.3f}]"


# -- one side


def _work(given: argparse.Namespace, program: Program) -> None:
    make = _wakes if given.wakes else _events
    costs = make(program, Path("store"), WARM_UP + given.rounds, given.customers)
    gc.collect()
    gc.freeze()
    gc.set_threshold(1_000_000, 20, 20)  # as the worker has it
    for _ in sys.stdin:
        print(*next(costs).values(), flush=True)


def _events(program: Program, folder: Path, commits: int, customers: int) -> Iterator[Costs]:
    """Commit after commit; every customer had one event before."""
    total = customers + commits * COMMIT_EVENTS
    stream = messages_of(events(total, Shoppers(customers), START_MS, 1.0, 1, every_customer_first=True))
    bench = Bench(program, folder)
    bench.run(list(islice(stream, customers)), COMMIT_EVENTS, START_MS + total)
    while some := list(islice(stream, COMMIT_EVENTS)):
        yield bench.run(some, COMMIT_EVENTS, START_MS + total).us


def _wakes(program: Program, folder: Path, commits: int, customers: int) -> Iterator[Costs]:
    """Commit after commit of wakes that are all due; each turns one answer. `customers` are added who sleep on."""
    storm = (commits + 1) * COMMIT_WAKES
    due_ms = START_MS + LEAD_MS
    store = StateStore.open(folder, Memory.of(256 << 20))
    crowd, rows, meta = Crowd(storm + customers, storm=storm, storm_ms=due_ms), [], None
    for _, key, value in records(crowd, Customers(program, START_MS), [0], 1):
        if key == META_KEY:
            meta = decode_meta(value)
        else:
            rows.append((key, value))
    assert meta is not None
    for first in range(0, len(rows), COMMIT_EVENTS):
        some = rows[first : first + COMMIT_EVENTS]
        store.write([*some], [(wake_of(value), key) for key, value in some], [], None)
    store.write([], [], [], encode_local(0, meta))
    task, producer, clock_ms = task_over(program, store, meta), queue(), due_ms + LEAD_MS
    task.share_wakes(COMMIT_WAKES)
    task.ask(clock_ms, 0)  # the clock moves, and the first share fires
    while True:
        seconds, wakes = measured(task, producer, task.fire_waiting, clock_ms)
        yield {phase: each * 1e6 / wakes for phase, each in seconds.items()}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "python -m bench.paired", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("trees", nargs="+", type=Path, help="checkouts; the first is what the others are compared with")
    parser.add_argument("--wakes", action="store_true", help="of wakes instead of events")
    parser.add_argument("--definitions", type=Path, default=ROOT / "bench" / "definitions.yaml")
    parser.add_argument("--customers", type=int, default=25_000, help="of wakes: who sleep on")
    parser.add_argument("--rounds", type=int, default=60, help="commits of each tree")
    parser.add_argument("--side", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    for tree in given.trees:
        if not (tree / "stream").is_dir():
            parser.error(f"{tree}: found no folder `stream`, expected a checkout")
    if given.rounds < LEAST_ROUNDS:
        parser.error(f"--rounds {given.rounds}: of fewer than {LEAST_ROUNDS} there are no quartiles")
    given.definitions = given.definitions.resolve()
    return given


if __name__ == "__main__":
    main()
