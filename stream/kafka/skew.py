"""How far this machine's clock is from the broker's, before anything is judged by it.

No request of Kafka's protocol tells the broker's time. What tells it is the append time of a record, so one is written
to the journal within a transaction that is aborted: nobody reads it. It goes under a transactional id of its own, so
that no running worker is fenced.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from confluent_kafka import TIMESTAMP_LOG_APPEND_TIME, KafkaError, KafkaException, Message, Producer

from stream.config import Settings
from stream.engine.wall_clock import SKEW_LIMIT_MS
from stream.kafka.broker_clock import BrokerClock, monotonic_ms
from stream.kafka.errors import create, describe, error_of
from stream.kafka.look import Look
from stream.kafka.settings import SIDE_LOG_LEVEL, producer_config
from stream.kafka.topics import tells_append_time
from stream.kafka.transactions import init_transactions

CALL_S = 10.0


@dataclass(frozen=True, slots=True)
class Skew:
    """`ahead_ms`: by so much this machine's clock is ahead of the broker's, at least; below 0 it is behind. None: it
    could not be measured, and `why_not` says why. `broker_clock` knows what was measured."""

    ahead_ms: int | None
    why_not: str = ""
    broker_clock: BrokerClock = field(default_factory=BrokerClock)

    @property
    def too_large(self) -> bool:
        """Whether no silence could be judged: the same limit as while a worker runs."""
        return self.ahead_ms is not None and abs(self.ahead_ms) > SKEW_LIMIT_MS


def measure_skew(settings: Settings, clock: Callable[[], int], look: Look | None = None) -> Skew:
    """Ask. `clock` tells our time in ms. Never raises for what the broker answers: a worker measures again at each
    commit."""
    journal = settings.topics.journal
    broker_clock = BrokerClock()

    def delivered(error: KafkaError | None, message: Message) -> None:
        kind, stamp_ms = message.timestamp()
        if error is None and kind == TIMESTAMP_LOG_APPEND_TIME:
            broker_clock.appended(stamp_ms, sent_ms)

    config = producer_config(settings) | {
        "transactional.id": f"{settings.transactional_id}-probe",
        "client.id": f"{settings.transactional_id}-probe",
        "log_level": SIDE_LOG_LEVEL,
    }
    producer = create(Producer, config)
    try:
        init_transactions(producer, CALL_S)  # first: meanwhile the look, which others wait for too, has its answers
        if not tells_append_time(settings, look):
            return Skew(None, f"{journal} does not keep append times, as far as the broker tells")
        producer.begin_transaction()
        sent_ms = monotonic_ms()
        producer.produce(journal, b"", b"probe", 0, on_delivery=delivered)
        producer.flush(CALL_S)
        producer.abort_transaction(CALL_S)
    except KafkaException as exception:
        return Skew(None, describe(error_of(exception)))
    ahead_ms = broker_clock.ahead_ms(clock)
    return Skew(ahead_ms, "" if ahead_ms is not None else f"{journal}: no append time came back", broker_clock)
