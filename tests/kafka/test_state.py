"""The state's copies: what is lost is rebuilt from the log, to the same digest."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stream.codec.journal import META_KEY, decode_meta
from tests.kafka.apache import ApacheKafka
from tests.kafka.kit import OpenTransaction, Outgoing
from tests.kafka.pipeline import Pipeline, Worker
from tests.kafka.test_exactly_once import DAY, a_year_back, history, settle_and_check


@pytest.fixture
def pipeline(apache_kafka: ApacheKafka, topics: Any, tmp_path: Path) -> Iterator[Pipeline]:
    with Pipeline(apache_kafka.bootstrap, topics.prefix, tmp_path) as running:
        yield running


def digests(pipeline: Pipeline) -> dict[int, str]:
    """Of the last commit of each partition."""
    return {
        record.partition: decode_meta(record.value).digest
        for record in pipeline.read("segmenter-state")
        if record.key == META_KEY
    }


def states(worker: Worker) -> list[str]:
    """Of its partitions."""
    code, body = worker.get("/status")
    return [partition["state"] for partition in json.loads(body)["partitions"]] if code == 200 else []


def test_a_lost_data_directory_is_rebuilt_to_the_same_digest(pipeline):
    events = list(history(30, 12, seed=11, start_ms=a_year_back(), span_ms=380 * DAY))
    pipeline.send(events[:250])
    worker = pipeline.start_ready()
    pipeline.wait_caught_up()
    assert worker.stop() == 0
    before = digests(pipeline)
    shutil.rmtree(worker.data_dir)
    worker = pipeline.start_ready()
    assert worker.log.count('"rebuilt": true') >= 1
    assert digests(pipeline) == before
    pipeline.send(events[250:])
    settle_and_check(pipeline)


def test_a_lost_data_directory_is_rebuilt_while_an_older_transaction_is_open(pipeline):
    events = list(history(30, 12, seed=12, start_ms=a_year_back(), span_ms=380 * DAY))
    pipeline.send(events[:250])
    worker = pipeline.start_ready()
    pipeline.wait_caught_up()
    worker.kill()
    shutil.rmtree(worker.data_dir)
    # What a dead owner may leave: a transaction on the state topic that nobody has decided yet.
    dead = OpenTransaction(pipeline.address, timeout_ms=60_000)
    dead.produce(pipeline.topic("segmenter-state"), [Outgoing(b"c1", b"never committed", 0)])
    worker = pipeline.start()
    pipeline.wait_for(lambda: "restoring" in states(worker))
    dead.abort()
    pipeline.wait_for(lambda: worker.get("/readyz")[0] == 200, 40, worker)
    pipeline.send(events[250:])
    settle_and_check(pipeline)


def test_a_membership_is_the_fold_of_the_customers_changes(pipeline):
    pipeline.send(history(30, 12, seed=13, start_ms=a_year_back(), span_ms=380 * DAY))
    pipeline.start_ready()
    settle_and_check(pipeline)
    members: dict[str, dict[str, Any]] = {}
    for change in pipeline.changes():
        member = members.setdefault(change["customer_id"], {"stages": {}, "segments": set(), "sequence": 0})
        member["sequence"] = change["sequence"]
        if "segment" in change:
            (member["segments"].add if change["member"] else member["segments"].discard)(change["segment"])
        else:
            member["stages"][change["dimension"]] = change["to_stage"]
    found = {}
    for record in pipeline.read("segment-memberships"):
        value = json.loads(record.value)
        found[value["customer_id"]] = {
            "stages": {name: dimension["stage"] for name, dimension in value["dimensions"].items()},
            "segments": set(value["segments"]),
            "sequence": value["sequence"],
        }
    assert found == members
