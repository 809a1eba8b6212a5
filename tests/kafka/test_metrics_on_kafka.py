"""What `/metrics` tells under real load, against what was sent and what lies in the topics."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType
from prometheus_client.parser import text_string_to_metric_families

from stream.codec.instants import to_text
from tests.kafka.apache import ApacheKafka
from tests.kafka.kit import OpenTransaction, admin_of, end_offsets
from tests.kafka.pipeline import Pipeline, Worker
from tests.kafka.torment import DEFINITIONS

EVENTS = 6_000
CUSTOMERS = 300
PARTITIONS = 2


def now_ms() -> int:
    return int(time.time() * 1000)


def keep_for(pipeline: Pipeline, retention_ms: int) -> None:
    """Set the input's retention."""
    entry = ConfigEntry("retention.ms", str(retention_ms), incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, pipeline.input, incremental_configs=[entry])
    admin = admin_of(pipeline.address)
    admin.incremental_alter_configs([resource])[resource].result(30)


class Scrape:
    """The series of one scrape."""

    def __init__(self, worker: Worker) -> None:
        code, text = worker.get("/metrics")
        assert code == 200
        self.samples = [
            (sample.name.removeprefix("segmenter_"), sample.labels, sample.value)
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        ]

    def sum(self, name: str, **labels: str) -> float:
        found = [
            value
            for sample, its, value in self.samples
            if sample == name and all(its.get(label) == wanted for label, wanted in labels.items())
        ]
        assert found, f"no series {name} {labels}"
        return sum(found)

    def has(self, name: str, **labels: str) -> bool:
        return any(name == sample and labels.items() <= its.items() for sample, its, _ in self.samples)

    def by(self, name: str, label: str) -> dict[str, float]:
        return {its[label]: value for sample, its, value in self.samples if sample == name}

    def reasons(self, partition: int) -> list[str]:
        return [
            its["reason"]
            for sample, its, value in self.samples
            if sample == "clock_blocked" and its["partition"] == str(partition) and value
        ]


@pytest.fixture
def pipeline(apache_kafka: ApacheKafka, topics: Any, tmp_path: Path) -> Iterator[Pipeline]:
    with Pipeline(apache_kafka.bootstrap, topics.prefix, tmp_path / "run", PARTITIONS) as pipeline:
        yield pipeline


def load(at_ms: int) -> list[tuple[str, dict[str, Any] | bytes | None, int]]:
    """Orders, views, what nobody asks for, repeats, late ones, rubbish and erasures; the same at every run."""
    chance = random.Random(6)
    rows: list[tuple[str, dict[str, Any] | bytes | None, int]] = []
    for number in range(EVENTS):
        customer = f"c{chance.randrange(CUSTOMERS)}"
        kind = chance.random()
        if kind < 0.01:
            rows.append((customer, b"{", at_ms))
        elif kind < 0.012:
            rows.append((customer, None, at_ms))
        else:
            name = chance.choice(["Order Completed", "Product Viewed", "Nobody Asks"])
            message = number - 1 if kind < 0.05 and number else number
            event = {"type": "track", "event": name, "timestamp": to_text(at_ms), "messageId": f"m{message}"}
            rows.append((customer, {**event, "properties": {"revenue": 10}}, at_ms))
    return rows


def test_under_load_the_metrics_are_what_was_sent_and_what_lies_in_the_topics(
    apache_kafka: ApacheKafka, topics: Any, tmp_path: Path
) -> None:
    with Pipeline(apache_kafka.bootstrap, topics.prefix, tmp_path, PARTITIONS, DEFINITIONS) as pipeline:
        check_under_load(pipeline)


