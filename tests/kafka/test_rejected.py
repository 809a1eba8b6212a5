"""What can't be used goes to the rejected topic, byte for byte, and everything else goes on."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.kafka.apache import ApacheKafka
from tests.kafka.failing_worker import BROKEN_MESSAGE
from tests.kafka.kit import Outgoing, produce
from tests.kafka.pipeline import Pipeline

GOOD = {"type": "track", "event": "Order Completed", "properties": {"revenue": 10}}

POISON = {
    b"\xff\xfe": "invalid-utf8",
    b"{": "invalid-json",
    b"[]": "not-an-object",
    b'{"type":"track","event":"x","userId":"c1","properties":{"n":NaN}}': "invalid-json",
    b'{"type":"track","event":"x","userId":"c1","properties":{"n":18446744073709551616}}': "bad-number",
    b'{"type":"track","event":"x"}': "missing-customer-id",
    b'{"type":"track","event":"x","userId":"other"}': "key-mismatch",
    b'{"type":"track","userId":"c1"}': "missing-event-name",
    b'{"type":"track","event":"x","userId":"c1","timestamp":"yesterday"}': "bad-timestamp",
    b'{"type":"alias","userId":"c1","previousId":"c0"}': "alias-not-supported",
    b'{"a":' * 40 + b"1" + b"}" * 40: "too-deep",
    b'{"type":"track","event":"x","userId":"c1","properties":{"t":"' + b"x" * 300_000 + b'"}}': "too-large",
}


@pytest.fixture
def pipeline(apache_kafka: ApacheKafka, topics: Any, tmp_path: Path) -> Iterator[Pipeline]:
    with Pipeline(apache_kafka.bootstrap, topics.prefix, tmp_path, partitions=1) as running:
        yield running


def test_every_poison_record_is_kept_byte_for_byte_with_its_reason_and_the_rest_is_processed(pipeline):
    pipeline.start_ready()
    headers = [("trace", b"\x00\x01")]
    offsets = produce(
        pipeline.address, pipeline.input, [Outgoing(b"c1", value, 0, headers=headers) for value in POISON]
    )
    pipeline.send([("c1", GOOD, int(time.time() * 1000))])
    pipeline.wait_caught_up()
    rejected = pipeline.read("customer-events-rejected")
    assert [(r.key, r.value, r.header("segmenter_reason").decode(), r.header("trace")) for r in rejected] == [
        (b"c1", value, reason, b"\x00\x01") for value, reason in POISON.items()
    ]
    assert [int(r.header("segmenter_source_offset")) for r in rejected] == offsets
    assert any(change["customer_id"] == "c1" for change in pipeline.changes())


def test_a_record_without_value_erases_the_customer(pipeline):
    pipeline.start_ready()
    now_ms = int(time.time() * 1000)
    pipeline.send([("c1", GOOD, now_ms), ("c2", GOOD, now_ms)])
    pipeline.wait_caught_up()
    pipeline.send([("c1", None, now_ms)])
    pipeline.wait_caught_up()
    erased = [value for value in pipeline.changes() if value["type"] == "segmenter.customer.erased.v1"]
    assert [value["customer_id"] for value in erased] == ["c1"]
    last = {record.key: record.value for record in pipeline.read("segment-memberships")}
    assert last[b"c1"] is None
    assert json.loads(last[b"c2"])["customer_id"] == "c2"
    state = {record.key: record.value for record in pipeline.read("segmenter-state")}
    assert state[b"c1"] is None


def test_a_record_on_which_the_core_breaks_is_rejected_alone_and_the_others_are_processed(pipeline):
    now_ms = int(time.time() * 1000)
    broken = {**GOOD, "messageId": BROKEN_MESSAGE}
    pipeline.send([("c1", GOOD, now_ms), ("c2", broken, now_ms), ("c2", GOOD, now_ms), ("c3", GOOD, now_ms)])
    worker = pipeline.start("a", ("-m", "tests.kafka.failing_worker"))
    pipeline.wait_caught_up()
    rejected = pipeline.read("customer-events-rejected")
    assert [(r.key, json.loads(r.value), r.header("segmenter_reason")) for r in rejected] == [
        (b"c2", {"userId": "c2", **broken}, b"internal")
    ]
    assert {change["customer_id"] for change in pipeline.changes()} == {"c1", "c2", "c3"}
    assert worker.alive and '"error": "RuntimeError"' in worker.log
    assert "segmenter_core_failures_total 1.0" in worker.get("/metrics")[1]
