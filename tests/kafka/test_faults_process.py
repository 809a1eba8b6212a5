"""Workers that are stopped, frozen or robbed of their transactional id: nothing is lost, doubled or left open."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import KafkaException

from tests.kafka.apache import ApacheKafka
from tests.kafka.kit import OpenTransaction, Outgoing
from tests.kafka.pipeline import Pipeline
from tests.kafka.torment import all_is_well, events_of, parts_of, torment

TRANSACTION_S = 5.0


@pytest.fixture
def pipeline(apache_kafka: ApacheKafka, topics: Any, tmp_path: Path) -> Iterator[Pipeline]:
    with torment(apache_kafka, topics.prefix, tmp_path) as running:
        yield running


def test_a_second_sigterm_does_not_cut_the_orderly_end_short(pipeline: Pipeline) -> None:
    before, after = parts_of(events_of(seed=21), 2)
    worker = pipeline.start_ready()
    pipeline.send(before)

    worker.process.terminate()
    pipeline.wait_for(lambda: worker.get("/readyz")[0] != 200)  # it has heard of it
    worker.process.terminate()

    assert worker.process.wait(10) == 0
    pipeline.start()
    pipeline.send(after)
    all_is_well(pipeline)


@pytest.mark.parametrize("point", ["after-produce", "before-commit", "before-store"])
def test_a_worker_frozen_in_mid_commit_past_its_session_and_transaction_harms_nobody_when_it_goes_on(
    pipeline: Pipeline, point: str
) -> None:
    before, meanwhile, after = parts_of(events_of(seed=22), 3)
    zombie = pipeline.start("a", SEGMENTER_CRASH_AT=f"{point}:2:freeze")
    pipeline.wait_for(lambda: zombie.get("/readyz")[0] == 200, 40, zombie)
    pipeline.send(before)
    pipeline.wait_for(lambda: pipeline.caught_up() or zombie.frozen)
    pipeline.send(meanwhile)
    pipeline.wait_for(lambda: zombie.frozen)
    frozen_s = time.monotonic()

    pipeline.start("b")
    pipeline.wait_caught_up()
    pipeline.wait_for(lambda: time.monotonic() > frozen_s + TRANSACTION_S + 1)
    zombie.thaw()
    pipeline.send(after)

    pipeline.wait_for(lambda: not zombie.alive or zombie.get("/livez")[0] == 200)
    pipeline.supervise(zombie)
    all_is_well(pipeline)


def test_a_rogue_producer_with_the_workers_transactional_id_ends_the_worker_and_a_restart_heals(
    pipeline: Pipeline,
) -> None:
    before, meanwhile, after = parts_of(events_of(seed=23), 3)
    worker = pipeline.start_ready()
    pipeline.send(before)
    pipeline.wait_caught_up()

    rogue = OpenTransaction(pipeline.address, f"{pipeline.prefix}shop-a")
    pipeline.send(meanwhile)

    pipeline.wait_for(lambda: not worker.alive)
    assert worker.process.returncode not in (0, -9)
    assert "Fenced" in worker.log
    pipeline.start_ready()
    with pytest.raises(KafkaException):  # now the rogue is the one who is fenced
        rogue.produce(pipeline.topic("segment-changes"), [Outgoing(b"c1", b"forged", 0)])
    pipeline.send(after)
    all_is_well(pipeline)
