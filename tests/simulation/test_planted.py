"""Planted bugs: a mistake written into the worker must be found within a bounded number of seeds, or all the zeros of
the simulation mean nothing. Without the mistake the same seed is clean."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.simulation import planted_holds, planted_rules
from tests.simulation.planted import PLANTED, Planted
from tests.simulation.run import run_items, run_seed

TRIED = 150
"""Within so many seeds each is found; nearly all within fifteen."""

assert planted_holds and planted_rules, "imported for the bugs it registers"

RELIABILITY = Path(__file__).parents[2] / "docs" / "reliability.md"


@pytest.mark.parametrize("name", PLANTED)
def test_planted_bug_is_found(name: str) -> None:
    bug = PLANTED[name]
    with pytest.MonkeyPatch.context() as patch:
        bug.plant(patch)
        seed = None if bug.law else first_failing(bug)
        assert seed is not None or breaks(bug.law), f"{bug.what}: nobody noticed"

    assert seed is None or not run(bug, seed), "the same seed fails without the bug"


def test_planted_bugs_are_at_least_fifteen_and_stand_for_every_experiment_on_the_commit_cycle() -> None:
    figures_only = {14}  # how long a transaction takes

    assert len(PLANTED) >= 15
    assert {bug.row for bug in PLANTED.values()} - {0} == set(range(1, 15)) - figures_only


def test_planted_bugs_are_those_of_the_table() -> None:
    section = RELIABILITY.read_text("utf-8").partition("## Planted bugs")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `([a-z-]+)` \| (.+?) \| (.+?) \|$", section, re.MULTILINE)

    assert rows == [(bug.name, bug.what, found_by(bug)) for bug in PLANTED.values()]


def found_by(bug: Planted) -> str:
    """As the table says it."""
    if bug.law is None:
        return "simulation"
    return f"`{bug.law.__module__.replace('.', '/')}.py`"


def first_failing(bug: Planted) -> int | None:
    return next((seed for seed in range(bug.first, bug.first + TRIED) if run(bug, seed)), None)


def run(bug: Planted, seed: int) -> list[str]:
    """What is wrong with the world of this seed."""
    return (run_items(seed, bug.items) if bug.items else run_seed(seed)).problems


def breaks(law: Callable[[], Any] | None) -> bool:
    """Whether the law does not hold now; its own test says that it does without the bug."""
    if law is None:
        return False
    try:
        outcome = law()
        if asyncio.iscoroutine(outcome):
            asyncio.run(outcome)
    except (Exception, pytest.fail.Exception):
        return True
    return False
