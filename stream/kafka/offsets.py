"""Offsets, asked by handles that are never subscribed. Calls block; they are retried while the broker is away."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import stamina
from confluent_kafka import Consumer, IsolationLevel, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from stream.config import Settings
from stream.engine.interfaces import Committed, Fenced, OutcomeUnknown
from stream.kafka.settings import admin_config, side_config

CALL_S = 5.0
COMMITTED_CALL_S = 20.0
"""`committed` waits while a transaction on the group's offsets is open."""

RETRY_S = 90.0
"""Longer than a dead owner's transaction or a broker's restart."""


class KafkaOffsets:
    """Implements `engine.interfaces.Offsets`."""

    def __init__(self, settings: Settings) -> None:
        self._input = settings.topics.input
        self._state = settings.topics.state
        self._side = Consumer(side_config(settings))
        self._admin = AdminClient(admin_config(settings))
        self._side_lock = threading.Lock()  # one handle, asked from several threads

    def committed(self, partitions: Sequence[int]) -> dict[int, Committed]:
        wanted = [TopicPartition(self._input, partition) for partition in partitions]
        found: dict[int, Committed] = {}
        for attempt in stamina.retry_context(on=_passing, attempts=None, timeout=RETRY_S, wait_max=1.0):
            with attempt, self._side_lock:
                for place in self._side.committed(wanted, timeout=COMMITTED_CALL_S):
                    if place.error is not None:
                        raise KafkaException(place.error)
                    found[place.partition] = _committed(place)
        return found

    def high_watermarks(self, partitions: Sequence[int]) -> dict[int, int]:
        """One try: the clock asks again soon. Raises OutcomeUnknown when the broker does not answer."""
        try:
            return self._ask(self._input, partitions, OffsetSpec.latest())
        except KafkaException as error:
            raise OutcomeUnknown(error.args[0].str()) from error

    def low_watermarks(self, partitions: Sequence[int]) -> dict[int, int]:
        return self._ask_patiently(self._input, partitions, OffsetSpec.earliest())

    def changelog_bounds(self, partition: int) -> tuple[int, int]:
        first = self._ask_patiently(self._state, [partition], OffsetSpec.earliest())[partition]
        return first, self._ask_patiently(self._state, [partition], OffsetSpec.latest())[partition]

    def _ask_patiently(self, topic: str, partitions: Sequence[int], spec: OffsetSpec) -> dict[int, int]:
        found: dict[int, int] = {}
        for attempt in stamina.retry_context(on=_passing, attempts=None, timeout=RETRY_S, wait_max=1.0):
            with attempt:
                found = self._ask(topic, partitions, spec)
        return found

    def _ask(self, topic: str, partitions: Sequence[int], spec: OffsetSpec) -> dict[int, int]:
        answers = self._admin.list_offsets(
            {TopicPartition(topic, partition): spec for partition in partitions},
            isolation_level=IsolationLevel.READ_UNCOMMITTED,
            request_timeout=CALL_S,
        )
        return {place.partition: int(answer.result(CALL_S).offset) for place, answer in answers.items()}


def _committed(place: TopicPartition) -> Committed:
    if place.offset < 0:
        return Committed(None, 0, "")
    number, _, nonce = (place.metadata or "").partition(":")
    if not number.isdigit():
        raise Fenced(
            f"partition {place.partition}: the group's committed offset {place.offset} was not written by a worker "
            "(its metadata names no commit): another program commits in this group, or the offsets were reset"
        )
    return Committed(place.offset, int(number), nonce)


def _passing(error: Exception) -> bool:
    """Whether it may go away by itself: the broker is starting, moving, or not there yet."""
    if not isinstance(error, KafkaException):
        return isinstance(error, TimeoutError)
    found: KafkaError = error.args[0]
    return not found.fatal()
