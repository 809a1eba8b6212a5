"""A broker that restarts, freezes or can't be reached: commits wait, nothing is lost or doubled, the worker lives."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import NewTopic

from stream.app.worker import LONGEST_COMMIT_S
from stream.kafka.errors import KafkaUnreachable
from stream.kafka.offsets import KafkaOffsets
from stream.kafka.topics import TRY_S, make_topic
from tests.kafka.apache import ApacheKafka
from tests.kafka.fixtures import Topics
from tests.kafka.kit import admin_of, until_known, wait_for
from tests.kafka.pipeline import Pipeline
from tests.kafka.proxy import END_TXN, Proxy
from tests.kafka.test_adapters import settings_of
from tests.kafka.torment import all_is_well_under_supervision, events_of, parts_of, torment

CALL_S = 10.0
"""After so long a worker gives up on a transactional call."""


@pytest.fixture
def pipeline(apache_kafka: ApacheKafka, topics: Any, tmp_path: Path) -> Iterator[Pipeline]:
    with torment(apache_kafka, topics.prefix, tmp_path) as running:
        yield running


@pytest.fixture
def proxy(apache_kafka: ApacheKafka) -> Iterator[Proxy]:
    with Proxy(apache_kafka.proxy_address, apache_kafka.proxy_target) as between:
        yield between


@pytest.fixture
def proxied(apache_kafka: ApacheKafka, topics: Any, tmp_path: Path, proxy: Proxy) -> Iterator[Pipeline]:
    """Its workers reach the broker through the proxy, the test does not."""
    through = {"bootstrap.servers": apache_kafka.proxy_address}
    with torment(apache_kafka, topics.prefix, tmp_path, kafka=through) as running:
        yield running


def run_killed(kafka: ApacheKafka) -> None:
    kafka.kill()
    kafka.start()


def run_frozen(kafka: ApacheKafka) -> None:
    kafka.pause()
    time.sleep(8)  # past the worker's session
    kafka.resume()


@pytest.mark.parametrize("fault", [ApacheKafka.restart, run_killed, run_frozen])
def test_a_broker_that_restarts_dies_or_freezes_stalls_commits_and_nothing_else(
    pipeline: Pipeline, apache_kafka: ApacheKafka, fault: Callable[[ApacheKafka], None]
) -> None:
    """The worker may end with an error, and its supervisor start it again: librdkafka's static members are sometimes
    fenced by their own second attempt to join, and transactions time out."""
    before, after = parts_of(events_of(seed=31), 2)
    worker = pipeline.start_ready()
    pipeline.send(before)

    fault(apache_kafka)

    pipeline.send(after)
    all_is_well_under_supervision(pipeline, worker)


def test_a_topic_asked_for_while_the_broker_is_frozen_is_made_and_told_as_made(
    apache_kafka: ApacheKafka, topics: Topics
) -> None:
    """The broker gets the request when it wakes, long after it was given up, and then the next one."""
    admin = admin_of(topics.address)
    admin.list_topics(timeout=10)
    new = NewTopic(topics.name("late"), 1, 1)
    apache_kafka.pause()
    waking = threading.Timer(TRY_S + 2, apache_kafka.resume)
    waking.start()

    made = make_topic(admin, new)

    assert made
    until_known(admin, {new.topic})
    assert not make_topic(admin, new)
    waking.join()


def test_after_a_brokers_death_the_input_s_ends_are_known_again_within_seconds(
    apache_kafka: ApacheKafka, topics: Topics
) -> None:
    """librdkafka keeps a leader's epoch for five minutes: silence would not be judged for that long."""
    settings = settings_of(topics, input=topics.create("customer-events", partitions=2))
    offsets = KafkaOffsets(settings)
    assert offsets.high_watermarks([0, 1]) == {0: 0, 1: 0}

    run_killed(apache_kafka)
    answers: list[dict[int, int]] = []

    def answered() -> bool:
        with suppress(KafkaUnreachable):  # never KafkaRefused: it will pass
            answers.append(offsets.high_watermarks([0, 1]))
        return bool(answers)

    wait_for(answered, "the ends of the input", seconds=15)
    assert answers == [{0: 0, 1: 0}]


def test_a_slow_network_delays_commits_and_changes_nothing(proxied: Pipeline, proxy: Proxy) -> None:
    before, after = parts_of(events_of(seed=32), 2)
    worker = proxied.start_ready()
    proxy.delay(0.2)
    proxied.send(before)
    proxied.wait_caught_up()
    proxied.send(after)
    all_is_well_under_supervision(proxied, worker)
    assert proxy.requests[END_TXN]  # commits went this way


def test_connections_reset_again_and_again_lose_and_double_nothing(proxied: Pipeline, proxy: Proxy) -> None:
    worker = proxied.start_ready()
    for part in parts_of(events_of(seed=33), 6):
        proxied.send(part)
        proxy.reset()
    all_is_well_under_supervision(proxied, worker)
    assert proxy.requests[END_TXN]


@pytest.mark.parametrize("seconds", [4.0, 30.0])
def test_an_unreachable_broker_is_waited_for_while_the_worker_says_it_is_not_ready(
    proxied: Pipeline, proxy: Proxy, seconds: float
) -> None:
    """The second time is much longer than session and transaction last: the worker may end and be started again."""
    before, meanwhile, after = parts_of(events_of(seed=34), 3)
    worker = proxied.start_ready()
    proxied.send(before)
    proxy.black_hole()
    begun_s = time.monotonic()
    proxied.send(meanwhile)
    proxied.wait_for(lambda: time.monotonic() > begun_s + seconds)
    if seconds > CALL_S:
        assert worker.get("/readyz")[0] != 200  # it says so, or has ended
    proxy.heal()
    proxied.send(after)
    all_is_well_under_supervision(proxied, worker)
    assert proxy.requests[END_TXN]


def test_a_worker_that_is_told_to_stop_while_the_broker_is_unreachable_ends_in_time_and_loses_nothing(
    proxied: Pipeline, proxy: Proxy
) -> None:
    before, after = parts_of(events_of(seed=36), 2)
    worker = proxied.start_ready()
    proxy.hold_requests(END_TXN)
    proxied.send(before)
    proxied.wait_for(lambda: proxy.held > 0)
    proxy.black_hole()

    code = worker.stop(LONGEST_COMMIT_S + CALL_S / 2)

    assert code == 1
    assert "told to stop, and the brokers did not answer" in worker.log
    proxy.heal()
    proxied.send(after)
    all_is_well_under_supervision(proxied, worker)


@pytest.mark.parametrize("hold", [Proxy.hold_replies_to, Proxy.hold_requests])
def test_a_commit_whose_reply_or_request_comes_too_late_is_made_once(
    proxied: Pipeline, proxy: Proxy, hold: Callable[[Proxy, int], None]
) -> None:
    """The worker does not know the outcome: it initialises a new producer with the same id, which decides it. What
    reaches the broker after that must not end a later transaction."""
    before, after = parts_of(events_of(seed=35), 2)
    worker = proxied.start_ready()
    hold(proxy, END_TXN)
    proxied.send(before)
    proxied.wait_for(lambda: proxy.held > 0)
    proxied.wait_for(lambda: "producer_renewed" in worker.log or not worker.alive, 3 * CALL_S)
    proxied.send(after)
    proxy.release()
    all_is_well_under_supervision(proxied, worker)
