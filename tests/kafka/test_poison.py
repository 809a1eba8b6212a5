"""The whole poison corpus on Apache Kafka, between good events: nothing is lost, nothing stops."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stream.codec.instants import to_text
from stream.codec.journal import decode_journal
from tests.codec.poison import CORPUS, ERASURE, EVENT, IGNORED, KEY, Poison, call
from tests.kafka.apache import ApacheKafka
from tests.kafka.kit import Outgoing, produce
from tests.kafka.pipeline import Pipeline
from tests.kafka.raw_records import RawRecord, produce_raw

MINUTE_MS = 60_000


@pytest.fixture
def pipeline(apache_kafka: ApacheKafka, topics: Any, tmp_path: Path) -> Iterator[Pipeline]:
    with Pipeline(apache_kafka.bootstrap, topics.prefix, tmp_path, partitions=1) as running:
        yield running


def outgoing(poison: Poison, now_ms: int) -> Outgoing:
    # The broker itself takes no record from more than an hour ahead.
    stamp = now_ms if poison.timestamp_ms is None else min(poison.timestamp_ms, now_ms + 30 * MINUTE_MS)
    return Outgoing(poison.key, poison.value, 0, stamp, poison.headers)  # type: ignore[arg-type]


def good(number: int, now_ms: int) -> Outgoing:
    customer = f"good-{number}"
    value = call(userId=customer, messageId=f"m-{number}", timestamp=to_text(now_ms))
    return Outgoing(customer.encode(), value, 0, now_ms)


def counts(pipeline: Pipeline) -> Counter[str]:
    """What the journal says became of the records."""
    total: Counter[str] = Counter()
    for record in pipeline.read("segmenter-journal"):
        assert record.value is not None
        total.update(decode_journal(record.value).counts)
    return total


def metric(text: str, name: str) -> float:
    """The sum of a metric over its labels."""
    return sum(float(line.rpartition(" ")[2]) for line in re.findall(rf"^{name}(?:{{.*}})? .*$", text, re.M))


def test_the_corpus_between_good_events_is_rejected_byte_for_byte_or_processed_and_the_worker_stays_ready(
    pipeline: Pipeline,
) -> None:
    worker = pipeline.start_ready()
    now_ms = int(time.time() * 1000)
    sent = [each for n, poison in enumerate(CORPUS) for each in (good(n, now_ms), outgoing(poison, now_ms))]
    offsets = produce(pipeline.address, pipeline.input, sent)
    ready: list[int] = []

    def caught_up() -> bool:
        ready.append(worker.get("/readyz")[0])
        return pipeline.caught_up()

    pipeline.wait_for(caught_up)

    assert worker.alive and set(ready) == {200}
    poisoned = [(offsets[2 * n + 1], poison) for n, poison in enumerate(CORPUS) if poison.is_rejected]
    found = pipeline.read("customer-events-rejected")
    assert [(r.key, r.value, r.headers[:-5]) for r in found] == [
        (poison.key, poison.value, list(poison.headers or [])) for _, poison in poisoned
    ]
    assert [(r.headers[-5:][0], r.headers[-1]) for r in found] == [
        (("segmenter_reason", poison.becomes.encode()), ("segmenter_source_offset", b"%d" % offset))
        for offset, poison in poisoned
    ]
    became = Counter("rejected" if poison.is_rejected else poison.becomes for poison in CORPUS)
    total = counts(pipeline)
    assert {name: total[name] for name in ("received", "accepted", "duplicate", "ignored", "rejected", "erased")} == {
        "received": len(sent), "accepted": len(CORPUS) + became[EVENT], "duplicate": 0, "ignored": became[IGNORED],
        "rejected": became["rejected"], "erased": became[ERASURE],
    }  # fmt: skip
    served = worker.get("/metrics")[1]
    assert metric(served, "segmenter_rejected_events_total") == became["rejected"]
    assert metric(served, "segmenter_core_failures_total") == 0
    customers = {change["customer_id"] for change in pipeline.changes()}
    assert customers >= {f"good-{number}" for number in range(len(CORPUS))} | {KEY.decode()}
    assert worker.stop() == 0


def test_a_header_name_that_is_not_utf_8_costs_the_record_its_headers_and_the_worker_goes_on(
    pipeline: Pipeline,
) -> None:
    worker = pipeline.start_ready()
    now_ms = int(time.time() * 1000)
    raw = RawRecord(KEY, call(), [(b"trace", b"1"), (b"\xff\xfe", b"2"), (b"", None)], now_ms)
    produce_raw(pipeline.address, pipeline.input, 0, [raw, raw])
    produce(pipeline.address, pipeline.input, [good(1, now_ms)])
    pipeline.wait_caught_up()

    found = pipeline.read("customer-events-rejected")
    assert [(r.key, r.value, r.header("segmenter_reason"), len(r.headers)) for r in found] == [
        (KEY, call(), b"invalid-utf8", 5)
    ] * 2
    assert {change["customer_id"] for change in pipeline.changes()} == {"good-1"}
    assert worker.alive and worker.get("/readyz")[0] == 200
    assert worker.stop() == 0
