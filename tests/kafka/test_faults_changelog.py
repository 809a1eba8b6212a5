"""The state topic cut off or gone: the worker refuses when it needs what is missing, and says what to do."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from stream.codec.instants import to_text
from stream.codec.journal import META_KEY
from tests.kafka.apache import ApacheKafka
from tests.kafka.kit import admin_of, begin_offsets, delete_topics, end_offsets
from tests.kafka.pipeline import Pipeline, Worker
from tests.kafka.test_state import digests
from tests.kafka.torment import Events, all_is_well, events_of, parts_of, torment

REFUSED = 5
REMEDY = "begin anew under another `name` and `output_prefix`"


@pytest.fixture
def pipeline(apache_kafka: ApacheKafka, topics: Any, tmp_path: Path) -> Iterator[Pipeline]:
    with torment(apache_kafka, topics.prefix, tmp_path) as running:
        yield running


def configure(admin: AdminClient, kind: ResourceType, name: str, **options: str) -> None:
    """Options with `_` for `.`."""
    entries = [
        ConfigEntry(option.replace("_", "."), value, incremental_operation=AlterConfigOpType.SET)
        for option, value in options.items()
    ]
    for answer in admin.incremental_alter_configs([ConfigResource(kind, name, incremental_configs=entries)]).values():
        answer.result(20)


def ran_and_stopped(pipeline: Pipeline, events: Events) -> Worker:
    pipeline.send(events)
    worker = pipeline.start_ready()
    pipeline.wait_caught_up()
    assert worker.stop() == 0
    return worker


def refusal(pipeline: Pipeline) -> str:
    """Of the worker started now; it must end by itself."""
    worker = pipeline.start()
    size = len(worker.log)
    pipeline.wait_for(lambda: not worker.alive)
    assert worker.process.returncode == REFUSED, worker.log
    return worker.log[size:] or worker.log


def test_a_state_topic_that_was_cut_off_is_noticed_when_it_is_needed_and_beginning_anew_helps(
    pipeline: Pipeline, apache_kafka: ApacheKafka, tmp_path: Path
) -> None:
    before, after = parts_of(events_of(seed=52), 2)
    worker = ran_and_stopped(pipeline, before)
    state = pipeline.topic("segmenter-state")
    admin = admin_of(pipeline.address)
    configure(admin, ResourceType.TOPIC, state, cleanup_policy="delete")
    ends = end_offsets(pipeline.address, state)
    cuts = [TopicPartition(state, partition, end - 6) for partition, end in ends.items()]
    for answer in admin.delete_records(cuts).values():
        answer.result(20)
    assert all(begin_offsets(pipeline.address, state).values())

    assert "compact" in refusal(pipeline)
    configure(admin, ResourceType.TOPIC, state, cleanup_policy="compact")
    worker = pipeline.start_ready()  # its own copy has everything
    pipeline.send(after[:40])
    pipeline.wait_caught_up()
    assert worker.stop() == 0
    shutil.rmtree(worker.data_dir)
    said = refusal(pipeline)

    assert "records of the state topic are missing" in said and REMEDY in said
    anew = torment(apache_kafka, f"{pipeline.prefix}2-", tmp_path / "anew", input=pipeline.input)
    with anew:
        anew.send(after[40:])
        anew.start_ready()
        all_is_well(anew)


def test_a_state_topic_that_was_deleted_is_refused_with_the_remedy(pipeline: Pipeline) -> None:
    ran_and_stopped(pipeline, events_of(seed=53, each=4))
    delete_topics(admin_of(pipeline.address), [pipeline.topic("segmenter-state")])

    assert "segmenter topics create" in refusal(pipeline)

    pipeline.run("topics", "create", "--config", str(pipeline.config("admin")))
    assert REMEDY in refusal(pipeline)


def test_a_state_topic_compacted_under_load_gives_a_lost_data_directory_back_and_verify_finds_nothing(
    pipeline: Pipeline,
) -> None:
    state = pipeline.topic("segmenter-state")
    memberships = pipeline.topic("segment-memberships")
    eager = {"min_cleanable_dirty_ratio": "0.01", "segment_ms": "500", "delete_retention_ms": "100"}
    for topic in (state, memberships):
        configure(admin_of(pipeline.address), ResourceType.TOPIC, topic, **eager)
    worker = pipeline.start_ready()
    *parts, last = parts_of(events_of(seed=54), 9)
    for part in parts:
        pipeline.send(part)
        pipeline.wait_caught_up()
    trickle = iter(range(10_000))

    def compacted() -> bool:
        """Under load: a segment is cleaned only once a newer record has begun the next."""
        customer, _, at_ms = last[0]
        viewed = {"type": "track", "event": "Product Viewed", "timestamp": to_text(at_ms)}
        pipeline.send([(customer, {**viewed, "messageId": f"trickle-{next(trickle)}"}, at_ms)])
        return set(metas(pipeline)) == {0, 1} and max(metas(pipeline).values()) * 2 < len(parts)

    pipeline.wait_for(compacted)
    pipeline.wait_caught_up()
    worker.kill()
    before = digests(pipeline)
    shutil.rmtree(worker.data_dir)
    begun = len(worker.log)
    worker = pipeline.start_ready()

    assert worker.log[begun:].count('"rebuilt": true') == 2
    assert {partition: digests(pipeline)[partition] for partition in before} == before
    pipeline.send(last)
    all_is_well(pipeline)


def metas(pipeline: Pipeline) -> Counter[int]:
    """How many meta records are left in each partition; every commit wrote one."""
    return Counter(record.partition for record in pipeline.read("segmenter-state") if record.key == META_KEY)
