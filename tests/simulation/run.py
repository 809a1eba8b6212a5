"""One seed from beginning to end; and a failing list of items made shorter."""

from __future__ import annotations

import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import SimpleNamespace

import structlog

from stream.engine import engine as engine_module
from stream.engine import phases as phases_module
from stream.engine import restore as restore_module
from stream.engine import task as task_module
from stream.engine import turns as turns_module
from stream.engine.task import PARKED_PER_STEP
from tests.simulation.check import problems
from tests.simulation.definitions import DAY_MS
from tests.simulation.items import Item, program
from tests.simulation.world import World

SHRINK_RUNS = 400
GROW_OLD_MS = 40 * DAY_MS
"""Longer than every window, so that every silence is noticed."""


@dataclass(frozen=True)
class Result:
    """What came of a seed. `counts`: what happened, how often. `digest`: of all that was written."""

    seed: int
    items: int
    problems: list[str]
    counts: Counter[str]
    digest: str
    virtual_ms: int


def run_seed(seed: int) -> Result:
    return run_items(seed, program(seed))


def run_items(seed: int, items: list[Item]) -> Result:
    """Play the items, let the world come to rest, and check."""
    with settled(seed, items) as world:
        try:
            found = problems(world)
        except Exception as error:
            found = [*world.problems, f"what was written can't be read: {type(error).__name__}: {error}"]
        return Result(seed, len(items), found, +world.counts, world.digest(), world.now_ms)


@contextmanager
def settled(seed: int, items: list[Item] | None = None) -> Iterator[World]:
    """The world of a seed at rest: its items have happened, everything healed, settled, grew old and settled again."""
    world = World(seed)
    with _quiet(), _laws_of(world):
        world.play(program(seed) if items is None else items)
        world.heal()
        world.settle()
        world.jump(GROW_OLD_MS)
        world.settle()
        yield world
        world.end()


def shrink(seed: int, items: list[Item], fails: Callable[[list[Item]], bool]) -> list[Item]:
    """A shorter list that still fails: whole stretches are left out as long as that works, then smaller ones."""
    size, runs = len(items) // 2, 0
    while size:
        start, dropped = 0, False
        while start < len(items) and runs < SHRINK_RUNS:
            shorter = items[:start] + items[start + size :]
            runs += 1
            if fails(shorter):
                items, dropped = shorter, True
            else:
                start += size
        if runs >= SHRINK_RUNS:
            break
        size = size if dropped and size == 1 else size // 2
    return items


@contextmanager
def _laws_of(world: World) -> Iterator[None]:
    """The engine measures how long firing and the broker take, and goes by it: by the world's time, not the
    machine's. And a commit takes as many wakes as the world allows, a step looks at so many parked customers."""
    clock = SimpleNamespace(perf_counter=lambda: world.now_ms / 1000, monotonic=lambda: world.now_ms / 1000)
    modules = (engine_module, phases_module, restore_module, turns_module)
    for module in modules:
        module.time = clock
    bounds = turns_module.FIRST_WAKES, turns_module.LEAST_WAKES, turns_module.MOST_WAKES
    if world.stormy:
        turns_module.FIRST_WAKES, turns_module.LEAST_WAKES, turns_module.MOST_WAKES = world.wakes_per_commit
    task_module.PARKED_PER_STEP = 1 if world.stormy else PARKED_PER_STEP
    try:
        yield
    finally:
        for module in modules:
            module.time = time
        turns_module.FIRST_WAKES, turns_module.LEAST_WAKES, turns_module.MOST_WAKES = bounds
        task_module.PARKED_PER_STEP = PARKED_PER_STEP


def _drop(*_: object) -> dict[str, object]:
    raise structlog.DropEvent


@contextmanager
def _quiet() -> Iterator[None]:
    """What thousands of workers log is of no interest, nor that a killed one never began some of its work."""
    before = structlog.get_config()
    structlog.configure(processors=[_drop])
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "coroutine .* was never awaited", RuntimeWarning)
            yield
    finally:
        structlog.configure(**before)
