"""The capacity page: what it reckons, and that it rests on figures that are published."""

from __future__ import annotations

import json
from dataclasses import replace
from math import ceil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from stream.app import capacity
from stream.app.capacity import COLD, FIGURES, PENDING, STATE, WARM, Load, figures_table, reckon
from stream.config import load_settings
from stream.engine.turns import EARLY_COMMIT
from stream.kafka.topics import DAY_MS, plan
from tests.cli.commands import SHOP, run

PERFORMANCE = Path(__file__).parents[2] / "docs/performance.md"
LOADS = some.builds(
    Load, events_s=some.floats(0.01, 1e6), customers=some.integers(1, 10**9), replication=some.integers(1, 5)
)


def values(load: Load) -> dict[str, float]:
    return {line.name: line.value for line in reckon(load)}


def test_the_figures_are_published_with_the_measurements() -> None:
    assert figures_table() in PERFORMANCE.read_text("utf-8")


def test_every_line_has_a_formula_and_every_figure_is_used() -> None:
    lines = [*reckon(Load(1000, 10_000)), *reckon(Load(1000, 10**8))]

    assert all(line.formula for line in lines)
    assert {figure for line in lines for figure in line.rests_on} == set(FIGURES)


@given(LOADS)
def test_more_of_anything_never_needs_less(load: Load) -> None:
    before = values(load)

    for more in (replace(load, events_s=load.events_s * 2), replace(load, replication=load.replication + 1)):
        after = values(more)
        assert all(after[name] >= before[name] for name in ("workers", "partitions", "input a day", "segment-changes"))
    assert values(replace(load, customers=load.customers * 2))["segmenter-state"] >= before["segmenter-state"]


@given(LOADS)
def test_the_workers_are_enough_and_never_more_than_the_partitions(load: Load) -> None:
    found = values(load)
    share = load.customers / found["workers"]
    speed = WARM if share <= capacity.WARM_CUSTOMERS else COLD

    assert found["workers"] * capacity.BUSY_SHARE * speed.value >= load.events_s * (1 - 1e-9)
    assert found["partitions"] >= found["workers"]
    assert found["disk a worker"] == pytest.approx(2 * share * STATE.value)


def test_the_constants_are_those_of_the_worker_and_of_the_topics_it_makes() -> None:
    kafka = {"bootstrap.servers": "localhost:1"}
    settings = load_settings(None, {"name": "n", "definitions": "d", "kafka": kafka})
    made = {spec.name: spec.config for spec in plan(settings, [], 0)}
    state = made[settings.topics.state]

    assert PENDING == EARLY_COMMIT
    assert settings.commit_interval_ms / 1000 == 1 / capacity.COMMITS_S
    assert float(state["min.cleanable.dirty.ratio"]) == capacity.DIRTY_SHARE
    assert int(state["segment.bytes"]) == capacity.SEGMENT_BYTES
    for topic, kept in ((settings.topics.changes, "changes"), (settings.topics.journal, "journal")):
        assert int(made[topic]["retention.ms"]) == capacity.KEPT_DAYS[kept] * DAY_MS
    load = Load(1, 1)
    assert (load.cache_customers, load.cache_memory_bytes) == (settings.cache_customers, settings.cache_memory_bytes)


def test_the_command_prints_each_line_with_its_formula_and_figures() -> None:
    result = run("capacity", "--events", 20_000, "--customers", 1_000_000, "-d", SHOP)

    assert result.exit_code == 0
    assert f"workers               {ceil(20_000 / (0.8 * COLD.value))}\n" in result.stdout
    assert f"measured: {COLD.value:,} events/s, {COLD.what}" in result.stdout
    assert "largest state record" in result.stdout


def test_the_command_prints_json_with_values_in_base_units() -> None:
    told = json.loads(run("capacity", "--events", 20_000, "--customers", 1_000_000, "--json").stdout)

    assert {line["name"]: line["value"] for line in told} == values(Load(20_000, 1_000_000))
