"""`python -m tests.simulation`: many seeds on all cores, or one seed closely.

--seeds 10000 --from 0     so many seeds from that one on
--seed 4711                one seed: its items, what happened, what is wrong
--seed 4711 --shrink       the same with as few items as still fail
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable

from tests.simulation.coverage import ENOUGH_SEEDS, never_happened
from tests.simulation.items import Item, program
from tests.simulation.run import Result, run_items, run_seed, shrink

CHUNK = 25
MOST_FAILURES = 10
"""Failing seeds shown; then no more are run."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description="The commit cycle, simulated.")
    parser.add_argument("--seeds", type=int, default=1_000, help="how many")
    parser.add_argument("--from", type=int, default=0, dest="first", help="the first seed")
    parser.add_argument("--processes", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--seed", type=int, help="this one alone, closely")
    parser.add_argument("--shrink", action="store_true", help="with --seed: leave out items as long as it fails")
    options = parser.parse_args()
    if options.seed is not None:
        return one(options.seed, options.shrink)
    return many(range(options.first, options.first + options.seeds), options.processes)


def one(seed: int, shrinking: bool) -> int:
    items = program(seed)
    result = run_items(seed, items)
    if shrinking and result.problems:
        items = shrink(seed, items, lambda shorter: bool(run_items(seed, shorter).problems))
        result = run_items(seed, items)
    show(items, result)
    return int(bool(result.problems))


def show(items: list[Item], result: Result) -> None:
    for item in items:
        print(f"{item.what:14} {item.with_}  then {item.pause_ms} ms")
    print(f"\nseed {result.seed}, {result.virtual_ms / 1000:.1f} s of the world's time, digest {result.digest}")
    print(", ".join(f"{what} {count}" for what, count in sorted(result.counts.items())))
    print("\n".join(["", *result.problems]) if result.problems else "nothing is wrong")


def many(seeds: range, processes: int) -> int:
    started = time.monotonic()
    total: Counter[str] = Counter()
    failures: list[Result] = []
    done = 0
    for counts, ran, failed in _results(seeds, processes):
        total += counts
        done += ran
        for result in failed:
            failures.append(result)
            print(report(result), flush=True)
        if len(failures) >= MOST_FAILURES:
            break
    missed = never_happened(total) if done >= ENOUGH_SEEDS else []
    for what, count in sorted(total.items()):
        print(f"{count:10,}  {what}")
    if missed:
        print(f"never happened in {done} seeds: {', '.join(missed)}")
    seconds = time.monotonic() - started
    print(f"{done:,} seeds from {seeds.start} in {seconds:.0f} s on {processes} processes: {len(failures)} failed")
    return int(bool(failures or missed))


def report(result: Result) -> str:
    return "\n  ".join(
        [f"seed {result.seed} failed:", *result.problems, f"again: python -m tests.simulation --seed {result.seed}"]
    )


def _results(seeds: range, processes: int) -> Iterable[tuple[Counter[str], int, list[Result]]]:
    chunks = [seeds[start : start + CHUNK] for start in range(0, len(seeds), CHUNK)]
    if processes == 1:
        yield from map(run_chunk, chunks)
        return
    context = multiprocessing.get_context("fork")
    with context.Pool(processes, initializer=_settle_down, initargs=(context.Value("i", 0),)) as pool:
        yield from pool.imap_unordered(run_chunk, chunks)


def run_chunk(seeds: range) -> tuple[Counter[str], int, list[Result]]:
    counts: Counter[str] = Counter()
    failed = []
    for seed in seeds:
        result = run_seed(seed)
        counts += result.counts
        if result.problems:
            failed.append(result)
    return counts, len(seeds), failed


def _settle_down(taken: object) -> None:
    """One core for each process: handing over to a strand is five times dearer across cores."""
    with taken.get_lock():
        number = taken.value
        taken.value += 1
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[number % len(cores)]})


if __name__ == "__main__":
    sys.exit(main())
