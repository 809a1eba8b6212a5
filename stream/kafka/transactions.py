"""The transactional producer (KIP-447), with every error told as what it means for the commit.

librdkafka reports a record that could not be delivered by failing the commit, so only two kinds of record have a
delivery callback: the journal's, whose broker time shows how far the clocks differ, and `meta`, whose offset the local
copy remembers. No call waits longer than CALL_S.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

import structlog
from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, KafkaError, KafkaException, Message, Producer, TopicPartition

from stream.codec.journal import META_KEY
from stream.config import Settings
from stream.engine.interfaces import Aborted, Fenced, OutcomeUnknown, Produce
from stream.kafka.asking import until_connected
from stream.kafka.broker_clock import BrokerClock, monotonic_ms
from stream.kafka.errors import create, describe, error_of
from stream.kafka.settings import LIBRDKAFKA_LOG, producer_config

CALL_S = 10.0
"""Of one transactional call; below the default transaction time-out, so a slow commit is resolved before the broker
aborts it by itself."""
INIT_S = 60.0
"""Until a new producer must be initialised: an older one's commit may be under way, or the coordinator moving."""
STUCK_S = 5.0
"""A call that takes so much longer than its time-out never ends."""
SERVE_S = 0.5
"""So often what librdkafka has to say is asked for while a call goes on."""
QUEUE_FULL_S = 10.0
QUEUE_WAIT_S = 0.05

THROWN_OUT = frozenset({
    KafkaError.ILLEGAL_GENERATION, KafkaError.UNKNOWN_MEMBER_ID, KafkaError.REBALANCE_IN_PROGRESS,
    KafkaError.FENCED_INSTANCE_ID, KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT, KafkaError.MSG_SIZE_TOO_LARGE,
})  # fmt: skip
"""The transaction is lost, the producer is not: abort and begin again."""
FENCED = frozenset({KafkaError._FENCED, KafkaError.INVALID_PRODUCER_EPOCH, KafkaError._FATAL})

log = structlog.get_logger(__name__)


