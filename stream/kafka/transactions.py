"""The transactional producer: one per worker, fenced by its group metadata (KIP-447).

librdkafka's errors become the three that matter: `Aborted` (abort and redo), `OutcomeUnknown` (nobody knows yet) and
`Fenced` (this process must exit). Every call has a time-out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import structlog
from confluent_kafka import KafkaError, KafkaException, Message, Producer, TopicPartition

from stream.codec.journal import META_KEY
from stream.config import Settings
from stream.engine.interfaces import Aborted, Fenced, OutcomeUnknown, Produce
from stream.kafka.settings import producer_config

INIT_CALL_S = 10.0
INIT_TRIES = 12
"""A dead owner's transaction is ended by the broker within its time-out; so long an initialisation may wait."""

SEND_OFFSETS_S = 10.0
COMMIT_S = 10.0
ABORT_S = 10.0
QUEUE_FULL_POLL_S = 0.05
LOG_APPEND_TIME = 2

THROWN_OUT = frozenset(
    {
        KafkaError.ILLEGAL_GENERATION,
        KafkaError.UNKNOWN_MEMBER_ID,
        KafkaError.REBALANCE_IN_PROGRESS,
        KafkaError.FENCED_INSTANCE_ID,
    }
)
"""The group has moved on: the transaction must be aborted, whatever its flags say."""

TIMED_OUT = frozenset({KafkaError._TIMED_OUT, KafkaError._TIMED_OUT_QUEUE, KafkaError._TRANSPORT})

log = structlog.get_logger()


class KafkaTransactions:
    """Implements `engine.interfaces.Transactions`. `clock` is the machine's, to be compared with the broker's."""

    def __init__(self, settings: Settings, clock: Callable[[], int]) -> None:
        self._settings = settings
        self._clock = clock
        self._producer: Producer | None = None
        self._begun_ms = 0
        self._broker_time: tuple[int, int] | None = None
        self._meta_offsets: dict[int, int] = {}
        self._failed: KafkaError | None = None

    # -- Transactions

    def begin(self) -> None:
        self._begun_ms = self._clock()
        self._failed = None
        try:
            self._handle.begin_transaction()
        except KafkaException as error:
            raise _meaning(error) from error

    def produce(self, records: Iterable[Produce]) -> None:
        handle = self._handle
        produce, poll = handle.produce, handle.poll
        journal, meta = self._journal_delivered, self._meta_delivered
        journal_topic = self._settings.topics.journal
        for record in records:
            if record.key == META_KEY:
                report: Callable[[KafkaError | None, Message], None] | None = meta
            elif record.topic == journal_topic:
                report = journal
            else:
                report = None
            while True:
                try:
                    if report is not None:
                        produce(
                            record.topic, record.value, record.key, record.partition,
                            on_delivery=report, headers=record.headers,
                        )  # fmt: skip
                    elif record.headers:
                        produce(record.topic, record.value, record.key, record.partition, headers=record.headers)
                    else:
                        produce(record.topic, record.value, record.key, record.partition)
                    break
                except BufferError:
                    poll(QUEUE_FULL_POLL_S)
                except KafkaException as error:
                    raise _meaning(error) from error

    def send_offsets(self, offsets: dict[int, tuple[int, str]], group_metadata: Any) -> None:
        topic = self._settings.topics.input
        positions = [
            TopicPartition(topic, partition, offset, metadata=text) for partition, (offset, text) in offsets.items()
        ]
        try:
            self._handle.send_offsets_to_transaction(positions, group_metadata, SEND_OFFSETS_S)
        except KafkaException as error:
            raise _meaning(error) from error

    def commit(self) -> None:
        try:
            self._handle.commit_transaction(COMMIT_S)
        except KafkaException as error:
            raise _meaning(error) from error
        self._handle.poll(0)  # delivery reports: the broker's time and where the meta records are

    def abort(self) -> None:
        try:
            self._handle.abort_transaction(ABORT_S)
        except KafkaException as error:
            raise _meaning(error) from error

    def renew(self) -> None:
        """Blocks until the new producer is initialised. Raises Fenced when that can't be done."""
        old, fresh = self._producer, Producer(producer_config(self._settings))
        for attempt in range(INIT_TRIES):
            try:
                fresh.init_transactions(INIT_CALL_S)
                break
            except KafkaException as error:
                found = error.args[0]
                log.warning("producer_not_initialised", attempt=attempt + 1, error=found.name())
                if found.fatal():
                    raise Fenced(f"the producer can't be initialised: {found.str()}") from error
        else:
            raise Fenced("the producer can't be initialised: the broker did not answer in time")
        self._producer = fresh
        del old

    def broker_time_ms(self) -> tuple[int, int] | None:
        return self._broker_time

    def meta_offset(self, partition: int) -> int | None:
        return self._meta_offsets.get(partition)

    # -- parts

    @property
    def _handle(self) -> Producer:
        assert self._producer is not None, "renew() comes first"
        return self._producer

    def _journal_delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            return  # commit_transaction raises for it
        kind, appended_ms = message.timestamp()
        if kind == LOG_APPEND_TIME:
            # Somewhere between begin and now by our clock: outside of that by how much is the least skew there is.
            now_ms = self._clock()
            self._broker_time = (appended_ms, min(max(appended_ms, self._begun_ms), now_ms))

    def _meta_delivered(self, error: KafkaError | None, message: Message) -> None:
        if error is None:
            self._meta_offsets[message.partition()] = message.offset()


def _meaning(error: KafkaException) -> Exception:
    found: KafkaError = error.args[0]
    log.warning(
        "transaction_call_failed", error=found.name(), fatal=found.fatal(), abortable=found.txn_requires_abort(),
        retriable=found.retriable(),
    )  # fmt: skip
    if found.fatal():
        return Fenced(f"the producer was fenced or is beyond repair: {found.str()}")
    if found.txn_requires_abort() or found.code() in THROWN_OUT:
        return Aborted(found.str())
    if found.retriable() or found.code() in TIMED_OUT:
        return OutcomeUnknown(found.str())
    return Aborted(found.str())
