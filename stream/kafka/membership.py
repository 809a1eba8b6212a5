"""What the group's coordinator says this worker has, asked by a handle of its own."""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import Any

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from stream.config import Settings
from stream.kafka.errors import create
from stream.kafka.settings import admin_config, consumer_config

ASK_S = 5.0
STABLE = "Stable"

_COUNT = Struct(">i")
_LENGTH = Struct(">h")
_VERSION_BYTES = 2


class Membership:
    def __init__(self, settings: Settings) -> None:
        self._group = settings.name
        self._input = settings.topics.input
        self._client_id = consumer_config(settings)["client.id"]
        self._admin = create(AdminClient, admin_config(settings))

    def given(self) -> frozenset[int] | None:
        """Partitions of the input that the group has given to our instance. None: nobody can say now, for brokers do
        not answer or the group is changing. Blocks."""
        try:
            # Not describe_consumer_groups: that aborts the process when the coordinator is away for long (librdkafka
            # issue 4605, here within 30 s each time). This older call names no instances, but our client id holds ours.
            groups = self._admin.list_groups(self._group, ASK_S)
        except KafkaException:
            return None
        stable = [group for group in groups if group.id == self._group and group.state == STABLE]
        return frozenset(self._ours(stable)) if stable else None

    def _ours(self, groups: list[Any]) -> Iterator[int]:
        for group in groups:
            for member in group.members:
                if member.client_id == self._client_id:
                    yield from assigned(member.assignment, self._input)


def assigned(assignment: bytes, topic: str) -> Iterator[int]:
    """Partitions of `topic` in an assignment of Kafka's consumer protocol: version int16, then an array of topics, each
    its name (int16 length) and an array of int32 partitions; arrays begin with their int32 length. b"": none yet."""
    if not assignment:
        return
    at = _VERSION_BYTES
    (topics,) = _COUNT.unpack_from(assignment, at)
    at += _COUNT.size
    for _ in range(topics):
        (length,) = _LENGTH.unpack_from(assignment, at)
        at += _LENGTH.size
        name = assignment[at : at + length].decode()
        at += length
        (count,) = _COUNT.unpack_from(assignment, at)
        at += _COUNT.size
        if name == topic:
            yield from (_COUNT.unpack_from(assignment, at + _COUNT.size * number)[0] for number in range(count))
        at += _COUNT.size * count