class KafkaTransactions:
    """Implements `engine.interfaces.Transactions`; `renew` also makes the first producer. One thread at a time.
    `clock` tells our wall time in ms; `broker_clock` may know an append time already."""

    def __init__(self, settings: Settings, clock: Callable[[], int], broker_clock: BrokerClock | None = None) -> None:
        self._settings = settings
        self._clock = clock
        self._topics = settings.topics
        self._config: dict[str, Any] | None = None
        self._producer: Producer | None = None
        self._calls = ThreadPoolExecutor(1, thread_name_prefix="producer")  # so that a call can be given up
        self._begun_ms = 0  # monotonic
        self._broker_clock = broker_clock or BrokerClock()
        self._meta_offsets: dict[int, int] = {}

    def begin(self) -> None:
        self._begun_ms = monotonic_ms()
        self._call(self._open().begin_transaction)

    def produce(self, records: Iterable[Produce]) -> None:
        producer = self._open()
        send = producer.produce
        journal = self._topics.journal
        for record in records:
            topic, key = record.topic, record.key
            try:
                # Most are state records: by position and without a dict for each, 1.0 us where that took 1.4.
                if not record.headers and key != META_KEY and topic != journal:
                    send(topic, record.value, key, record.partition)
                else:
                    send(topic, record.value, key, record.partition, **self._extra(record))
            except BufferError:
                self._produce_slowly(producer, record)
            except KafkaException as exception:
                raise _meaning(exception, Aborted) from exception
        producer.poll(0)

    def send_offsets(self, offsets: dict[int, tuple[int, str]], group_metadata: Any) -> None:
        positions = [
            TopicPartition(self._topics.input, partition, offset, metadata)
            for partition, (offset, metadata) in offsets.items()
        ]
        producer = self._open()
        self._call(lambda: producer.send_offsets_to_transaction(positions, group_metadata, CALL_S))

    def commit(self) -> None:
        producer = self._open()
        self._call(lambda: producer.commit_transaction(CALL_S), OutcomeUnknown)

    def abort(self) -> None:
        producer = self._open()
        self._call(lambda: producer.abort_transaction(CALL_S), OutcomeUnknown)

    def renew(self) -> None:
        if self._config is None:
            self._config = producer_config(self._settings)
        started = time.monotonic()
        producer = create(Producer, self._config, logger=LIBRDKAFKA_LOG)
        while True:
            try:
                self._in_time(producer, lambda: init_transactions(producer, CALL_S))
                break
            except KafkaException as exception:
                error = error_of(exception)
                if error.fatal() or not error.retriable() or time.monotonic() - started > INIT_S:
                    raise Fenced(f"the producer could not be initialised: {describe(error)}") from exception
                log.warning("producer_not_initialised_yet", error=error.name())
        old, self._producer = self._producer, producer
        if old is not None:
            # What it still holds must not be sent, nor waited for.
            old.purge(blocking=False)
            log.warning("producer_renewed", seconds=round(time.monotonic() - started, 3))

    def ahead_ms(self) -> int | None:
        return self._broker_clock.ahead_ms(self._clock)

    def meta_offset(self, partition: int) -> int | None:
        return self._meta_offsets.get(partition)

    def _open(self) -> Producer:
        assert self._producer is not None, "renew makes the first producer"
        return self._producer

    def _extra(self, record: Produce) -> dict[str, Any]:
        extra: dict[str, Any] = {"headers": record.headers} if record.headers else {}
        if record.topic == self._topics.journal:
            extra["on_delivery"] = self._on_journal
        elif record.topic == self._topics.state and record.key == META_KEY:
            extra["on_delivery"] = self._on_state
        return extra

    def _produce_slowly(self, producer: Producer, record: Produce) -> None:
        """The queue is full: let it send some, then try again."""
        give_up = time.monotonic() + QUEUE_FULL_S
        while time.monotonic() < give_up:
            producer.poll(QUEUE_WAIT_S)
            try:
                producer.produce(record.topic, record.value, record.key, record.partition, **self._extra(record))
                return
            except BufferError:
                continue
            except KafkaException as exception:
                raise _meaning(exception, Aborted) from exception
        raise Aborted(f"the producer's queue was full for {QUEUE_FULL_S:.0f} s")

    def _call(self, call: Callable[[], Any], otherwise: type[Exception] | None = None) -> None:
        try:
            self._in_time(self._open(), call)
        except KafkaException as exception:
            raise _meaning(exception, otherwise) from exception

    def _in_time(self, producer: Producer, call: Callable[[], Any]) -> None:
        """Raises Fenced when the call does not return: librdkafka (2.16.0 seen) at times never ends
        `send_offsets_to_transaction` after connections were reset, whatever time-out it was given. The process must
        end then: its poll thread goes on, so nobody else would ever get its partitions.

        A call that takes long has a reason, be it a refused password: librdkafka's log of it comes out by polling."""
        answer = self._calls.submit(call)
        give_up = time.monotonic() + CALL_S + STUCK_S
        while not wait([answer], SERVE_S).done:
            producer.poll(0)
            if time.monotonic() > give_up:
                raise Fenced(f"a call of the producer with a time-out of {CALL_S:.0f} s did not return")
        answer.result()

    def _on_journal(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            return
        kind, append_ms = message.timestamp()
        if kind == TIMESTAMP_LOG_APPEND_TIME:
            self._broker_clock.appended(append_ms, self._begun_ms)

    def _on_state(self, error: KafkaError | None, message: Message) -> None:
        partition, offset = message.partition(), message.offset()
        if error is None and partition is not None and offset is not None:
            self._meta_offsets[partition] = offset


def init_transactions(producer: Producer, seconds: float) -> None:
    """Initialise a producer that was just made. Raises KafkaException."""
    until_connected(producer)
    producer.init_transactions(seconds)


def _meaning(exception: KafkaException, otherwise: type[Exception] | None) -> Exception:
    """What the engine must do about it. `otherwise` is for errors without a flag; None: they are bugs of ours."""
    error = error_of(exception)
    text = describe(error)
    if error.fatal() or error.code() in FENCED:
        return Fenced(text)
    if error.txn_requires_abort() or error.code() in THROWN_OUT:
        return Aborted(text)
    if error.retriable() or error.code() == KafkaError._TIMED_OUT:
        return OutcomeUnknown(text)
    return exception if otherwise is None else otherwise(text)
