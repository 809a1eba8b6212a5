"""Kafka's errors as the engine and the operator know them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from confluent_kafka import KafkaError, KafkaException

from stream.engine.interfaces import OutcomeUnknown
from stream.errors import ConfigError, SegmenterError

Client = TypeVar("Client")


class KafkaUnreachable(OutcomeUnknown, SegmenterError):
    """No answer within the time allowed."""


class KafkaRefused(SegmenterError):
    """The broker answered, and the answer is no: no permission, wrong credentials, a fatal state."""


def error_of(exception: KafkaException) -> KafkaError:
    error: KafkaError = exception.args[0]
    return error


def describe(error: KafkaError) -> str:
    return f"{error.str()} ({error.name()})"


def create(client: Callable[..., Client], config: dict[str, Any], **options: Any) -> Client:
    """A librdkafka client; a property it doesn't know or can't read is the operator's error."""
    try:
        return client(config, **options)
    except KafkaException as exception:
        raise ConfigError(f"kafka: {error_of(exception).str()}; expected properties librdkafka knows") from None


def is_passing(exception: BaseException) -> bool:
    """Whether asking again may help: brokers away or moving, leaders changing, offsets not stable yet."""
    if not isinstance(exception, KafkaException):
        return isinstance(exception, KafkaUnreachable)
    error = error_of(exception)
    return not error.fatal() and (error.retriable() or error.code() in _PASSING)


_PASSING = frozenset({
    KafkaError._TIMED_OUT, KafkaError._TIMED_OUT_QUEUE, KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN,
    KafkaError._RESOLVE, KafkaError._WAIT_COORD, KafkaError._NOENT,
    KafkaError.LEADER_NOT_AVAILABLE, KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.BROKER_NOT_AVAILABLE,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS, KafkaError.COORDINATOR_NOT_AVAILABLE, KafkaError.NOT_COORDINATOR,
    KafkaError.NETWORK_EXCEPTION, KafkaError.REQUEST_TIMED_OUT, KafkaError.FENCED_LEADER_EPOCH,
    KafkaError.UNKNOWN_LEADER_EPOCH, KafkaError.OFFSET_NOT_AVAILABLE, KafkaError.UNSTABLE_OFFSET_COMMIT,
    KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.KAFKA_STORAGE_ERROR,
})  # fmt: skip
