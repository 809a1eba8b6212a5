"""What can be seen of the topics from outside: where they end, what open transactions hold back, what may be deleted.

By handles of its own, so that neither a stalled consumer nor a commit that waits can blind it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from confluent_kafka import Consumer, IsolationLevel, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, OffsetSpec, ResourceType

from stream.config import Settings
from stream.kafka.errors import KafkaRefused, KafkaUnreachable, create, describe, error_of, is_passing
from stream.kafka.settings import admin_config, side_config

ASK_S = 5.0
FETCH_S = 2.0
FETCH_BYTES = 64 << 10
"""One record is wanted; a larger one comes all the same."""


@dataclass(frozen=True, slots=True)
class Ends:
    """One partition's offsets: the first still there, where readers of committed records must stop, the end."""

    first: int
    stable: int
    end: int


class KafkaWatch:
    """Every call blocks. KafkaUnreachable: nobody answered in time; KafkaRefused: the answer is no."""

    def __init__(self, settings: Settings) -> None:
        self._input = settings.topics.input
        self._admin = create(AdminClient, admin_config(settings))
        small = {"fetch.message.max.bytes": FETCH_BYTES, "queued.max.messages.kbytes": 1024, "queued.min.messages": 1}
        # Uncommitted too: a record of an open transaction can also be deleted unread.
        self._config = side_config(settings) | small | {"isolation.level": "read_uncommitted"}
        self._reader: Consumer | None = None

    def ends(self, topic: str, partitions: Sequence[int]) -> dict[int, Ends]:
        """Of these partitions."""
        stable = self._offsets(topic, partitions, OffsetSpec.latest(), IsolationLevel.READ_COMMITTED)
        # The end is asked after the stable one: a record written in between must not look like an end before it.
        end = self._offsets(topic, partitions, OffsetSpec.latest(), IsolationLevel.READ_UNCOMMITTED)
        first = self._offsets(topic, partitions, OffsetSpec.earliest(), IsolationLevel.READ_UNCOMMITTED)
        return {number: Ends(first[number], stable[number], end[number]) for number in partitions}

    def retention_ms(self) -> int | None:
        """How long the input keeps a record; None: it deletes nothing by age."""
        try:
            resource = ConfigResource(ResourceType.TOPIC, self._input)
            answer = self._admin.describe_configs([resource], request_timeout=ASK_S)[resource].result(2 * ASK_S)
        except (KafkaException, TimeoutError) as exception:
            raise _meaning(f"settings of {self._input}", exception) from exception
        kept_ms = int(answer["retention.ms"].value)
        return None if kept_ms < 0 or "delete" not in answer["cleanup.policy"].value else kept_ms

    def stamp_ms(self, partition: int, offset: int) -> int | None:
        """The timestamp of the input's first record from `offset` on; None when none comes within FETCH_S."""
        if self._reader is None:
            self._reader = create(Consumer, self._config)
        reader = self._reader
        try:
            reader.assign([TopicPartition(self._input, partition, offset)])
            deadline_s = time.monotonic() + FETCH_S
            while (left_s := deadline_s - time.monotonic()) > 0:
                message = reader.poll(left_s)
                if message is not None and message.error() is None:
                    stamp: int = message.timestamp()[1]
                    return stamp
            return None
        except KafkaException as exception:
            raise _meaning(f"record {offset} of {self._input} {partition}", exception) from exception
        finally:
            reader.unassign()

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()

    def _offsets(
        self, topic: str, partitions: Sequence[int], spec: OffsetSpec, level: IsolationLevel
    ) -> dict[int, int]:
        try:
            answers = self._admin.list_offsets(
                {TopicPartition(topic, number): spec for number in partitions},
                isolation_level=level,
                request_timeout=ASK_S,
            )
            return {place.partition: answer.result(2 * ASK_S).offset for place, answer in answers.items()}
        except (KafkaException, TimeoutError) as exception:
            meaning = _meaning(f"offsets of {topic}", exception)
            if isinstance(meaning, KafkaUnreachable):
                with suppress(KafkaException):  # new leaders are found when they are looked for: see KafkaOffsets
                    self._admin.list_topics(topic, timeout=ASK_S)
            raise meaning from exception


def _meaning(what: str, exception: Exception) -> Exception:
    if not isinstance(exception, KafkaException):
        return KafkaUnreachable(f"{what}: no answer within {2 * ASK_S:.0f} s")
    text = f"{what}: {describe(error_of(exception))}"
    return KafkaUnreachable(text) if is_passing(exception) else KafkaRefused(text)