def check_under_load(pipeline: Pipeline) -> None:
    worker = pipeline.start_ready()
    rows = load(now_ms())
    pipeline.send(rows)
    pipeline.wait_caught_up()
    pipeline.wait_for(lambda: Scrape(worker).sum("events_processed_total") == EVENTS)
    pipeline.wait_for(lambda: Scrape(worker).sum("consumer_lag") == 0)
    told = Scrape(worker)
    changes, rejected = pipeline.changes(), pipeline.read("customer-events-rejected")

    names = Counter(row[1].get("event") for row in rows if isinstance(row[1], dict))
    assert told.by("events_by_name_total", "event")["Order Completed"] == names["Order Completed"]
    assert told.sum("events_by_name_total") == sum(names.values())
    assert told.sum("rejected_events_total") == len(rejected) == sum(row[1] == b"{" for row in rows)
    assert told.sum("customers_erased_total") == sum(change["type"].endswith("erased.v1") for change in changes)
    segments = Counter(
        (change["segment"], "entered" if change["member"] else "exited") for change in changes if "segment" in change
    )
    for (segment, direction), count in segments.items():
        assert told.sum("changes_total", segment=segment, direction=direction) == count
    flows = Counter(
        (change["dimension"], change["from_stage"] or "-", change["to_stage"])
        for change in changes
        if "dimension" in change
    )
    for (dimension, before, after), count in flows.items():
        labels = {"dimension": dimension, "from_stage": before, "to_stage": after}
        assert told.sum("stage_flows_total", **labels) == count
    latest = {
        json.loads(record.value)["customer_id"] for record in pipeline.read("segment-memberships") if record.value
    }
    assert segments and flows
    assert 0 < told.sum("customers") <= len(latest)
    assert told.sum("produced_records_total", topic=pipeline.topic("segment-changes")) == len(changes)
    assert 0 < told.sum("change_latency_seconds_count", cause="event") <= len(changes)
    assert told.sum("commit_phase_seconds_count", phase="store") == told.sum("commit_duration_seconds_count")
    assert told.sum("customer_lookups_total") >= told.sum("store_reads_total") > 0
    positions = told.by("partition_position", "partition")
    assert positions == {str(number): end for number, end in end_offsets(pipeline.address, pipeline.input).items()}
    assert told.reasons(0) == told.reasons(1) == []


def test_what_the_watch_sees_is_there_soon_after_the_start(pipeline):
    at_ms = now_ms()
    worker = pipeline.start_ready()
    pipeline.send([(f"c{n}", event, at_ms) for n, (_, event, _) in enumerate(load(at_ms)[:50])])
    pipeline.wait_caught_up()
    pipeline.wait_for(lambda: Scrape(worker).has("wakes_due", within="7d", partition="1"))
    counted_s = time.time()
    pipeline.wait_for(lambda: Scrape(worker).sum("watch_completed_timestamp_seconds") > counted_s)
    told = Scrape(worker)
    assert 0 < told.sum("data_dir_free_bytes") < told.sum("data_dir_size_bytes")
    assert abs(told.sum("ends_asked_timestamp_seconds") - time.time()) < 15
    assert abs(told.sum("clock_skew_seconds")) < 1
    assert not told.has("input_retention_seconds"), "the topic keeps everything"
    assert told.sum("open_transaction_seconds") == 0


def test_an_upstreams_open_transaction_is_named_as_the_reason_while_the_other_partition_goes_on(pipeline):
    worker = pipeline.start_ready()
    upstream = OpenTransaction(pipeline.address)
    held = next(f"c{n}" for n in range(10) if pipeline.partition_of(f"c{n}") == 1)
    order = {"type": "track", "event": "Order Completed", "timestamp": to_text(now_ms()), "messageId": "held"}
    upstream.produce(pipeline.input, [pipeline.outgoing(held, order, now_ms())])
    pipeline.wait_for(lambda: Scrape(worker).reasons(1) == ["open-transaction"], 40)
    told = Scrape(worker)
    assert told.reasons(0) == []
    assert told.sum("open_transaction_seconds", topic=pipeline.input, partition="1") > 0
    assert told.sum("consumer_lag", partition="1") == 1
    upstream.commit()
    pipeline.wait_for(lambda: Scrape(worker).reasons(1) == [])


def test_headroom_is_the_age_of_the_first_unread_record_against_the_retention(apache_kafka, topics, tmp_path):
    hour_ms = 3_600_000
    with Pipeline(apache_kafka.bootstrap, topics.prefix, tmp_path / "run", 1) as pipeline:
        pipeline.settings["start_from"] = "kept"  # a window may look further back than this input keeps
        keep_for(pipeline, 24 * hour_ms)
        upstream = OpenTransaction(pipeline.address)  # nobody can read past it
        at_ms = now_ms() - 20 * hour_ms
        order = {"type": "track", "event": "Order Completed", "timestamp": to_text(at_ms), "messageId": "held"}
        upstream.produce(pipeline.input, [pipeline.outgoing("c1", order, at_ms)])
        worker = pipeline.start_ready()
        pipeline.wait_for(lambda: Scrape(worker).has("input_headroom_seconds"), 60)
        told = Scrape(worker)
        assert told.sum("input_retention_seconds") == 24 * 3600
        assert 4 * 3600 - 120 < told.sum("input_headroom_seconds", partition="0") <= 4 * 3600
        upstream.abort()
