"""Nothing of a customer in logs, metrics, status, errors and journal: canaries in all that is sent, whatever fails."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.kafka.apache import ApacheKafka
from tests.kafka.kit import Outgoing, produce
from tests.kafka.pipeline import Pipeline, Worker
from tests.kafka.stumbling_worker import BREAKS, ENDS

SONG = "tirili7"
"""In every id, address, trait, property, name and key that is sent, and nowhere else."""

DAY_MS = 86_400_000
STUMBLING = ("-m", "tests.kafka.stumbling_worker")
PATHS = ("/metrics", "/status", "/version", "/livez?verbose", "/readyz?verbose")
DEFINITIONS = """\
definitions: 1
name: canary
traits:
  email: {type: text, private: true}
  city: text
facts:
  city: traits.city
  orders: count("Order Completed")
  coupon: last("Order Completed".coupon)
dimensions:
  place:
    stages:
      - known: traits.city != null
      - unknown: otherwise
segments:
  buyer:
    when: orders >= 1 and traits.city != "nowhere"
    with: {email: traits.email, coupon: coupon}
    topic: buyers
  quiet:
    when: silent(any, 5d)
""".replace("  city: traits.city\n", "  home: traits.city\n")


@pytest.fixture
def pipeline(apache_kafka: ApacheKafka, topics: Any, tmp_path: Path) -> Iterator[Pipeline]:
    definitions = tmp_path / "shop.yaml"
    definitions.write_text(DEFINITIONS)
    settings = {"log": "debug"}
    with Pipeline(apache_kafka.bootstrap, topics.prefix, tmp_path / "run", 2, definitions, settings) as running:
        yield running


def customer(number: int) -> str:
    return f"{SONG}-id-{number}"


def story(number: int, at_ms: int) -> list[tuple[str, dict[str, Any] | bytes | None, int]]:
    """What a customer sends: traits, an order, a view, nonsense; every third is erased."""
    who = customer(number)
    context = {"ip": f"{SONG}-ip", "userAgent": f"{SONG}-agent"}
    traits = {"email": f"{SONG}-{number}@example.com", "city": f"{SONG}-city"}
    events: list[dict[str, Any] | bytes | None] = [
        {"type": "identify", "traits": traits, "context": context, "messageId": f"{SONG}-m-{number}"},
        {"type": "track", "event": "Order Completed", "properties": {"coupon": f"{SONG}-coupon", "revenue": 5}},
        {"type": "track", "event": f"{SONG} Looked", "properties": {"q": f"{SONG}-query"}},
        {"type": "page", "name": f"{SONG}-page"},
        {"type": f"{SONG}-type"},
        {"type": "track", "event": f"{SONG}" * 60},
        {"type": "identify", "traits": f"{SONG}-traits"},
        {"type": "track", "event": "Order Completed", "timestamp": f"{SONG}-time"},
        {"type": "track", "event": "Order Completed", "userId": f"{SONG}-other"},
        f'{{"type": "track", "{SONG}": {SONG}}}'.encode(),
        f'{{"{SONG}": 1e999}}'.encode(),
        f"{SONG}".encode() + b"\xff",
        f'{{"{SONG}": '.encode() * 50,
    ]
    return [(who, event, at_ms) for event in [*events, *([None] if number % 3 == 0 else [])]]


def poisoned_keys() -> list[Outgoing]:
    song = SONG.encode()
    headers = [("ce_specversion", song), ("ce_id", song + b"\xff"), ("traceparent", song), (SONG, song)]
    return [
        Outgoing(song + b"\xff", song, 0),
        Outgoing(song + b"\x00", song, 1),
        Outgoing(song * 60, song, 0),
        Outgoing(None, song, 1),
        Outgoing(song, b"{}", 0, headers=headers),
        Outgoing(song, None, 0, headers=[("request_id", song)]),
    ]


def heard(worker: Worker) -> str:
    return "\n".join(worker.get(path)[1] for path in PATHS)


def test_nothing_of_a_customer_is_told_whatever_happens(pipeline: Pipeline, tmp_path: Path) -> None:
    told: list[str] = []
    now_ms = int(time.time() * 1000)
    old = [event for number in range(6) for event in story(number, now_ms - 9 * DAY_MS)]
    pipeline.send(old)  # silent for 5 days: wakes fire at once
    produce(pipeline.address, pipeline.input, poisoned_keys())
    first = pipeline.start("a", STUMBLING)
    pipeline.wait_caught_up()
    told.append(heard(first))

    # A core that fails on records, while another worker joins and takes partitions over.
    second = pipeline.start("b", STUMBLING)
    broken = {"type": "track", "event": "Order Completed", "properties": {"coupon": f"{SONG}-c"}, "messageId": BREAKS}
    pipeline.send([(customer(number), broken, now_ms) for number in range(10, 14)])
    pipeline.send([event for number in range(20, 24) for event in story(number, now_ms)])
    pipeline.wait_for(lambda: second.get("/readyz")[0] == 200 and '"partition": ' in second.get("/status")[1])
    pipeline.wait_caught_up()
    told += [heard(first), heard(second)]
    first.kill()
    pipeline.wait_for(lambda: second.get("/status")[1].count('"partition": ') == 2)
    pipeline.send([event for number in range(30, 34) for event in story(number, now_ms)])
    pipeline.wait_caught_up()
    told.append(heard(second))

    # And the error that ends the process.
    fatal = {"type": "identify", "traits": {"email": f"{SONG}@example.com", "city": f"{SONG} {ENDS}"}}
    pipeline.send([(customer(40), fatal, now_ms)])
    pipeline.wait_for(lambda: not second.alive)

    config = str(pipeline.config("b"))
    for command in (("topics", "check"), ("config", "show")):
        done = pipeline.run(*command, "--config", config, check=False)
        told.append(done.stdout + done.stderr)
    told += [first.log, second.log]
    journal = pipeline.read("segmenter-journal")
    told += [(record.value or b"").decode() for record in journal]
    rejected = pipeline.read("customer-events-rejected")
    reasons = [value.decode() for record in rejected for name, value in record.headers[-5:]]
    told += reasons

    assert [place for place, text in enumerate(told) if SONG in text.lower()] == []
    # It was all there, and all of it happened.
    changes = pipeline.read("segment-changes")
    assert sum(SONG.encode() in record.value for record in changes) > 20
    assert sum(SONG.encode() in (record.value or b"") for record in pipeline.read("buyers")) > 5
    assert len(set(reasons) & {"internal", "invalid-json", "key-mismatch", "bad-timestamp", "bad-cloudevent"}) == 5
    logs = first.log + second.log
    assert '"core_failed"' in logs and "ValueError" in logs and '"assigned"' in logs
    assert '"worker_failed"' in second.log and "AssertionError" in second.log and second.process.returncode == 1
    assert "segmenter_rejected_events_total{" in told[0] and '"partitions": [' in told[0]
