"""The measured run: everything, the most important first, within a budget of time.

    python -m bench all --budget 45m                       on a machine that does nothing else
    python -m bench all --budget 45m --only compare,wakes  single steps, by name; `--list` names them
    nice -n 10 python -m bench all --small --budget 10m    every step with few events: whether it works, no figures

Each step is a command of its own (`python -m bench ...`), has a time bound, and keeps its results as it goes: a step
that is cut off leaves what it had measured. A step that the rest of the budget is too short for is left out. All
results stand in one folder, bench/results/run-<time>, with `run.json`, which tells what became of each step;
`python -m bench page FOLDER` puts them into docs/.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.arguments import duration_s
from bench.report import machine_facts
from bench.results import FOLDER, VARIABLE, Result

END_S = 60.0
"""For a step that is told to end: it stops its broker and its workers, and writes what it has."""
ROOT = Path(__file__).parents[1]
RIVALS = "ours,ours-2,ours-2-compiled,kafka-streams,kafka-streams-2,flink,quix,faust,bare"
FEW = "ours,ours-2,ours-2-compiled,kafka-streams,kafka-streams-2,flink-rocksdb,quix"


@dataclass(frozen=True, slots=True)
class Step:
    """`usual_s` is what it is reckoned to take here, `bound_s` after what it is ended; `small` replaces the numbers."""

    name: str
    command: str
    usual_s: float
    bound_s: float
    small: str


STEPS = (
    Step(
        "compare",
        f"compare --engines {RIVALS} --once faust,bare --runs 3 --events 600000 --no-plots",
        1_140, 1_620, f"compare --cold --engines {RIVALS} --runs 1 --events 20000 --customers 2000 --no-plots",
    ),
    Step(
        "throughput",
        "throughput --events 1000000",
        160, 260, "throughput --cold --events 20000 --customers 2000",
    ),
    Step(
        "latency",
        "latency --rates 10000,1000,5000,30000 --seconds 20",
        225, 375, "latency --cold --rates 500,1000 --customers 1000 --seconds 6",
    ),
    Step(
        "restore",
        "restore --customers 1000000",
        135, 300, "restore --cold --customers 10000",
    ),
    Step(
        "wakes",
        "wakes --customers 1000000 --seconds 20",
        280, 480, "wakes --cold --customers 5000 --seconds 5 --rate 200",
    ),
    Step(
        "curves",
        "curves --events 200000 --seconds 8",
        630, 960, "curves --cold --events 10000 --customers 1000,2000 --seconds 5",
    ),
    Step(
        "pending",
        "wakes --customers 200000 --pending 10000000 --seconds 30",
        480, 780, "wakes --cold --customers 2000 --pending 70000 --seconds 5 --rate 200",
    ),
    Step(
        "skewed",
        f"compare --engines {FEW} --load skewed --runs 1 --events 400000 --no-plots",
        340, 480, f"compare --cold --engines {FEW} --load skewed --runs 1 --events 10000 --customers 1000 --no-plots",
    ),
    Step(
        "new",
        f"compare --engines {FEW} --load new --runs 1 --events 200000 --no-plots",
        310, 480, f"compare --cold --engines {FEW} --load new --runs 1 --events 10000 --customers 1000 --no-plots",
    ),
    Step(
        "ten-million",
        "curves --only customers --customers 10000000 --events 200000",
        360, 660, "curves --cold --only customers --customers 3000 --events 10000",
    ),
    Step(
        "large",
        "large --customers 300000 --events 300000",
        210, 360, "large --cold --customers 2000 --events 10000",
    ),
)  # fmt: skip
"""In order of importance."""


@dataclass(slots=True)
class Done:
    """What became of a step: done, failed, cut off (its bound or the budget), or left out."""

    step: str
    command: str
    outcome: str
    seconds: float


def main(arguments: Sequence[str]) -> None:
    given = _arguments(arguments)
    chosen = [step for step in STEPS if not given.only or step.name in given.only]
    if given.list:
        for step in chosen:
            print(f"{step.name:<14} {step.usual_s / 60:4.1f} min, at most {step.bound_s / 60:4.1f}:  {step.command}")
        print(f"{'all':<14} {sum(step.usual_s for step in chosen) / 60:4.1f} min")
        return
    folder = FOLDER / time.strftime("run-%Y%m%dT%H%M%SZ", time.gmtime())
    os.environ[VARIABLE] = str(folder)
    result = Result("run", machine_facts(), vars(given))
    begun, done = time.monotonic(), list[Done]()
    try:
        for step in chosen:
            left_s = given.budget - (time.monotonic() - begun)
            done.append(_run(step, step.small if given.small else step.command, left_s))
            result.write(steps=[asdict(each) for each in done])
            print(f"=== {step.name}: {done[-1].outcome} after {done[-1].seconds:.0f} s", file=sys.stderr, flush=True)
    finally:
        for each in done:
            print(f"{each.step:<14} {each.outcome:<10} {each.seconds:6.0f} s  python -m bench {each.command}")
        print(f"results: {folder}")
    if any(each.outcome != "done" for each in done):
        sys.exit(1)


def bound_s(step: Step, left_s: float) -> float | None:
    """How long a step may take with so much of the budget left. None: it is left out, for less than nine tenths of what
    it is reckoned to take are left."""
    return None if left_s < 0.9 * step.usual_s else min(step.bound_s, left_s)


def _run(step: Step, command: str, left_s: float) -> Done:
    limit_s = bound_s(step, left_s)
    if limit_s is None:
        return Done(step.name, command, "left out", 0.0)
    print(f"=== {step.name}, at most {limit_s:.0f} s: python -m bench {command}", file=sys.stderr, flush=True)
    begun = time.monotonic()
    process = subprocess.Popen([sys.executable, "-m", "bench", *command.split()], cwd=ROOT, stdin=subprocess.DEVNULL)
    try:
        code = process.wait(limit_s)
        outcome = "done" if code == 0 else "failed"
    except subprocess.TimeoutExpired:
        outcome = "cut off"
    finally:
        _end(process)
    return Done(step.name, command, outcome, round(time.monotonic() - begun, 1))


def _end(process: subprocess.Popen[bytes]) -> None:
    """So that it stops what it started; when it does not, it is killed."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _arguments(arguments: Sequence[str]) -> argparse.Namespace:
    names = [step.name for step in STEPS]
    parser = argparse.ArgumentParser(
        "python -m bench all", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--budget", type=duration_s, default=45 * 60.0, help="like 45m; measuring ends after it")
    parser.add_argument("--only", default="", help=f"some of {', '.join(names)}, with commas")
    parser.add_argument("--small", action="store_true", help="few events: a try of every step")
    parser.add_argument("--list", action="store_true", help="the steps and what they are reckoned to take")
    given = parser.parse_args(arguments)
    given.only = [name for name in given.only.split(",") if name]
    if unknown := [name for name in given.only if name not in names]:
        parser.error(f"--only: found {', '.join(unknown)}, expected some of {', '.join(names)}")
    return given
