"""Silence, outages and open transactions: nobody lapses who should not, and who should lapses on time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stream.codec.instants import from_text, to_text
from tests.kafka.apache import ApacheKafka
from tests.kafka.kit import OpenTransaction
from tests.kafka.pipeline import Pipeline

SECONDS = """\
definitions: 1
name: seconds
events:
  purchase: Order Completed
dimensions:
  lifecycle:
    stages:
      - prospect: count(purchase) == 0
      - active: last(purchase) > ago({horizon})
      - inactive: otherwise
"""


def now_ms() -> int:
    return int(time.time() * 1000)


def order(at_ms: int, number: int) -> dict[str, Any]:
    return {"type": "track", "event": "Order Completed", "timestamp": to_text(at_ms), "messageId": f"m{number}"}


def pipeline_with(horizon: str, kafka: ApacheKafka, topics: Any, tmp_path: Path, **settings: Any) -> Pipeline:
    definitions = tmp_path / "seconds.yaml"
    definitions.write_text(SECONDS.format(horizon=horizon))
    return Pipeline(kafka.bootstrap, topics.prefix, tmp_path / "run", 1, definitions, settings)


def lapses(pipeline: Pipeline) -> list[dict[str, Any]]:
    return [value for value in pipeline.changes() if value.get("to_stage") == "inactive"]


@pytest.fixture
def quick(apache_kafka: ApacheKafka, topics: Any, tmp_path: Path) -> Iterator[Pipeline]:
    with pipeline_with("6s", apache_kafka, topics, tmp_path) as pipeline:
        yield pipeline


def test_on_a_quiet_partition_a_lapse_appears_within_grace_and_a_second_and_a_half_also_after_a_restart(quick):
    worker = quick.start_ready()
    for restarted in (False, True):
        at_ms = ready_ms = now_ms()
        ordered = {f"c{restarted}-{n}": at_ms - 400 * n for n in range(5)}
        quick.send([(name, order(ms, restarted), ms) for name, ms in ordered.items()])
        if restarted:
            quick.wait_caught_up()
            worker.kill()
            quick.start_ready()
            ready_ms = now_ms()
        quick.wait_for(lambda expected=5 + 5 * restarted: len(lapses(quick)) == expected)
        due = {name: ms + 6_000 for name, ms in ordered.items()}
        told = {lapse["customer_id"]: from_text(lapse["effective_at"]) for lapse in lapses(quick)}
        assert {name: told[name] for name in due} == due
        late_ms = [
            record.timestamp_ms - max(due[name], ready_ms)
            for record in quick.read("segment-changes")
            if b'"inactive"' in record.value and (name := record.key.decode()) in due
        ]
        # Who is late by himself is always late; one may have met a stall of the machine.
        assert len(late_ms) == 5 and min(late_ms) <= 2_000 + 1_500 and max(late_ms) <= 2_000 + 10_000


def test_customers_who_ordered_while_the_worker_was_down_do_not_lapse(quick):
    worker = quick.start_ready()
    at_ms = now_ms()
    quick.send([(f"c{n}", order(at_ms, n), at_ms) for n in range(5)])
    quick.wait_caught_up()
    worker.kill()
    deadline = at_ms + 4_000
    quick.wait_for(lambda: now_ms() > deadline)
    again_ms = at_ms + 3_500  # ordered again within the horizon, while nobody was listening
    quick.send([(f"c{n}", order(again_ms, 10 + n), again_ms) for n in range(4)])
    quick.wait_for(lambda: now_ms() > at_ms + 9_000)
    quick.start_ready()
    quick.wait_for(lambda: len(lapses(quick)) == 5)
    due = {value["customer_id"]: from_text(value["effective_at"]) for value in lapses(quick)}
    assert due == {**{f"c{n}": again_ms + 6_000 for n in range(4)}, "c4": at_ms + 6_000}


def test_an_order_in_an_upstreams_open_transaction_holds_back_the_lapse_until_it_is_decided(quick):
    quick.start_ready()
    upstream = OpenTransaction(quick.address)
    at_ms = now_ms()
    quick.send([("c1", order(at_ms, 1), at_ms)])
    quick.wait_caught_up()
    upstream.produce(quick.input, [quick.outgoing("c1", order(at_ms + 3_000, 2), at_ms + 3_000)])
    quick.wait_for(lambda: now_ms() > at_ms + 11_000)
    assert lapses(quick) == []
    upstream.commit()
    quick.wait_for(lambda: len(lapses(quick)) == 1)
    assert from_text(lapses(quick)[0]["effective_at"]) == at_ms + 9_000
