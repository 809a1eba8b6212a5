"""Offsets asked of the broker, by handles that are not subscribed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

from confluent_kafka import Consumer, IsolationLevel, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from stream.config import Settings
from stream.engine.interfaces import Committed
from stream.kafka.asking import attempts, may_pass
from stream.kafka.errors import KafkaRefused, KafkaUnreachable, create, describe, error_of, is_passing
from stream.kafka.settings import admin_config, side_config

ASK_S = 5.0
"""Of one question; many of an idle broker take half a millisecond."""
PATIENT_S = 90.0
"""A restore's questions: a dead owner's open transaction holds its offsets back until the broker aborts it, at most the
transaction time-out (15 s) and the broker's interval of looking (10 s); a broker's restart takes longer still."""

Answer = TypeVar("Answer")


class KafkaOffsets:
    """Implements `engine.interfaces.Offsets`. Raises KafkaUnreachable (an OutcomeUnknown) when nobody answers in time,
    KafkaRefused when the answer is no."""

    def __init__(self, settings: Settings) -> None:
        self._group = settings.name
        self._input = settings.topics.input
        self._state = settings.topics.state
        self._side_config = side_config(settings)
        # One handle per asking thread: a question that an open transaction holds back would hold up all others.
        self._of_thread = threading.local()
        self._admin = create(AdminClient, admin_config(settings))

    def committed(self, partitions: Sequence[int]) -> dict[int, Committed]:
        def ask() -> dict[int, Committed]:
            found = self._side().committed([TopicPartition(self._input, p) for p in partitions], ASK_S)
            for place in found:
                if place.error is not None:
                    raise KafkaException(place.error)
            return {place.partition: _committed(place) for place in found}

        return _ask(ask, f"committed offsets of group {self._group}", PATIENT_S)

    def high_watermarks(self, partitions: Sequence[int]) -> dict[int, int]:
        # Asked by the clock several times a second: one try, then the clock stands still and says why.
        return _ask(lambda: self._bounds(self._input, partitions, OffsetSpec.latest()), f"ends of {self._input}", 0)

    def low_watermarks(self, partitions: Sequence[int]) -> dict[int, int]:
        ask = lambda: self._bounds(self._input, partitions, OffsetSpec.earliest())  # noqa: E731 - a question, named
        return _ask(ask, f"beginnings of {self._input}", PATIENT_S)

    def changelog_bounds(self, partition: int) -> tuple[int, int]:
        return self.bounds(self._state, partition)

    def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        """(first offset, end offset asked read_uncommitted) of a topic's partition."""

        def ask() -> tuple[int, int]:
            first = self._bounds(topic, [partition], OffsetSpec.earliest())[partition]
            return first, self._bounds(topic, [partition], OffsetSpec.latest())[partition]

        return _ask(ask, f"bounds of {topic}", PATIENT_S)

    def _side(self) -> Consumer:
        side: Consumer | None = getattr(self._of_thread, "side", None)
        if side is None:
            side = self._of_thread.side = create(Consumer, self._side_config)
        return side

    def _bounds(self, topic: str, partitions: Sequence[int], spec: OffsetSpec) -> dict[int, int]:
        wanted = {TopicPartition(topic, partition): spec for partition in partitions}
        answers = self._admin.list_offsets(
            wanted, isolation_level=IsolationLevel.READ_UNCOMMITTED, request_timeout=ASK_S
        )
        try:
            return {place.partition: answer.result(2 * ASK_S).offset for place, answer in answers.items()}
        except KafkaException as exception:
            if is_passing(exception):
                # librdkafka asks whom it knows as leader, under the epoch it knows, for minutes: it must be told to
                # look. After a broker's restart the answer else stays FENCED_LEADER_EPOCH.
                self._admin.list_topics(topic, timeout=ASK_S)
            raise


def _committed(place: TopicPartition) -> Committed:
    """The metadata text is `<commit number>:<nonce>`; another's text counts as none."""
    if place.offset < 0:
        return Committed(None, 0, "")
    number, colon, nonce = (place.metadata or "").partition(":")
    if not colon or not number.isdecimal():
        return Committed(place.offset, 0, "")
    return Committed(place.offset, int(number), nonce)


def _ask(ask: Callable[[], Answer], what: str, patience_s: float) -> Answer:
    """Ask until there is an answer, the answer is no, or patience ends."""
    try:
        if not patience_s:
            return ask()
        for attempt in attempts(patience_s):
            with attempt:
                answer = ask()
        return answer
    except (KafkaException, TimeoutError) as exception:
        if isinstance(exception, TimeoutError):
            raise KafkaUnreachable(f"{what}: no answer within {2 * ASK_S:.0f} s") from exception
        text = f"{what}: {describe(error_of(exception))}"
        if may_pass(exception):
            raise KafkaUnreachable(f"{text}, asked for {patience_s:.0f} s; are the brokers up?") from exception
        raise KafkaRefused(text) from exception
