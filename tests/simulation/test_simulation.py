"""Laws of the commit cycle in simulated worlds: whatever happens, what comes out is what must.

`python -m tests.simulation` runs many more seeds than these.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.__main__ import report
from tests.simulation.broker import DELETE_RETENTION_MS
from tests.simulation.coverage import MUST_HAPPEN, never_happened
from tests.simulation.items import Item, program
from tests.simulation.run import Result, run_items, run_seed, shrink

SEEDS = 300
CHUNK = 50
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_whatever_happens_the_changes_are_the_expected_ones(first: int) -> None:
    failed = [report(result) for seed in range(first, first + CHUNK) if (result := run_seed(seed)).problems]

    assert failed == [], "\n".join(failed)


def test_an_old_copy_of_an_erased_customer_is_set_aside_when_the_tombstone_is_gone() -> None:
    event = {"customer": "c1", "event": "purchase", "late_ms": 0, "ahead_ms": 0, "id": "new"}
    result = run_items(
        1,
        [
            Item("start", {"instance": "a"}, 1_000), *[Item("send", event, 700)] * 6,
            Item("erase", {"customer": "c1"}, 700), *[Item("compact")] * 5, Item("wait", {}, DELETE_RETENTION_MS),
            *[Item("compact")] * 5, Item("old_disk", {"instance": "a", "age": 1}, 1_000),
        ],
    )  # fmt: skip

    assert result.problems == []
    assert result.counts["old tombstones compacted away"] and result.counts["old data directory put back"]
    assert result.counts["set aside: count or digest differ"] == 1


def test_an_old_copy_that_did_not_hear_of_definitions_taken_out_is_set_aside() -> None:
    result = run_seed(9224)

    assert result.problems == []
    assert result.counts["set aside: it holds definitions that the state no longer has"]


@pytest.mark.parametrize("seed", [3, 17, 42])
def test_a_seed_gives_the_same_bytes_again(seed: int) -> None:
    once = run_seed(seed)

    assert run_seed(seed) == once


def test_a_seed_gives_the_same_bytes_in_another_process() -> None:
    code = "from tests.simulation.run import run_seed; print([run_seed(seed).digest for seed in range(5)])"
    digests = {
        subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True, text=True, timeout=60, check=True,
        ).stdout
        for hash_seed in ("1", "2")
    }  # fmt: skip

    assert digests == {f"{[run_seed(seed).digest for seed in range(5)]}\n"}


def test_other_seeds_are_other_worlds() -> None:
    assert len({run_seed(seed).digest for seed in range(20)}) == 20


def test_a_failing_list_of_items_is_shrunk_to_those_that_matter() -> None:
    items = program(7)
    needed = [items[3], items[20]]

    assert shrink(7, items, lambda shorter: all(item in shorter for item in needed)) == needed


def test_a_failing_seed_says_what_is_wrong_and_how_to_run_it_again() -> None:
    quiet = run_items(1, [Item("start", {"instance": "a"})])
    failed = Result(4711, 3, ["a change is missing"], quiet.counts, quiet.digest, quiet.virtual_ms)

    assert report(failed) == (
        "seed 4711 failed:\n  a change is missing\n  again: python -m tests.simulation --seed 4711"
    )


def test_what_never_happened_is_told() -> None:
    quiet = run_items(1, [Item("start", {"instance": "a"})])

    assert set(never_happened(quiet.counts)) >= {name for name in MUST_HAPPEN if name.startswith("crash ")}
