"""Who has which partitions, as the group's coordinator says, asked by a handle of its own; and a nudge to the group."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from struct import Struct
from threading import Event

from confluent_kafka import Consumer, KafkaException
from confluent_kafka.admin import AdminClient

from stream.config import Settings
from stream.kafka.errors import create
from stream.kafka.settings import admin_config, consumer_config

ASK_S = 5.0
NUDGE_S = 30.0
"""Members join a new round at their next heartbeat, or when their commit is through."""

STABLE = "Stable"
WITHOUT_MEMBERS = ("Empty", "Dead")

_COUNT = Struct(">i")
_LENGTH = Struct(">h")
_VERSION_BYTES = 2


@dataclass(frozen=True, slots=True)
class GroupView:
    """Who had which partitions of the input, by client id, when the group was at rest, and which of them we are."""

    members: Mapping[str, frozenset[int]]
    our_id: str

    @property
    def ours(self) -> frozenset[int] | None:
        """What the group has given us. None: it does not know us."""
        return self.members.get(self.our_id)

    def unowned(self, partition_count: int) -> frozenset[int]:
        """Those of so many partitions that no member has."""
        return frozenset(range(partition_count)).difference(*self.members.values())

    @property
    def rank(self) -> int:
        """Our place among the members, by name. Raises ValueError when the group does not know us."""
        return sorted(self.members).index(self.our_id)


class Membership:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._group = settings.name
        self._input = settings.topics.input
        self._client_id = consumer_config(settings)["client.id"]
        self._admin = create(AdminClient, admin_config(settings))

    def ask(self) -> GroupView | None:
        """One question to the coordinator. None: nobody can say now, for brokers do not answer or the group is
        changing. Blocks."""
        members = self._members()
        return None if members is None else GroupView(members, self._client_id)

    def nudge(self) -> None:
        """Make the group share its partitions out anew: somebody joins it for a moment, and leaves. Blocks."""
        config = {**consumer_config(self._settings), "client.id": f"{self._client_id}-nudge"}
        del config["group.instance.id"]  # whoever has one does not leave when it closes
        joined = Event()
        consumer = create(Consumer, config)
        try:
            consumer.subscribe([self._input], on_assign=lambda *_: joined.set())
            give_up = time.monotonic() + NUDGE_S
            while not joined.is_set() and time.monotonic() < give_up:
                consumer.poll(0.1)
        finally:
            consumer.close()

    def _members(self) -> dict[str, frozenset[int]] | None:
        """Client id -> partitions of the input, of a group at rest; none for one that nobody is in. None: can't be
        said."""
        try:
            # Not describe_consumer_groups: that aborts the process when the coordinator is away for long (librdkafka
            # issue 4605, here within 30 s each time). This older call names no instances, but our client id holds ours.
            groups = self._admin.list_groups(self._group, ASK_S)
        except KafkaException:
            return None
        ours = [group for group in groups if group.id == self._group]  # none: nobody has ever joined
        if any(group.state not in (STABLE, *WITHOUT_MEMBERS) for group in ours):
            return None
        found: dict[str, frozenset[int]] = {}
        for group in ours:
            for member in group.members:
                partitions = frozenset(assigned(member.assignment, self._input))
                found[member.client_id] = found.get(member.client_id, frozenset()) | partitions
        return found


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
