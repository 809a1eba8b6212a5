"""Exactly once, whatever is killed: the changes on the topic are the oracle's, once each."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stream.app.crash_points import POINTS
from stream.codec.instants import to_text
from tests.kafka.apache import ApacheKafka
from tests.kafka.pipeline import Pipeline
from tests.kafka.proof import prove

DAY = 86_400_000
HOUR = 3_600_000


def history(customers: int, events_each: int, seed: int, start_ms: int, span_ms: int) -> Iterator[tuple[str, Any, int]]:
    """A shop's events over a span, in order of time, some of them late. On a grid of whole minutes plus 17 s, so that
    nothing is due at the very instant at which the test looks."""
    dice = random.Random(seed)
    moments = sorted(
        (start_ms + dice.randrange(span_ms) // 60_000 * 60_000 + 17_000, dice.randrange(customers))
        for _ in range(customers * events_each)
    )
    for number, (at_ms, customer) in enumerate(moments):
        late_ms = dice.choice((0, 0, 0, 0, HOUR, 3 * DAY))
        name = dice.choice(("Order Completed", "Product Added", "Product Viewed", "identify"))
        event: dict[str, Any] = {"type": "track", "event": name, "properties": {"revenue": dice.randrange(10, 400)}}
        if name == "identify":
            event = {"type": "identify", "traits": {"marketing_consent": dice.random() < 0.8}}
        event |= {"timestamp": to_text(at_ms - late_ms), "messageId": f"m{number}"}
        yield f"c{customer}", event, at_ms


def a_year_back() -> int:
    return int(time.time() * 1000) // 60_000 * 60_000 - 400 * DAY


@pytest.fixture
def pipeline(apache_kafka: ApacheKafka, topics: Any, tmp_path: Path) -> Iterator[Pipeline]:
    with Pipeline(apache_kafka.bootstrap, topics.prefix, tmp_path) as running:
        yield running


def settle_and_check(pipeline: Pipeline) -> None:
    """All read, the clock caught up, everything as the oracle says, nothing left open, `segmenter verify` green."""
    pipeline.check_exactly_once()
    prove(pipeline)


def test_a_history_of_last_year_gives_each_customer_the_oracles_changes_at_the_same_instants(pipeline):
    pipeline.send(history(40, 12, seed=1, start_ms=a_year_back(), span_ms=380 * DAY))
    pipeline.start_ready()
    settle_and_check(pipeline)


@pytest.mark.parametrize("point", POINTS)
def test_a_worker_killed_at_a_crash_point_loses_and_doubles_nothing(pipeline, point):
    events = list(history(30, 12, seed=2, start_ms=a_year_back(), span_ms=380 * DAY))
    pipeline.send(events[:200])
    worker = pipeline.start("a", SEGMENTER_CRASH_AT=f"{point}:2")
    pipeline.wait_for(lambda: not worker.alive or pipeline.caught_up(), 40)
    pipeline.send(events[200:])
    pipeline.wait_for(lambda: not worker.alive, 40)
    assert worker.process.returncode == -9
    pipeline.start("a")
    settle_and_check(pipeline)


def test_a_worker_killed_again_and_again_under_load_loses_and_doubles_nothing(pipeline):
    dice = random.Random(3)
    events = list(history(40, 15, seed=3, start_ms=a_year_back(), span_ms=380 * DAY))
    worker = pipeline.start("a")
    for slice_start in range(0, len(events), 100):
        pipeline.send(events[slice_start : slice_start + 100])
        running = worker
        pipeline.wait_for(lambda running=running: running.get("/livez")[0] == 200 or not running.alive, 40)
        pause = time.monotonic() + dice.random() * 1.5
        pipeline.wait_for(lambda until=pause: time.monotonic() > until)
        worker.kill()
        worker = pipeline.start("a")
    settle_and_check(pipeline)


def test_from_one_worker_to_three_and_back_under_load_nothing_is_lost_or_doubled(apache_kafka, topics, tmp_path):
    with Pipeline(apache_kafka.bootstrap, topics.prefix, tmp_path, partitions=6) as pipeline:
        events = list(history(60, 12, seed=4, start_ms=a_year_back(), span_ms=380 * DAY))
        parts = [events[i : i + 120] for i in range(0, len(events), 120)]
        pipeline.send(parts[0])
        pipeline.start_ready("a")
        pipeline.send(parts[1])
        second = pipeline.start_ready("b")
        pipeline.send(parts[2])
        third = pipeline.start_ready("c")
        pipeline.send(parts[3])
        assert second.stop() == 0
        pipeline.send(parts[4])
        assert third.stop() == 0
        pipeline.send([event for part in parts[5:] for event in part])
        settle_and_check(pipeline)


def test_a_worker_frozen_past_its_session_leaves_nothing_of_its_open_work_when_it_goes_on(pipeline):
    events = list(history(40, 12, seed=5, start_ms=a_year_back(), span_ms=380 * DAY))
    pipeline.send(events[:150])
    first = pipeline.start_ready("a")
    pipeline.start_ready("b")
    pipeline.send(events[150:250])
    first.freeze()
    pipeline.send(events[250:350])
    pipeline.wait_caught_up(60)
    first.thaw()
    pipeline.send(events[350:])
    pipeline.supervise(first)
    settle_and_check(pipeline)


def test_a_stopped_worker_commits_what_it_did_and_ends_with_0_within_10_seconds(pipeline):
    pipeline.send(history(30, 10, seed=6, start_ms=a_year_back(), span_ms=380 * DAY))
    worker = pipeline.start_ready()
    started = time.monotonic()
    assert worker.stop() == 0
    assert time.monotonic() - started < 10
    pipeline.start_ready()
    settle_and_check(pipeline)
