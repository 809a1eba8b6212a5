"""The broker harness itself: what the scenario tests take for granted."""

from __future__ import annotations

from tests.kafka.apache import ApacheKafka
from tests.kafka.fixtures import Topics
from tests.kafka.kit import OpenTransaction, Outgoing, committed_offsets, end_offsets, produce, read_all

LAST_YEAR_MS = 1_735_689_600_000


def test_a_reader_of_committed_records_sees_a_transaction_only_once_it_is_decided(topics: Topics) -> None:
    name = topics.create("events", partitions=2)
    dropped = OpenTransaction(topics.address)
    dropped.produce(name, [Outgoing(b"c1", b"dropped", 0)])
    dropped.abort()
    kept = OpenTransaction(topics.address)
    kept.produce(name, [Outgoing(b"c1", b"kept", 0), Outgoing(b"c2", b"kept too", 1)])

    before = read_all(topics.address, name)
    kept.commit()
    after = read_all(topics.address, name)

    assert before == []
    assert [(record.partition, record.value) for record in after] == [(0, b"kept"), (1, b"kept too")]
    assert b"dropped" in [record.value for record in read_all(topics.address, name, committed=False)]


def test_an_open_transaction_lies_before_the_high_watermark_and_behind_the_last_stable_offset(topics: Topics) -> None:
    name = topics.create("events", partitions=1)
    transaction = OpenTransaction(topics.address)
    transaction.produce(name, [Outgoing(b"c1", b"undecided", 0)])

    assert end_offsets(topics.address, name) == {0: 1}
    assert end_offsets(topics.address, name, committed=True) == {0: 0}
    transaction.abort()


def test_records_keep_their_old_timestamps_headers_and_null_values(topics: Topics) -> None:
    name = topics.create("events", partitions=1)

    offsets = produce(
        topics.address,
        name,
        [
            Outgoing(b"c1", b"a", 0, timestamp_ms=LAST_YEAR_MS, headers=[("reason", b"test")]),
            Outgoing(b"c1", None, 0, timestamp_ms=LAST_YEAR_MS + 1),
        ],
    )
    first, second = read_all(topics.address, name)

    assert offsets == [0, 1]
    assert (first.timestamp_ms, first.header("reason"), first.header("other")) == (LAST_YEAR_MS, b"test", None)
    assert (second.timestamp_ms, second.value) == (LAST_YEAR_MS + 1, None)


def test_a_group_that_never_committed_has_no_offsets(topics: Topics) -> None:
    name = topics.create("events")

    assert committed_offsets(topics.address, topics.name("group"), name) == {}


def test_a_broker_that_is_killed_paused_or_restarted_comes_back_with_its_records(
    apache_kafka: ApacheKafka, topics: Topics
) -> None:
    name = topics.create("events", partitions=1)
    produce(topics.address, name, [Outgoing(b"c1", b"before", 0)])

    apache_kafka.pause()
    apache_kafka.resume()
    apache_kafka.kill()
    apache_kafka.start()
    produce(topics.address, name, [Outgoing(b"c1", b"between", 0)])
    apache_kafka.restart()

    assert [record.value for record in read_all(topics.address, name)] == [b"before", b"between"]
