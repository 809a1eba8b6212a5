"""Asking the brokers again while what went wrong may pass, and not before they can answer."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

import stamina
from confluent_kafka import KafkaException, Producer

from stream.kafka.errors import is_passing

FIRST_WAIT_S = 0.1
LONGEST_WAIT_S = 1.0
CONNECT_S = 1.0


def attempts(patience_s: float) -> Iterable[stamina.Attempt]:
    """`with` each of them around the question: none follows one that succeeded, that failed for good, or for whose
    successor patience has ended; then its error comes out."""
    return stamina.retry_context(
        on=may_pass, attempts=None, timeout=patience_s, wait_initial=FIRST_WAIT_S, wait_max=LONGEST_WAIT_S
    )


def may_pass(exception: Exception) -> bool:
    return isinstance(exception, TimeoutError) or is_passing(exception)


def until_connected(producer: Producer) -> None:
    """Wait until one of the brokers is connected, or for a second: who asks next is told what is wrong.

    A producer that is transactional or idempotent needs an id. librdkafka (2.16.0) asks for it at once, and when no
    broker is connected yet again only half a second later: so took 9 of 30 new producers, none of 30 that had waited.
    """
    with suppress(KafkaException):
        producer.list_topics(timeout=CONNECT_S)
