"""Streams as they really are: duplicates, disorder, poison in between, one customer with nearly everything."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.kafka.apache import ApacheKafka
from tests.kafka.pipeline import Pipeline
from tests.kafka.test_rejected import POISON
from tests.kafka.torment import Events, all_is_well, events_of, parts_of, torment

NEAR = 8
"""Events arrive at most so many places from where they belong."""


@pytest.fixture
def pipeline(apache_kafka: ApacheKafka, topics: Any, tmp_path: Path) -> Iterator[Pipeline]:
    with torment(apache_kafka, topics.prefix, tmp_path) as running:
        yield running


def shuffled(events: Events, dice: random.Random) -> Events:
    places = [(index + dice.uniform(0, NEAR), event) for index, event in enumerate(events)]
    return [event for _, event in sorted(places, key=lambda place: place[0])]


def test_duplicates_disorder_and_poison_change_only_what_the_oracle_says(pipeline: Pipeline) -> None:
    dice = random.Random(61)
    events = shuffled(events_of(seed=61), dice)
    stream: Events = []
    for event in events:
        stream.append(event)
        if dice.random() < 0.2:
            stream.append(dice.choice(stream[-20:]))  # again, soon after
        if dice.random() < 0.1:
            stream.append((event[0], dice.choice(list(POISON)), event[2]))
    worker = pipeline.start_ready()

    for part in parts_of(stream, 3):
        pipeline.send(part)
    all_is_well(pipeline)

    poison = sum(isinstance(value, bytes) for _, value, _ in stream)
    assert len(pipeline.read("customer-events-rejected")) >= poison
    assert worker.alive


def test_a_customer_with_nine_of_ten_events_keeps_its_order_and_the_others_theirs(pipeline: Pipeline) -> None:
    dice = random.Random(62)
    hot = "c0"
    events = [(hot if dice.random() < 0.9 else customer, value, at_ms) for customer, value, at_ms in events_of(seed=62)]
    pipeline.send(events)
    pipeline.start_ready()
    all_is_well(pipeline)
    assert {change["customer_id"] for change in pipeline.changes()} > {hot}


@pytest.mark.parametrize("seed", [63, 64])
def test_workers_come_and_go_at_random_under_load_and_nothing_is_lost_or_doubled(
    apache_kafka: ApacheKafka, topics: Any, tmp_path: Path, seed: int
) -> None:
    dice = random.Random(seed)
    with torment(apache_kafka, topics.prefix, tmp_path, partitions=6) as pipeline:
        running = {"a": pipeline.start_ready("a")}
        for part in parts_of(events_of(seed, customers=36), 5):
            pipeline.send(part)
            absent = sorted({"a", "b", "c"} - set(running))
            if absent and (len(running) == 1 or dice.random() < 0.6):
                running[absent[0]] = pipeline.start_ready(absent[0])
            else:
                leaving = running.pop(dice.choice(sorted(running)))
                if dice.random() < 0.5:
                    leaving.kill()
                else:
                    assert leaving.stop() == 0
        all_is_well(pipeline)
